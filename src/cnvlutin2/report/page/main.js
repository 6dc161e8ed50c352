// The page: what was run, and its views as tabs.

const VIEWS = [
  ["speedup", "Speed-up", speedupView],
  ["slots", "Where cycles go", slotsView],
  ["footprint", "Footprint", footprintView],
  ["energy", "Energy", energyView],
  ["density", "Density", densityView],
  ["lanes", "Lane loads", lanesView],
  ["viewer", "Lane viewer", viewerView],
  ["roofline", "Compute and DRAM", rooflineView],
  ["table", "Table", tableView],
  ["repeat", "Repeat", repeatView],
];

function head() {
  const title = h("h1", {}, network().name);
  const facts = h("p", { class: "facts" });
  const speedups = h("p", { class: "facts" });
  const remarks = h("p", { class: "facts remark" });
  const update = () => {
    const n = network();
    title.textContent = n.name;
    const macs = sum(n.layers.map((layer) => layer.macs));
    const said = [
      plural(n.layers.length, "layer"),
      plural(data.archs.length, "organisation"),
      plural(n.images.length, "image"),
      `${si(macs)} multiply-accumulates an image`,
      `${percent(sum(n.runs[0].map((run) => run.effectual_macs)) / n.images.length / macs)} of them effectual`,
    ];
    const a = n.accuracy;
    if (a && a.correct !== null) said.push(`${a.correct} of ${a.images} classified correctly`);
    else if (a) said.push(`top-1 class kept on ${a.agree} of ${a.images}`);
    facts.textContent = said.join(" · ");
    speedups.textContent = data.archs.map((arch, i) => `${arch.name} ${both(n.totals[i])}`).join(" · ");
    remarks.textContent = [n.synthetic ? "synthetic values" : "", n.left_out_text].filter(Boolean).join(" · ");
    remarks.hidden = !remarks.textContent;
  };
  state.listeners.push(update);
  update();
  const element = document.getElementById("head");
  element.append(h("p", { class: "eyebrow" }, "Cnvlutin2 report"), title, remarks, facts, speedups);
  if (data.networks.length > 1) {
    const select = choice(
      "Network",
      data.networks.map((n, i) => [i, n.name]),
      0,
      (value) => {
        state.network = Number(value);
        changed();
      },
    );
    element.append(h("div", { class: "controls" }, select.element));
  }
}

function views() {
  const list = document.getElementById("tabs");
  const panels = document.getElementById("panels");
  const made = VIEWS.map(([id, name, build]) => {
    const tab = h(
      "button",
      { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `view-${id}`, on: { click: () => select(id) } },
      name,
    );
    const panel = h("section", {
      role: "tabpanel",
      id: `view-${id}`,
      "aria-labelledby": `tab-${id}`,
      tabindex: -1,
      hidden: true,
    });
    list.append(tab);
    panels.append(panel);
    return { id, tab, panel, build, built: false };
  });

  function select(id, focus = false) {
    hideTip();
    for (const view of made) {
      const chosen = view.id === id;
      view.tab.setAttribute("aria-selected", String(chosen));
      view.tab.tabIndex = chosen ? 0 : -1;
      view.panel.hidden = !chosen;
      if (chosen && !view.built) {
        view.built = true;
        view.build(view.panel);
      }
      if (chosen && focus) view.tab.focus();
      if (chosen) view.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    history.replaceState(null, "", `#${id}`);
  }
  list.addEventListener("keydown", (event) => {
    const at = made.findIndex((view) => view.tab === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: made.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    select(made[(to + made.length) % made.length].id, true);
  });
  addEventListener("beforeprint", () => {
    document.body.classList.add("on-paper"); // shows every view, as wide as paper
    for (const view of made) {
      if (!view.built) view.build(view.panel);
      view.built = true;
    }
    changed();
  });
  addEventListener("afterprint", () => {
    document.body.classList.remove("on-paper");
    changed();
  });
  const open = () => {
    const wanted = location.hash.slice(1);
    select(made.some((view) => view.id === wanted) ? wanted : made[0].id);
  };
  addEventListener("hashchange", open);
  open();
}

head();
views();
