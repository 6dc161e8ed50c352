// Every point in a table that sorts; the chosen one is marked.

function tableView(panel) {
  const columns = [
    { name: "point", text: true, value: (i) => data.points[i].id.slice(0, 8) },
    { name: "organisation", text: true, value: (i) => data.archs[data.points[i].arch].name },
    ...data.parameters.map((key) => ({ name: key, text: true, value: (i) => data.points[i].parameters[key] })),
    ...data.measures.map((m) => ({ name: m.label, value: (i) => data.points[i].values[m.key], show: (v) => shown(m, v) })),
  ];
  let [by, down] = [-1, false];
  const body = h("tbody", {});
  const find = h("input", { type: "search", "aria-label": "Find points", placeholder: "find, as lanes=8", on: { input: update } });
  const count = h("span", { class: "note", role: "status" });
  const heads = columns.map((column, c) =>
    h("th", { scope: "col", class: column.text ? "text" : null }, h("button", { type: "button", on: { click: () => sort(c) } }, column.name)),
  );
  panel.append(
    card(
      "Every point",
      "Press a heading to sort, again to turn the order round; press a point to see it in full.",
      archLegend(),
      h("div", { class: "controls" }, find, count),
      h(
        "div",
        { class: "scroll grid-table", tabindex: 0, role: "region", "aria-label": "Table of points" },
        h("table", {}, h("thead", {}, h("tr", {}, heads)), body),
      ),
    ),
  );
  detail(panel);

  function sort(c) {
    down = by === c ? !down : !columns[c].text;
    by = c;
    heads.forEach((head, i) => {
      if (i === c) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    update();
  }
  function update() {
    const wanted = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const said = (i) =>
      [data.points[i].id, data.archs[data.points[i].arch].name, ...data.parameters.map((key) => `${key}=${data.points[i].parameters[key]}`)]
        .join(" ")
        .toLowerCase();
    const rows = pointsHere().filter((i) => wanted.every((word) => said(i).includes(word)));
    if (by >= 0) {
      const { value } = columns[by];
      const order = (a, b) =>
        typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      rows.sort((a, b) => (down ? order(value(b), value(a)) : order(value(a), value(b))));
    }
    count.textContent = plural(rows.length, "point");
    body.replaceChildren(
      ...rows.map((i) =>
        h(
          "tr",
          { "aria-selected": String(i === state.point), "data-point": data.points[i].id },
          columns.map((column, c) => {
            const text = (column.show || String)(column.value(i));
            const content = c ? text : h("button", { type: "button", class: "plain", on: { click: () => choosePoint(i) } }, text);
            return h("td", column.text ? { class: "text" } : {}, content);
          }),
        ),
      ),
    );
  }
  state.listeners.push(update);
  update();
}
