// What a layer's input takes in the activation memory under every format.

function footprintView(panel) {
  if (!data.formats.length) {
    panel.append(missing("These results hold no footprints."));
    return;
  }
  const places = () => network().footprints;
  const store = choice(
    "Memory of",
    () => places().map((entry, i) => [i, entry.archs.map((a) => data.archs[a].name).join(", ")]),
    0,
    changed,
  );
  state.listeners.unshift(() => store.update());
  const bits = () => places()[Number(store.value)].bits;
  const shapes = ["square", "circle", "triangle-up", "triangle-down", "diamond", "cross", "triangle-right", "triangle-left"];
  const formats = data.formats.map((format, i) => ({ ...format, shape: shapes[i % shapes.length] }));
  const dense = Math.max(
    0,
    data.formats.findIndex((format) => format.key === "dense"),
  );

  const all = card(
    "Activation memory by format",
    "All layers' inputs together, pointers included, against storing every value. Run length and relative index are for comparison: a window could not address their bricks. No code of the same values can beat the entropy bound.",
    places().length > 1 ? h("div", { class: "controls" }, store.element) : null,
  );
  panel.append(all);
  chart(all, "Footprint of all layers by format", (width) => {
    const total = formats.map((_, f) => sum(bits().map((layer) => layer[f])) / images());
    const rows = formats.map((format, f) => ({
      label: format.label,
      height: 20,
      draw(x, y, height) {
        const part = total[f] / total[dense];
        const lines = [format.label, `${bytes(total[f])} an image`, `${percent(part)} of dense`, format.meaning].filter(Boolean);
        return {
          nodes: [
            s("rect", { x: x(0), y, width: x(part) - x(0), height, fill: format.colour, class: "edge", rx: 2 }),
            s("text", { x: x(part) + 6, y: y + height / 2 + 4 }, `${percent(part, 0)} · ${bytes(total[f])}`),
          ],
          marks: [{ x: x(0), y, w: x(part) - x(0), h: height, lines }],
        };
      },
    }));
    const high = greatest(total) / total[dense];
    return rowChart(width, rows, { high, label: "bits, as a share of dense", format: (v) => percent(v, 0), rule: 1, room: 118 });
  });

  const part = card("By layer", "", legend(formats));
  panel.append(part);
  chart(part, "Footprint of every layer by format", (width) => {
    const ratio = (l, f) => bits()[l][f] / bits()[l][dense];
    const high = greatest(
      network().layers.flatMap((_, l) => formats.map((_f, f) => ratio(l, f))),
      1,
    );
    const rows = network().layers.map((layer, l) => {
      const points = formats.map((format, f) => ({
        ...format,
        value: ratio(l, f),
        lines: [layer.name, `${format.label}: ${percent(ratio(l, f))} of dense`, `${bytes(bits()[l][f] / images())} an image`],
      }));
      return pointRow(layer.name, points);
    });
    return rowChart(width, rows, { high, label: "bits, as a share of dense", format: (v) => percent(v, 0), rule: 1 });
  });
}
