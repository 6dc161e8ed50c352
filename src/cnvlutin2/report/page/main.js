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

head();
views(VIEWS);
