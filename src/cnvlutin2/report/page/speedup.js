// Speed-up: of networks, and of their layers.

function speedupView(panel) {
  const about = card(
    "Speed-up over the dense baseline",
    `Cycles of the dense machine of the same size, divided by cycles of the organisation: in the datapath (the wide bar; a line spans the images of the run), and with waiting (the thin bar). ${data.waiting[0].toUpperCase()}${data.waiting.slice(1)}.` +
      baselinesDiffer(),
    archLegend(),
  );
  panel.append(about);
  chart(about, "Speed-up of the network by organisation", (width) => {
    const totals = shownArchs().map((i) => network().totals[i]);
    const rows = shownArchs().map((i, row) => speedupRow(data.archs[i], totals[row]));
    const high = greatest(
      totals.flatMap((total) => [total.range[1], total.waited ?? 0]),
      1,
    );
    return rowChart(width, rows, { high, label: "speed-up, times", format: (v) => `${v}x`, rule: 1, room: 170 });
  });
  if (data.networks.length > 1) panel.append(networksCard());
  panel.append(layersCard());
}

/** Both speed-ups, in words. */
const both = (total) => (total.waited === null ? times(total.speedup) : `${times(total.speedup)}, ${times(total.waited)} with waiting`);

/** A wide bar for the datapath, a thin one below it with waiting, where that is known. */
function speedupRow(arch, total) {
  const thin = total.waited === null ? 0 : 8;
  const lines = [
    arch.name,
    `${times(total.speedup)} over dense`,
    `${whole(total.cycles / images())} of ${whole(total.dense_cycles / images())} dense cycles an image`,
  ];
  if (thin) lines.push(`${times(total.waited)} with waiting`);
  if (images() > 1) lines.push(`by image ${times(total.range[0])} to ${times(total.range[1])}`);
  return {
    label: arch.name,
    height: 20 + thin,
    draw(x, y, height) {
      const bar = (value, top, high) =>
        s("rect", { x: x(0), y: top, width: x(value) - x(0), height: high, fill: arch.colour, class: "edge", rx: 2 });
      const nodes = [bar(total.speedup, y, 20)];
      if (thin) nodes.push(bar(total.waited, y + 21, thin - 1));
      const [a, b] = total.range.map(x);
      if (b - a > 2)
        nodes.push(s("path", { class: "rule", fill: "none", d: `M${a} ${y + 6}v8M${a} ${y + 10}H${b}M${b} ${y + 6}v8` }));
      const end = Math.max(x(Math.max(total.speedup, total.waited ?? 0)), b);
      nodes.push(s("text", { x: end + 6, y: y + 14 }, both(total)));
      return { nodes, marks: [{ x: x(0), y, w: x(total.speedup) - x(0), h: height, lines }] };
    },
  };
}

/** A sentence that says so where the organisations of the run are not compared with the same dense cycles. */
function baselinesDiffer() {
  const same = data.networks.every((n) => n.runs[0].every((run, l) => n.runs.every((of) => of[l].dense_cycles === run.dense_cycles)));
  return same ? "" : " Organisations differ in their dense cycles here; each is compared with its own, which the table lists.";
}

/** All networks of the run, and the geometric mean. */
function networksCard() {
  const part = card("Every network", "The last rows are geometric means.");
  chart(part, "Speed-up of every network by organisation", (width) => {
    const kinds = [["", "speedup"]];
    if (data.networks.every((n) => n.totals.every((total) => total.waited !== null))) kinds.push([", with waiting", "waited"]);
    const named = (n) => (n.synthetic ? `${n.name} (synthetic)` : n.name);
    const found = data.networks.flatMap((n) => kinds.map(([text, key]) => [named(n) + text, (i) => n.totals[i][key]]));
    for (const [text, key] of kinds)
      found.push([
        `geometric mean${text}`,
        (i) => Math.exp(sum(data.networks.map((n) => Math.log(n.totals[i][key]))) / data.networks.length),
      ]);
    return archPoints(width, found, "speed-up, times", times);
  });
  return part;
}

function layersCard() {
  const drawn = choice(
    "Draw",
    [
      ["points", "points"],
      ["numbers", "numbers"],
    ],
    data.archs.length > 4 ? "numbers" : "points",
    changed,
  );
  const part = card(
    "By layer",
    "In cycles of the datapath. A layer that ran dense is at 1x unless overheads slow it.",
    h("div", { class: "controls" }, drawn.element),
  );
  chart(part, "Speed-up of every layer by organisation", (width) => {
    const found = network().layers.map((layer, l) => [
      layer.name,
      (i) => network().runs[i][l].dense_cycles / network().runs[i][l].cycles,
      (i) => {
        const run = network().runs[i][l];
        return [
          `${whole(run.cycles / images())} of ${whole(run.dense_cycles / images())} dense cycles an image`,
          `ran ${run.mode}`,
        ];
      },
    ]);
    return (drawn.value === "points" ? archPoints : archNumbers)(width, found, "speed-up, times", times);
  });
  return part;
}

/** Rows of one point an organisation: [label, value of an organisation, more lines of the tip]. */
function archPoints(width, found, label, format) {
  const high = greatest(
    found.flatMap(([, value]) => shownArchs().map(value)),
    1,
  );
  const rows = found.map(([name, value, more]) => {
    const points = shownArchs().map((i) => ({
      ...data.archs[i],
      value: value(i),
      lines: [name, `${data.archs[i].name}: ${format(value(i))}`, ...(more ? more(i) : [])],
    }));
    return pointRow(name, points);
  });
  return rowChart(width, rows, { high, label, format: (v) => `${v}x`, rule: 1 });
}

/** The same as numbers on a ground of colour, a column an organisation. */
function archNumbers(width, found, label, format) {
  const archs = shownArchs();
  const narrow = width < 540;
  const left = narrow ? 0 : Math.min(width * 0.3, 12 + greatest(found.map(([name]) => textWidth(name)))) + 8;
  const column = Math.min(116, (width - left) / archs.length);
  const values = found.flatMap(([, value]) => archs.map(value));
  const [low, high] = [values.reduce((a, b) => Math.min(a, b), 1), greatest(values, 1)];
  const nodes = [s("text", { class: "muted", x: left, y: 12 }, label)];
  const marks = [];
  archs.forEach((i, c) => {
    const x = left + (c + 0.5) * column;
    nodes.push(point(data.archs[i].shape, x, 26, 5, data.archs[i].colour));
    if (column <= 60) return;
    twoLines(data.archs[i].name, column - 4).forEach((line, n) =>
      nodes.push(s("text", { x, y: 46 + 13 * n, "text-anchor": "middle", "font-size": 11 }, line)),
    );
  });
  const names = archs.flatMap((i) => twoLines(data.archs[i].name, column - 4));
  let y = column <= 60 ? 36 : names.length > archs.length ? 66 : 53;
  for (const [name, value, more] of found) {
    nodes.push(
      s(
        "text",
        narrow ? { x: 0, y: y + 13 } : { x: left - 8, y: y + 14, "text-anchor": "end" },
        fitted(name, narrow ? width : left - 8),
      ),
    );
    if (narrow) y += 17;
    archs.forEach((i, c) => {
      const number = value(i);
      const part = high > low ? (number - low) / (high - low) : 0;
      const box = { x: left + c * column, y, w: column - 1, h: 19 };
      nodes.push(s("rect", { x: box.x, y, width: box.w, height: box.h, fill: ramp(part) }));
      nodes.push(
        s(
          "text",
          {
            class: part > 0.52 ? "on-light" : "on-dark",
            x: box.x + box.w / 2,
            y: y + 14,
            "text-anchor": "middle",
            "font-size": column < 44 ? 10.5 : 12,
          },
          column < 44 ? number.toFixed(2) : format(number),
        ),
      );
      marks.push({ ...box, lines: [name, `${data.archs[i].name}: ${format(number)}`, ...(more ? more(i) : [])] });
    });
    y += 20 + (narrow ? 4 : 0);
  }
  return { nodes, marks, height: y + 4 };
}
