// Views as tabs; a view is an identity, a name, and what builds it when it is first seen.

function views(all) {
  const list = document.getElementById("tabs");
  const panels = document.getElementById("panels");
  const made = all.map(([id, name, build]) => {
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
