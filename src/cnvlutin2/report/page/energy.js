// What the energy of an image is spent on.

const RELATIVE = [
  ["speedup", "speed-up with waiting", times],
  ["energy_gain", "energy gain", times],
  ["edp_gain", "energy-delay gain", times],
  ["ed2p_gain", "energy-delay² gain", times],
  ["chip_energy_gain", "energy gain on chip", times],
  ["chip_edp_gain", "energy-delay gain on chip", times],
  ["chip_ed2p_gain", "energy-delay² gain on chip", times],
  ["area_overhead", "more area", (x) => percent(x, 2)],
];

function energyView(panel) {
  if (!data.components.length) {
    panel.append(missing("These results hold no energy; it was not accounted for."));
    return;
  }
  const dram = data.components.findIndex((component) => component.key === "dram");
  const count = choice(
    "Count",
    [
      ["all", "all energy"],
      ["chip", "on chip, without DRAM"],
    ],
    "all",
    changed,
  );
  const counted = (energies) => energies.map((pj, c) => (count.value === "chip" && c === dram ? 0 : pj / images()));
  const all = card(
    "Energy of an image by component",
    "Events times what each costs, and leakage; the tables and their sources are in the documentation. Percentages are of the dense machine of the same size, each organisation's own where they differ." + cautions(),
    h("div", { class: "controls" }, count.element),
    legend(data.components),
  );
  panel.append(all);
  chart(all, "Energy of the network by organisation and component", (width) => {
    const known = shownArchs().filter((i) => network().costs[i]);
    const rows = known.map((i) => {
      const { energy_pj, baseline_pj } = network().costs[i];
      return { label: data.archs[i].name, parts: counted(energy_pj), basis: sum(counted(baseline_pj)) };
    });
    return energyRows(width, [...baselineRows(known, counted), ...rows]);
  });
  panel.append(
    card(
      "Against the dense baseline",
      "Gains: the baseline's figure divided by the organisation's, above 1x where it is better." + cautions(),
      gains(),
    ),
  );
  const arch = archChoice();
  const part = card("By layer", "", h("div", { class: "controls" }, arch.element));
  panel.append(part);
  chart(part, "Energy of every layer by component", (width) =>
    energyRows(
      width,
      network().layers.map((layer, l) => {
        const { cost } = network().runs[Number(arch.value)][l];
        return { label: layer.name, parts: cost ? counted(cost.energy_pj) : [] };
      }),
    ),
  );
}

/** What is to be said of these figures: doubtful prices, and which organisations paid them. */
function cautions() {
  const paidBy = new Map();
  data.archs.forEach((arch, i) =>
    network().costs[i]?.cautions.forEach((caution) => paidBy.set(caution, [...(paidBy.get(caution) ?? []), arch.name])),
  );
  return [...paidBy].map(([caution, names]) => ` ${names.join(", ")}: ${caution}.`).join("");
}

/** A row for each dense baseline of some organisations that none of the run's is itself; several are told apart by name. */
function baselineRows(archs, counted) {
  const energies = new Map([...archs].reverse().map((i) => [sum(network().costs[i].baseline_pj), i]));
  const own = new Set(data.archs.flatMap((arch, i) => (arch.skips || !network().costs[i] ? [] : [sum(network().costs[i].energy_pj)])));
  const rows = [...energies].filter(([energy]) => !own.has(energy)).map(([, i]) => {
    const parts = counted(network().costs[i].baseline_pj);
    return { label: energies.size > 1 ? `dense, as ${data.archs[i].name}` : BASELINE, parts, basis: sum(parts) };
  });
  return rows.reverse();
}

/** Stacked bars of energies; those with a `basis` say what part of it they are. */
function energyRows(width, found) {
  const high = greatest(
    found.map((row) => sum(row.parts)),
    1e-12,
  );
  const rows = found.map((row) => ({
    label: row.label,
    height: 18,
    draw(x, y, height) {
      const total = sum(row.parts);
      const nodes = [
        s(
          "text",
          { x: x(total) + 6, y: y + height / 2 + 4 },
          row.basis ? `${joules(total)} · ${percent(total / row.basis, 0)}` : joules(total),
        ),
      ];
      const marks = [];
      let from = 0;
      row.parts.forEach((pj, c) => {
        if (!pj) return;
        const [a, b] = [x(from), x(from + pj)];
        from += pj;
        nodes.push(s("rect", { class: "gap", x: a, y, width: Math.max(0.5, b - a), height, fill: data.components[c].colour }));
        marks.push({
          x: a,
          y,
          w: b - a,
          h: height,
          lines: [
            row.label,
            `${data.components[c].label}: ${joules(pj)}, ${percent(pj / total)}`,
            data.components[c].meaning,
          ].filter(Boolean),
        });
      });
      return { nodes, marks };
    },
  }));
  return rowChart(width, rows, {
    high,
    label: "energy of an image",
    format: (pj) => (pj ? joules(pj) : "0"),
    room: found.some((row) => row.basis) ? 124 : 76,
  });
}

function gains() {
  const body = h("tbody", {});
  function update() {
    body.replaceChildren(
      ...shownArchs()
        .filter((i) => network().costs[i])
        .map((i) =>
          h(
            "tr",
            {},
            h("th", { class: "text", scope: "row" }, data.archs[i].name),
            RELATIVE.map(([key, , show]) => h("td", {}, show(network().costs[i].relative[key]))),
            h("td", {}, `${network().costs[i].area_mm2.toFixed(1)} mm²`),
          ),
        ),
    );
  }
  state.listeners.push(update);
  update();
  const heads = [...RELATIVE.map(([, name]) => name), "area"];
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Gains over the dense baseline" },
    h(
      "table",
      { class: "wrapped" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { class: "text", scope: "col" }, "organisation"),
          heads.map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      body,
    ),
  );
}
