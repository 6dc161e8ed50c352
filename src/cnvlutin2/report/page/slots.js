// Where the cycles go: every multiplier slot of every cycle has one kind.

const SCALES = [
  ["dense", "against dense cycles"],
  ["share", "share of the slots, %"],
  ["cycles", "cycles an image"],
];

function slotsView(panel) {
  const scale = choice("Bars show", SCALES, "dense", changed);
  const all = card(
    "Where the cycles go",
    "A slot is one multiplier in one cycle. Each has one kind, and nothing is left over: a bar is as long as the cycles, its parts are what the multipliers did.",
    h("div", { class: "controls" }, scale.element),
    legend(data.slots.filter((_, k) => data.networks.some((n) => n.runs.some((runs) => runs.some((run) => run.slots[k]))))),
  );
  panel.append(all);
  chart(all, "Multiplier slots of the network by organisation", (width) =>
    slotRows(
      width,
      scale.value,
      shownArchs().map((i) => slotRow(data.archs[i].name, i, network().runs[i])),
    ),
  );

  const arch = archChoice();
  const part = card("By layer", "", h("div", { class: "controls" }, arch.element));
  panel.append(part);
  chart(part, "Multiplier slots of every layer", (width) => {
    const i = Number(arch.value);
    return slotRows(
      width,
      scale.value,
      network().layers.map((layer, l) => slotRow(layer.name, i, [network().runs[i][l]])),
    );
  });
}

/** Add up runs into a row: slots by kind, cycles and dense cycles an image. */
function slotRow(label, arch, runs) {
  return {
    label,
    slots: data.slots.map((_, k) => sum(runs.map((run) => run.slots[k]))),
    cycles: sum(runs.map((run) => run.cycles)) / images(),
    dense: sum(runs.map((run) => run.dense_cycles)) / images(),
  };
}

function slotRows(width, scale, found) {
  const length = (row) => (scale === "share" ? 1 : scale === "cycles" ? row.cycles : row.cycles / row.dense);
  const high = scale === "share" ? 1 : greatest(found.map(length), scale === "dense" ? 1 : 0);
  const rows = found.map((row) => ({
    label: row.label,
    height: 18,
    draw(x, y, height) {
      const total = sum(row.slots);
      const [nodes, marks] = [[], []];
      let from = 0;
      row.slots.forEach((count, k) => {
        if (!count) return;
        const part = count / total;
        const [a, b] = [x(from * length(row)), x((from + part) * length(row))];
        from += part;
        nodes.push(s("rect", { class: "gap", x: a, y, width: Math.max(0.5, b - a), height, fill: data.slots[k].colour }));
        const lines = [
          row.label,
          `${data.slots[k].label}: ${percent(part)} of the slots`,
          `worth ${whole(part * row.cycles)} of ${whole(row.cycles)} cycles an image`,
          `(${whole(row.dense)} dense)`,
        ];
        marks.push({ x: a, y, w: b - a, h: height, lines });
      });
      return { nodes, marks };
    },
  }));
  const label = {
    share: "share of the multiplier slots",
    cycles: "cycles an image",
    dense: "cycles, as a share of the dense baseline's",
  }[scale];
  return rowChart(width, rows, {
    high,
    exact: scale === "share",
    label,
    format: scale === "cycles" ? short : (v) => percent(v, 0),
    rule: scale === "dense" ? 1 : undefined,
  });
}
