// Compute against DRAM: what each layer attains, and whether the memory lets it.

function rooflineView(panel) {
  const part = card(
    "Compute and DRAM",
    "Each point is a layer: across, its multiply-accumulates (skipped ones too) for a byte moved to or from DRAM; up, how many are done in a cycle, waiting included. The level line is one for every multiplier; a layer above it owes that to skipping. The sloping line is what the DRAM can feed.",
  );
  panel.append(part);
  if (!data.components.length) {
    part.append(missing("These results hold no DRAM traffic; it was not accounted for."));
    return;
  }
  const arch = archChoice();
  const facts = h("p", { class: "note" });
  part.append(
    h("div", { class: "controls" }, arch.element),
    legend([
      { label: "bound by compute", colour: "#0072b2", shape: "circle" },
      { label: "waits for DRAM", colour: "#d55e00", shape: "diamond" },
    ]),
    facts,
  );
  chart(part, "Multiply-accumulates a cycle against those for a byte of DRAM traffic", (width) => {
    const i = Number(arch.value);
    const points = network()
      .layers.map((layer, l) => roofPoint(data.archs[i], layer, network().runs[i][l]))
      .filter(Boolean);
    const rate = data.archs[i].dram_bits_per_cycle;
    const waiting = points.filter((p) => p.waits).length;
    facts.textContent =
      rate === null
        ? "DRAM is taken as unlimited here (parameter dram), so no layer waits for it; each says the bandwidth that it would take."
        : `${plural(waiting, "layer")} of ${points.length} wait for DRAM at ${((rate / 8) * data.archs[i].clock_ghz).toPrecision(3)} GB/s.`;
    return roofline(width, points, data.archs[i].multipliers, rate === null ? null : rate / 8);
  });
}

function roofPoint(arch, layer, run) {
  if (!run.cost) return null;
  const macs = layer.macs * images();
  const moved = run.cost.dram_bits / 8;
  const busy = run.cycles + run.cost.stall_cycles;
  const lines = [
    layer.name,
    `${si(macs / run.cost.total_cycles)} multiply-accumulates a cycle`,
    moved ? `${si(macs / moved)} for a byte of ${bytes(run.cost.dram_bits / images())} an image` : "no DRAM traffic",
    `${whole(busy / images())} cycles to compute, ${whole(run.cost.dram_cycles / images())} to move`,
    `never waits with ${((moved / busy) * arch.clock_ghz).toPrecision(3)} GB/s`,
  ];
  return { x: moved ? macs / moved : null, y: macs / run.cost.total_cycles, waits: run.cost.dram_cycles > busy, lines };
}

/** Powers of ten around values. */
function decades(values) {
  const positive = values.filter((v) => v > 0);
  const low = Math.floor(Math.log10(positive.reduce((a, b) => Math.min(a, b), Infinity)));
  const high = Math.ceil(Math.log10(greatest(positive)));
  return Array.from({ length: Math.max(1, high - low) + 1 }, (_, n) => low + n);
}

function roofline(width, points, peak, rate) {
  const known = points.filter((p) => p.x !== null);
  const aside = known.length < points.length ? 64 : 0; // a column for layers that move nothing
  const [left, right, top, bottom] = [56, width - 14 - aside, 26, Math.min(440, 180 + width * 0.3)];
  const across = decades([...known.map((p) => p.x), ...(rate === null ? [] : [peak / rate]), ...(known.length ? [] : [1, 10])]);
  const up = decades([...points.map((p) => p.y), peak * 1.5]);
  const scale = (list, from, to) => (v) => from + ((Math.log10(v) - list[0]) / (list[list.length - 1] - list[0])) * (to - from);
  const [x, y] = [scale(across, left, right), scale(up, bottom, top)];
  const nodes = [];
  for (const power of across) {
    const at = x(10 ** power);
    nodes.push(s("line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom }));
    nodes.push(
      s(
        "text",
        { class: "muted", x: at, y: bottom + 16, "text-anchor": at > right - 20 && !aside ? "end" : "middle" },
        power < 0 ? String(10 ** power) : short(10 ** power),
      ),
    );
  }
  for (const power of up) {
    nodes.push(s("line", { class: "grid", x1: left, x2: right, y1: y(10 ** power), y2: y(10 ** power) }));
    nodes.push(
      s(
        "text",
        { class: "muted", x: left - 6, y: y(10 ** power) + 4, "text-anchor": "end" },
        power < 0 ? String(10 ** power) : short(10 ** power),
      ),
    );
  }
  nodes.push(s("text", { class: "muted", x: 0, y: 12 }, "multiply-accumulates a cycle"));
  nodes.push(
    s(
      "text",
      { class: "muted", x: width - 14, y: bottom + 34, "text-anchor": "end" },
      fitted("multiply-accumulates a byte of DRAM traffic", width - 14),
    ),
  );
  const knee = rate === null ? 10 ** across[0] : Math.max(peak / rate, 10 ** across[0]);
  nodes.push(s("line", { class: "rule", x1: x(knee), x2: right, y1: y(peak), y2: y(peak) }));
  const said = fitted(`${whole(peak)} multipliers`, right - left);
  const ofPeak = { x: right - textWidth(said), y: y(peak) - 18, w: textWidth(said), h: 16 };
  nodes.push(s("text", { x: right, y: y(peak) - 6, "text-anchor": "end" }, said));
  if (rate !== null) {
    const start = Math.max(10 ** across[0], 10 ** up[0] / rate);
    nodes.push(s("line", { class: "rule", x1: x(start), x2: x(knee), y1: y(start * rate), y2: y(peak) }));
  }
  const [marks, named] = [[], []];
  if (aside) {
    nodes.push(s("rect", { class: "band", x: right + 12, y: top, width: aside, height: bottom - top, rx: 4 }));
    nodes.push(s("text", { class: "muted", x: right + 12 + aside / 2, y: bottom + 16, "text-anchor": "middle" }, "none"));
  }
  points.forEach((p, n) => {
    // Side by side in a fixed order, so that few hide another.
    const [px, py] = [p.x === null ? right + 22 + ((n * 5) % 9) * 5.5 : x(p.x), y(p.y)];
    nodes.push(point(p.waits ? "diamond" : "circle", px, py, 5, p.waits ? "#d55e00" : "#0072b2"));
    marks.push({ x: px - 5, y: py - 5, w: 10, h: 10, lines: p.lines });
    if (p.x !== null) named.push({ x: px, y: py, name: p.lines[0] });
  });
  nodes.push(...roofNames(named, [...marks, ofPeak], left, right, top));
  return { nodes, marks, height: bottom + 42 };
}

/** Names beside the points, where there is room; layers at one place share a name, as fc6 and 2 more. */
function roofNames(points, covered, left, right, top) {
  const places = [];
  for (const p of points) {
    const near = places.find((q) => Math.hypot(p.x - q.x, p.y - q.y) < 9);
    if (near) near.more += 1;
    else places.push({ ...p, more: 0 });
  }
  const taken = [...covered];
  const nodes = [];
  for (const p of places) {
    const text = fitted(p.name, 150) + (p.more ? ` and ${p.more} more` : "");
    const w = textWidth(text);
    const spots = [p.x + 10, p.x - 10 - w, p.x - w / 2, p.x - w / 2].map((x, n) => ({ x, y: p.y + [-7, -7, -22, 8][n], w, h: 14 }));
    const free = (a) => !taken.some((b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
    const spot = spots.find((a) => a.x >= left && a.x + a.w <= right && a.y >= top && free(a));
    if (!spot) continue;
    taken.push(spot);
    nodes.push(s("text", { class: "muted name", x: spot.x, y: spot.y + 11 }, text));
  }
  return nodes;
}
