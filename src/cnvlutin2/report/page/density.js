// How much of the activations and weights is effectual, and how it spreads over the bricks.

function densityView(panel) {
  const part = card(
    "Effectual activations and weights by layer",
    "Effectual: a magnitude of at least the layer's threshold, so by default not 0. A line spans the images of the run.",
    legend([
      { label: "activations", colour: "#0072b2" },
      { label: "weights", colour: "#e69f00" },
    ]),
  );
  panel.append(part);
  chart(part, "Density of activations and weights by layer", (width) => {
    const rows = network().layers.map((layer) => ({
      label: layer.name,
      height: 19,
      after: 5,
      draw(x, y) {
        const [mean, least, most] = layer.activation_density;
        const bar = (value, top, colour) =>
          s("rect", { x: x(0), y: top, width: Math.max(1, x(value) - x(0)), height: 9, fill: colour, class: "gap" });
        const nodes = [bar(mean, y, "#0072b2"), bar(layer.weight_density, y + 10, "#e69f00")];
        if (x(most) - x(least) > 2)
          nodes.push(
            s("path", {
              class: "rule",
              fill: "none",
              d: `M${x(least)} ${y + 2}v5M${x(least)} ${y + 4.5}H${x(most)}M${x(most)} ${y + 2}v5`,
            }),
          );
        const lines = [`${percent(mean)} of the activations effectual`];
        if (images() > 1) lines.push(`by image ${percent(least)} to ${percent(most)}`);
        if (layer.threshold > 1) lines.push(`threshold ${layer.threshold} LSBs`);
        return {
          nodes,
          marks: [
            { x: x(0), y, w: x(mean) - x(0), h: 9, lines: [layer.name, ...lines] },
            {
              x: x(0),
              y: y + 10,
              w: x(layer.weight_density) - x(0),
              h: 9,
              lines: [layer.name, `${percent(layer.weight_density)} of the weights effectual`],
            },
          ],
        };
      },
    }));
    return rowChart(width, rows, { high: 1, exact: true, label: "effectual part", format: (v) => percent(v, 0) });
  });
  panel.append(bricksCard());
}

/** Histograms, a row a layer: how many bricks hold how many effectual values. */
function bricksCard() {
  const part = card(
    "How full the bricks are",
    "The share of each layer's bricks by the effectual values that they hold, in the first image. A lane that takes whole bricks spends as many cycles on each, and one on an empty one.",
  );
  if (!network().layers.some((layer) => layer.trace)) {
    part.append(missing("This report was written without traces, so it cannot say how full the bricks are."));
    return part;
  }
  const sizes = () => [
    ...new Set(network().layers.flatMap((layer) => (layer.trace ? layer.trace.bricks.map((b) => b.brick) : []))),
  ];
  const size = choice("Brick of", () => sizes().map((n) => [n, plural(n, "value")]), undefined, changed);
  state.listeners.unshift(() => size.update());
  if (data.networks.some((n) => new Set(n.layers.flatMap((l) => (l.trace ? l.trace.bricks.map((b) => b.brick) : []))).size > 1)) {
    part.append(h("div", { class: "controls" }, size.element));
  }
  part.append(scaleBar("0%", "the layer's most frequent"));
  chart(part, "Bricks of every layer by their effectual values", (width) => {
    const brick = Number(size.value);
    const rows = network().layers.map((layer) => ({
      label: layer.name,
      height: 17,
      after: 2,
      draw(x, y, height) {
        const held = layer.trace && layer.trace.bricks.find((b) => b.brick === brick);
        if (!held) return { nodes: [], marks: [] };
        const total = sum(held.counts);
        const most = greatest(held.counts, 1);
        const cell = (count, n) => ({
          x: x(n),
          y,
          w: x(n + 1) - x(n) - 1,
          h: height,
          lines: [
            layer.name,
            `${plural(n, "effectual value")} of ${brick}: ${percent(count / total)} of the bricks`,
            `${whole(count)} of ${whole(total)}; stored by ${held.packing}`,
          ],
        });
        const marks = held.counts.map(cell);
        return {
          nodes: marks.map((m, n) => s("rect", { x: m.x, y, width: m.w, height, fill: ramp(held.counts[n] / most) })),
          marks,
        };
      },
    }));
    const every = Math.ceil(brick / (width < 540 ? 8 : 16));
    const places = Array.from({ length: brick + 1 }, (_, n) => [n + 0.5, String(n)]).filter((_, n) => n % every === 0);
    return rowChart(width, rows, { high: brick + 1, exact: true, label: "effectual values in the brick", places });
  });
  return part;
}

/** The colour scale of a heat map. */
function scaleBar(from, to) {
  const svg = s("svg", { width: 120, height: 10, "aria-hidden": "true" });
  for (let i = 0; i < 40; i += 1) svg.append(s("rect", { x: i * 3, y: 0, width: 3.5, height: 10, fill: ramp(i / 39) }));
  return h("div", { class: "scale" }, h("span", {}, from), svg, h("span", {}, to));
}
