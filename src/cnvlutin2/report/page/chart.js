// Charts: an SVG that redraws to its width, marks that answer to pointer and arrow keys, rows of layers with an axis.

const measure = document.createElement("canvas").getContext("2d");

function textWidth(text, size = 12.5) {
  measure.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
  return measure.measureText(text).width;
}

/** Shorten text to a width; the whole of it is in the mark's tip. */
function fitted(text, width, size = 12.5) {
  if (textWidth(text, size) <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (textWidth(`${text.slice(0, middle)}…`, size) <= width) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}

/** Break a name that is too wide at the hyphen nearest to its middle. */
function twoLines(text, width, size = 11) {
  if (textWidth(text, size) <= width) return [text];
  const breaks = [...text.matchAll(/[-_/. ]/g)]
    .map((found) => found.index + 1)
    .sort((a, b) => Math.abs(a - text.length / 2) - Math.abs(b - text.length / 2));
  const parts = breaks.length ? [text.slice(0, breaks[0]), text.slice(breaks[0])] : [text];
  return parts.map((part) => fitted(part, width, size));
}

const tip = document.getElementById("tip");

function showTip(lines, x, y) {
  tip.replaceChildren(...lines.map((line) => h("div", {}, line)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = x + 14 + box.width > innerWidth - 8 ? x - 14 - box.width : x + 14;
  const top = y + 14 + box.height > innerHeight - 8 ? y - 14 - box.height : y + 14;
  tip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
}

function hideTip() {
  tip.hidden = true;
}

/**
 * Make a chart in `parent`.
 *
 * `draw(width)` returns the nodes, the height and the marks; a mark is a box (x, y, w, h) with the lines of its tip, and
 * perhaps `choose`, which a click or Enter calls. With the focus on the chart, arrow keys walk from mark to mark (unless `walk`
 * is false). Charts draw when they are seen, and again when their width changes.
 */
function chart(parent, label, draw, walk = true) {
  const walking = {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "chart",
    "aria-label": `${label}; arrow keys read the values`,
  };
  const svg = s("svg", { class: "chart", ...(walk ? walking : { role: "img", "aria-label": label }) });
  const plot = h("div", { class: "plot" }, svg); // without padding: as wide as the drawing may be
  let marks = [];
  let active = -1;
  let ring = null;
  let width = 0;

  function highlight(index, x, y) {
    active = index;
    if (ring) ring.remove();
    ring = null;
    if (index < 0 || !marks[index]) return hideTip();
    const m = marks[index];
    ring = s("rect", { class: "active", x: m.x - 2, y: m.y - 2, width: m.w + 4, height: m.h + 4, rx: 3 });
    svg.append(ring);
    const box = svg.getBoundingClientRect();
    showTip(m.lines, x ?? box.left + m.x + m.w / 2, y ?? box.top + m.y + m.h);
    return undefined;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let [least, central] = [14 ** 2, Infinity];
    marks.forEach((m, i) => {
      const dx = Math.max(m.x - x, 0, x - m.x - m.w);
      const dy = Math.max(m.y - y, 0, y - m.y - m.h);
      const away = dx * dx + dy * dy;
      const off = (m.x + m.w / 2 - x) ** 2 + (m.y + m.h / 2 - y) ** 2; // where marks lie on each other
      if (away < least || (away === least && best >= 0 && off < central)) [best, least, central] = [i, away, off];
    });
    highlight(best, event.clientX, event.clientY);
  }

  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("pointerleave", () => highlight(-1));
  svg.addEventListener("blur", () => highlight(-1));
  svg.addEventListener("click", (event) => {
    nearest(event);
    marks[active]?.choose?.();
  });
  if (walk)
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const to =
        { Home: 0, End: marks.length - 1 }[event.key] ?? (step && Math.min(marks.length - 1, Math.max(0, active + step)));
      if (event.key === "Escape") highlight(-1);
      if (event.key === "Enter" && marks[active]?.choose) {
        const chosen = active; // what is chosen may draw the chart again
        marks[chosen].choose();
        highlight(chosen);
      }
      if (to === undefined || !marks.length) return;
      event.preventDefault();
      const box = svg.getBoundingClientRect();
      const y = box.top + marks[to].y;
      if (y < 60 || y > innerHeight - 60) scrollBy(0, y - innerHeight / 2);
      highlight(to);
    });

  function redraw() {
    width = Math.floor(plot.clientWidth);
    if (width < 40) return;
    const drawn = draw(width);
    marks = drawn.marks;
    active = -1;
    ring = null;
    svg.setAttribute("height", drawn.height);
    svg.setAttribute("viewBox", `0 0 ${width} ${drawn.height}`); // as wide as it is drawn, but on narrower paper
    svg.replaceChildren(...drawn.nodes);
  }

  parent.append(plot);
  new ResizeObserver(() => {
    if (Math.floor(plot.clientWidth) !== width) redraw();
  }).observe(plot);
  state.listeners.push(redraw);
  redraw();
  return { svg, redraw };
}

/** A shape about a point, as the legends show it. */
function point(shape, x, y, r, colour) {
  const polygon = (...corners) =>
    s("polygon", { points: corners.map(([dx, dy]) => `${x + dx * r},${y + dy * r}`).join(" "), fill: colour, class: "edge" });
  switch (shape) {
    case "square":
      return s("rect", { x: x - r * 0.86, y: y - r * 0.86, width: 1.72 * r, height: 1.72 * r, fill: colour, class: "edge" });
    case "diamond":
      return polygon([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]);
    case "triangle-up":
      return polygon([0, -1.15], [1.15, 0.9], [-1.15, 0.9]);
    case "triangle-down":
      return polygon([0, 1.15], [1.15, -0.9], [-1.15, -0.9]);
    case "triangle-right":
      return polygon([1.15, 0], [-0.9, 1.15], [-0.9, -1.15]);
    case "triangle-left":
      return polygon([-1.15, 0], [0.9, 1.15], [0.9, -1.15]);
    case "cross":
      return polygon(
        [-0.4, -1.1],
        [0.4, -1.1],
        [0.4, -0.4],
        [1.1, -0.4],
        [1.1, 0.4],
        [0.4, 0.4],
        [0.4, 1.1],
        [-0.4, 1.1],
        [-0.4, 0.4],
        [-1.1, 0.4],
        [-1.1, -0.4],
        [-0.4, -0.4],
      );
    default:
      return s("circle", { cx: x, cy: y, r, fill: colour, class: "edge" });
  }
}

/**
 * Draw rows with a common axis: `rows` are {label, height, draw(x, y, height)}, where `x` maps values to places and `draw`
 * returns {nodes, marks}. The axis is {high, label, format}, or has texts at `places` of its own. Labels stand left of their rows, or above them where the page is narrow.
 */
function rowChart(width, rows, axis) {
  const narrow = width < 540;
  const labels = narrow ? 0 : Math.min(width * 0.3, 12 + greatest(rows.map((row) => textWidth(row.label))));
  const [left, right] = [labels + 8, width - (axis.room ?? 20)];
  const values = ticks(axis.high, Math.max(2, Math.min(8, (right - left) / 70)), axis.low ?? 0);
  const [low, high] = [values[0], axis.exact ? axis.high : values[values.length - 1]];
  const x = (value) => left + ((value - low) / (high - low)) * (right - left);
  const nodes = [];
  const marks = [];
  const grid = s("g", {});
  nodes.push(grid);
  let y = 40;
  for (const row of rows) {
    const height = typeof row.height === "function" ? row.height(x) : row.height;
    if (narrow) {
      nodes.push(s("text", { x: 0, y: y + 13 }, fitted(row.label, width)));
      y += 17;
    } else {
      nodes.push(s("text", { x: labels, y: y + height / 2 + 4, "text-anchor": "end" }, fitted(row.label, labels)));
    }
    const drawn = row.draw(x, y, height);
    nodes.push(...drawn.nodes);
    marks.push(...drawn.marks);
    y += height + (row.after ?? 4);
  }
  nodes.push(s("text", { x: left, y: 12, class: "muted" }, fitted(axis.label, width - left)));
  const places = axis.places ?? values.filter((v) => v <= high * (1 + 1e-9)).map((v) => [v, axis.format(v)]);
  for (const [value, text] of places) {
    if (!axis.places) grid.append(s("line", { class: "grid", x1: x(value), x2: x(value), y1: 34, y2: y }));
    const anchor = value === low ? "start" : x(value) > width - 24 ? "end" : "middle";
    for (const at of y > 500 ? [29, y + 14] : [29])
      grid.append(s("text", { class: "muted", x: x(value), y: at, "text-anchor": anchor }, text));
  }
  if (axis.rule !== undefined) grid.append(s("line", { class: "axis", x1: x(axis.rule), x2: x(axis.rule), y1: 34, y2: y }));
  return { nodes, marks, height: y + (y > 500 ? 20 : 4) };
}

/** Put points of one row where they do not hide one another: those that are close go below each other. */
function stacked(points, x, gap = 11) {
  const levels = [];
  return points.map((p) => {
    const at = x(p.value);
    let level = levels.findIndex((taken) => taken.every((other) => Math.abs(other - at) >= gap));
    if (level < 0) level = levels.push([]) - 1;
    levels[level].push(at);
    return { ...p, at, level };
  });
}

/** A row of points {value, shape, colour, lines}, as high as the points that coincide need. */
function pointRow(label, points) {
  return {
    label,
    height: (x) => Math.max(16, 12 * (1 + greatest(stacked(points, x).map((p) => p.level)))),
    after: 6,
    draw(x, y, height) {
      const placed = stacked(points, x);
      const depth = 1 + greatest(placed.map((p) => p.level));
      const nodes = [
        s("line", { class: "grid", x1: x(0), x2: greatest(placed.map((p) => p.at)), y1: y + height / 2, y2: y + height / 2 }),
      ];
      const marks = [];
      for (const p of placed) {
        const at = y + height / 2 + (p.level - (depth - 1) / 2) * 12;
        nodes.push(point(p.shape, p.at, at, 5, p.colour));
        marks.push({ x: p.at - 5, y: at - 5, w: 10, h: 10, lines: p.lines });
      }
      return { nodes, marks };
    },
  };
}
