// Parallel coordinates: an axis a parameter or measure, a line a point.

function parallelView(panel) {
  const place = h("div", {});
  panel.append(
    card(
      "Parameters and measures",
      "A line is a point; those that no other beats in time, energy and area are drawn strongly. Click a line.",
      archLegend(),
      place,
    ),
  );
  const axes = [
    ...data.parameters.map((key) => ({ name: key, of: (i) => data.points[i].parameters[key] })),
    ...data.measures.filter((m) => m.parallel).map((m) => ({ name: m.label, measure: m, of: (i) => data.points[i].values[m.key] })),
  ];
  chart(place, "Parameters and measures of points", (width) => {
    const here = pointsHere();
    const best = new Set(frontOf(here, data.measures.filter((m) => m.front)));
    const [top, bottom] = [44, 380];
    const x = (k) => 50 + (k * (width - 110)) / Math.max(1, axes.length - 1);
    const ys = axes.map((axis) => placesOf(axis, here, bottom, top));
    const nodes = axes.flatMap((axis, k) => [
      s("line", { class: "axis", x1: x(k), x2: x(k), y1: top, y2: bottom }),
      s("text", { x: x(k), y: k % 2 ? 30 : 14, "text-anchor": "middle" }, fitted(axis.name, (2 * (width - 110)) / axes.length)),
      ...ys[k].marked.map(([v, text]) => s("text", { class: "muted", x: x(k) + 5, y: ys[k].at(v) + 4 }, text)),
    ]);
    const marks = [];
    const order = [...here].sort((i, j) => best.has(i) - best.has(j) || (i === state.point) - (j === state.point));
    for (const i of order) {
      const known = axes.map((axis, k) => [k, axis.of(i)]).filter(([, v]) => v !== null); // a measure may not be
      const at = known.map(([k, v]) => [x(k), ys[k].at(v)]);
      const chosen = i === state.point;
      const line = s("polyline", {
        points: at.map((p) => p.join(",")).join(" "),
        fill: "none",
        stroke: data.archs[data.points[i].arch].colour,
        "stroke-width": chosen ? 4 : best.has(i) ? 2 : 1,
        "stroke-opacity": chosen || best.has(i) ? 1 : 0.35,
        "data-point": data.points[i].id,
      });
      nodes.push(line);
      const [px, py] = at[at.length - 1];
      marks.push({ x: px - 4, y: py - 4, w: 8, h: 8, lines: linesOf(i, data.measures), choose: () => choosePoint(i) });
      line.addEventListener("click", (event) => {
        event.stopPropagation();
        choosePoint(i);
      });
    }
    return { nodes, marks, height: bottom + 20 };
  });
  detail(panel);
}

/** Where an axis has its values: measures, and many numbers, to scale; words and a few numbers one above the other. */
function placesOf(axis, here, from, to) {
  const values = [...new Set(here.map((i) => axis.of(i)))].filter((v) => v !== null);
  if (values.every((v) => typeof v === "number") && (axis.measure || values.length > 10)) {
    const [at, marked] = scale(values, from, to, 5);
    return { at, marked: marked.map((v) => [v, axis.measure ? brief(axis.measure, v) : short(v)]) };
  }
  const words = values.map(String).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const at = (v) => from + ((words.indexOf(String(v)) + 0.5) / words.length) * (to - from);
  return { at, marked: words.map((word) => [word, fitted(word, 90)]) };
}
