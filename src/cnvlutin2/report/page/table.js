// Every layer under every organisation, sortable.

const COLUMNS = [
  { name: "layer", text: true, value: (r) => r.layer.name },
  { name: "organisation", text: true, value: (r) => r.arch.name },
  { name: "ran", text: true, value: (r) => r.run.mode },
  { name: "cycles", hint: "of an image", value: (r) => r.run.cycles / images(), show: whole },
  { name: "dense cycles", hint: "of an image", value: (r) => r.run.dense_cycles / images(), show: whole },
  { name: "speed-up", hint: "of the datapath", value: (r) => r.run.dense_cycles / r.run.cycles, show: times },
  { name: "MACs", hint: "of an image, padding included", value: (r) => r.layer.macs, show: si },
  {
    name: "effectual MACs",
    hint: "effectual activation and weight",
    value: (r) => r.run.effectual_macs / images() / r.layer.macs,
    show: (v) => percent(v),
  },
  { name: "activations", hint: "effectual part", value: (r) => r.layer.activation_density[0], show: (v) => percent(v) },
  { name: "weights", hint: "effectual part", value: (r) => r.layer.weight_density, show: (v) => percent(v) },
  { name: "useful slots", hint: "effectual products, of all slots", value: (r) => part(r, "effectual"), show: (v) => percent(v) },
  {
    name: "waiting slots",
    hint: "for lanes, tiles or filters, of all slots",
    value: (r) => part(r, "lane_sync") + part(r, "filter_sync"),
    show: (v) => percent(v),
  },
  ...(data.components.length
    ? [
        {
          name: "total cycles",
          hint: "of an image, with waiting for encoders and DRAM",
          value: (r) => (r.run.cost ? r.run.cost.total_cycles / images() : 0),
          show: whole,
        },
        {
          name: "energy",
          hint: "of an image",
          value: (r) => (r.run.cost ? sum(r.run.cost.energy_pj) / images() : 0),
          show: joules,
        },
        {
          name: "DRAM",
          hint: "bytes moved for an image",
          value: (r) => (r.run.cost ? r.run.cost.dram_bits / images() : 0),
          show: bytes,
        },
      ]
    : []),
  { name: "shape", text: true, value: (r) => shape(r.layer) },
];

const part = (r, kind) => r.run.slots[data.slots.findIndex((slot) => slot.key === kind)] / sum(r.run.slots);

function shape(layer) {
  const stride = greatest(layer.strides) > 1 ? ` /${layer.strides.join("x")}` : "";
  const groups = layer.groups > 1 ? ` in ${layer.groups} groups` : "";
  return `${layer.input_shape.join("x")} → ${layer.output_shape[0]} of ${layer.kernel_shape.join("x")}${stride}${groups}`;
}

function tableView(panel) {
  let [by, down] = [-1, false];
  const body = h("tbody", {});
  const arch = choice("Organisation", [["", "all"], ...archOptions()], "", update);
  const find = h("input", {
    type: "search",
    "aria-label": "Find layers by name",
    placeholder: "find a layer",
    on: { input: update },
  });
  const count = h("span", { class: "note", role: "status" });
  const heads = COLUMNS.map((column, c) =>
    h(
      "th",
      { scope: "col", class: column.text ? "text" : null, title: column.hint || null },
      h("button", { type: "button", on: { click: () => sort(c) } }, column.name),
    ),
  );
  panel.append(
    card(
      "Every layer and organisation",
      "Press a heading to sort, again to turn the order round. Cycles are means over the images.",
      h("div", { class: "controls" }, arch.element, find, count),
      h(
        "div",
        { class: "scroll grid-table", tabindex: 0, role: "region", "aria-label": "Table of layers" },
        h("table", {}, h("thead", {}, h("tr", {}, heads)), body),
      ),
    ),
  );

  function sort(c) {
    down = by === c ? !down : !COLUMNS[c].text; // numbers begin with the greatest
    by = c;
    heads.forEach((head, i) => {
      if (i === c) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    update();
  }
  function update() {
    const wanted = find.value.toLowerCase();
    const rows = network()
      .layers.flatMap((layer, l) => data.archs.map((each, i) => ({ layer, arch: each, i, run: network().runs[i][l] })))
      .filter((r) => (arch.value === "" || String(r.i) === arch.value) && r.layer.name.toLowerCase().includes(wanted));
    if (by >= 0) {
      const { value } = COLUMNS[by];
      const order = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
      rows.sort((a, b) => (down ? order(value(b), value(a)) : order(value(a), value(b))));
    }
    count.textContent = plural(rows.length, "row");
    body.replaceChildren(
      ...rows.map((r) =>
        h(
          "tr",
          {},
          COLUMNS.map((column) => {
            const text = (column.show || String)(column.value(r));
            return h("td", column.text ? { class: "text", title: text } : {}, text);
          }),
        ),
      ),
    );
  }
  state.listeners.push(update);
  update();
}
