// Points in two measures, or three, with the front that no other point beats.

function scatterView(panel) {
  const options = data.measures.map((m) => [m.key, m.label]);
  const make = (label, list, value) => choice(label, list, value, () => changed());
  const across = make("Across", options, "area_mm2");
  const up = make("Up", options, "time_ns");
  const third = make("Colour", [["", "organisation"], ...options], "");
  const count = h("span", { class: "note", role: "status" });
  const place = h("div", {});
  panel.append(
    card(
      "Points",
      "The line joins the points that no other beats in the two measures, or with a third in all three (larger marks). Click a point, or walk with the arrow keys and press Enter.",
      archLegend(),
      h("div", { class: "controls" }, across.element, up.element, third.element, count),
      place,
    ),
  );
  chart(place, "Points in two measures", (width) => {
    const measures = [across.value, up.value, third.value].filter(Boolean).map(measureOf);
    const drawn = scatter(width, [...new Set(measures)], measureOf(third.value));
    count.textContent = `${plural(drawn.marks.length, "point")}, ${drawn.best} of them on the front`;
    return drawn;
  });
  detail(panel);

  function scatter(width, measures, colour) {
    const [a, b] = [measureOf(across.value), measureOf(up.value)];
    const of = (i, m) => data.points[i].values[m.key];
    const here = pointsHere().filter((i) => measures.every((m) => of(i, m) !== null));
    const [left, right, top, bottom] = [70, width - 20, 26, 400];
    const [x, xs] = scale(here.map((i) => of(i, a)), left + 10, right, (right - left) / 90);
    const [y, ys] = scale(here.map((i) => of(i, b)), bottom, top + 8, 7);
    const front = new Set(measures.length > 1 ? frontOf(here, measures) : []);
    const nodes = [
      s("text", { class: "muted", x: 0, y: 12 }, `${b.label}, ${b.better} is better`),
      s("text", { class: "muted", x: right, y: bottom + 40, "text-anchor": "end" }, `${a.label}, ${a.better} is better`),
      ...xs.map((v) => s("line", { class: "grid", x1: x(v), x2: x(v), y1: top, y2: bottom })),
      ...ys.map((v) => s("line", { class: "grid", x1: left, x2: right, y1: y(v), y2: y(v) })),
      ...xs.map((v) => s("text", { class: "muted", x: x(v), y: bottom + 18, "text-anchor": "middle" }, brief(a, v))),
      ...ys.map((v) => s("text", { class: "muted", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, brief(b, v))),
    ];
    if (a !== b) {
      const line = frontOf(here, [a, b]).sort((i, j) => of(i, a) - of(j, a) || of(i, b) - of(j, b));
      const at = line.map((i) => `${x(of(i, a))},${y(of(i, b))}`).join(" ");
      nodes.push(s("polyline", { points: at, fill: "none", class: "axis front" }));
    }
    const values = colour ? here.map((i) => of(i, colour)) : [];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const marks = [];
    for (const i of here) {
      const [px, py] = [x(of(i, a)), y(of(i, b))];
      const arch = data.archs[data.points[i].arch];
      const shade = colour ? ramp(high > low ? (of(i, colour) - low) / (high - low) : 0) : arch.colour;
      const size = front.has(i) ? 6 : 4;
      const mark = point(arch.shape, px, py, i === state.point ? 9 : size, shade);
      mark.setAttribute("data-point", data.points[i].id);
      nodes.push(mark);
      marks.push({ x: px - size, y: py - size, w: 2 * size, h: 2 * size, lines: linesOf(i, measures), choose: () => choosePoint(i) });
    }
    return { nodes, marks, height: bottom + 48, best: front.size };
  }
}

/** What maps values to places, and round values to mark. */
function scale(values, from, to, count) {
  const high = values.length ? Math.max(...values) : 1;
  const least = values.length ? Math.min(...values) : 0;
  const low = least === high ? high - Math.abs(high) / 10 : least; // all the same: at the end of the axis
  const marked = ticks(high, Math.max(2, count), low);
  const [first, last] = [marked[0], marked[marked.length - 1]];
  return [(v) => from + ((v - first) / (last - first || 1)) * (to - from), marked];
}

/** A value at an axis. */
function brief(m, v) {
  if (m.format === "percent") return percent(v, 0);
  if (m.format === "joules") return v > 0 ? joules(v) : "0";
  return m.format === "time" ? duration(v) : short(v);
}
