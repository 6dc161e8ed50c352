// One machine of the lane viewer: a row a lane, its cycles so far, and the run that it is in.

const KIND_COLOURS = Object.fromEntries(data.slots.map((slot) => [slot.key, slot.colour]));
const SKIPPED = KIND_COLOURS.filter_sync;

/** What the cells of a run mean. */
function cellLegend() {
  const item = (label, draw) => {
    const svg = s("svg", { width: 14, height: 14, "aria-hidden": "true" });
    svg.append(...draw);
    return h("li", { class: "item" }, svg, label);
  };
  return h(
    "ul",
    { class: "legend" },
    item("multiplied now", cell(1, 1, 12, { effectual: true, when: "now", part: 1 })),
    item("to come", cell(1, 1, 12, { effectual: true, when: "later" })),
    item("done", cell(1, 1, 12, { effectual: true, when: "done" })),
    item("skipped", cell(1, 1, 12, { when: "skipped" })),
    item("ineffectual, multiplied all the same", cell(1, 1, 12, { when: "now", part: 1 })),
    item("skipped for its weights", cell(1, 1, 12, { effectual: true, when: "skipped" })),
    item("cycles of an empty run, or of fetching", [stretch("fetch", { x: 0, y: 2, width: 14, height: 10 })]),
    item("cycles of waiting at the barrier", [stretch("lane_sync", { x: 0, y: 2, width: 14, height: 10 })]),
  );
}

/** Cycles of a lane in which it does the same. */
function stretch(kind, place) {
  const opacity = { lane_sync: 0.5, unused_lanes: 0.3 }[kind] || 1;
  return s("rect", { ...place, fill: KIND_COLOURS[kind], "fill-opacity": opacity });
}

/** One value of a run. */
function cell(x, y, size, value) {
  const colour = value.effectual ? KIND_COLOURS.effectual : KIND_COLOURS.ineffectual_activation;
  const box = (attributes) => s("rect", { x: x + 0.5, y: y + 0.5, width: size - 1, height: size - 1, rx: 1.5, ...attributes });
  switch (value.when) {
    case "now":
      return [box({ fill: colour, "fill-opacity": 0.35 + 0.65 * value.part, class: "rule" })];
    case "later":
      return [box({ fill: colour, "fill-opacity": 0.16, stroke: colour, "stroke-width": 1.4 })];
    case "done":
      return [box({ fill: colour, "fill-opacity": 0.6 })];
    default: {
      const middle = y + size / 2;
      const colourOf = value.effectual ? { stroke: SKIPPED, "stroke-width": 1.6 } : { class: "faint" };
      return [
        box({ fill: "none", ...colourOf }),
        s("line", { x1: x + size * 0.3, x2: x + size * 0.7, y1: middle, y2: middle, ...colourOf }),
      ];
    }
  }
}

/** The cells of a lane's run: whether and when each value is multiplied. */
function cellsOf(run, streams, now) {
  return run.seen.map((seen, v) => {
    const takers = run.streams.map((stream, f) => (stream.includes(v) ? f : -1)).filter((f) => f >= 0);
    const value = { effectual: Boolean(run.effectual[v]) };
    if (!seen || !takers.length) return { ...value, when: "skipped" };
    if (now.has(v)) return { ...value, when: "now", part: now.get(v) / run.streams.length };
    const past = takers.every((f) => streams[f].run === null || run.streams[f].indexOf(v) < streams[f].at);
    return { ...value, when: past ? "done" : "later" };
  });
}

/** Join the cycles of a lane in which it does the same: [kind, from, to]. */
function stretches(machine, lane) {
  const out = [];
  for (let cycle = 1; cycle <= machine.cycles; cycle += 1) {
    const { kind, run } = machine.at(lane, cycle);
    const last = out[out.length - 1];
    if (last && last.kind === kind && last.run === run) last.to = cycle;
    else out.push({ kind, run, from: cycle - 1, to: cycle });
  }
  return out;
}

/** Draw the lanes in a cycle. `span` is the cycles that the time axis holds. */
function drawLanes(width, machine, cycle, span, selected) {
  const wide = width >= 430;
  const longest = greatest(
    machine.lanes.flatMap((lane) => lane.runs.map((run) => run.length)),
    1,
  );
  const size = Math.max(3, Math.min(wide ? 11 : 14, ((wide ? width * 0.4 : width - 40) - 4) / longest));
  const left = 30;
  const timeline = wide ? width - left - Math.max(128, longest * size) - 18 : width - left - 4;
  const height = wide ? Math.max(15, size + 4) : size + 23;
  const x = (c) => left + (c / span) * timeline;
  const [nodes, marks] = [[], []];
  nodes.push(s("text", { class: "muted", x: left, y: 12 }, wide ? "cycles" : "cycles, and the run"));
  if (wide) nodes.push(s("text", { class: "muted", x: left + timeline + 14, y: 12 }, "the run that it is in"));
  machine.lanes.forEach((lane, l) => {
    const y = 20 + l * height;
    const state = machine.at(l, cycle);
    if (l === selected) nodes.push(s("rect", { class: "band", x: 0, y: y - 1.5, width, height: height - 0.5, rx: 3 }));
    nodes.push(s("text", { class: "muted", x: left - 7, y: y + 10, "text-anchor": "end" }, String(l)));
    for (const part of machine.stretches[l]) {
      const bar = {
        x: x(part.from),
        y,
        width: Math.max(0.5, x(part.to) - x(part.from) - (part.run === undefined ? 0 : 0.6)),
        height: 11,
      };
      nodes.push(stretch(part.kind, bar));
    }
    const [cx, cy] = wide ? [left + timeline + 14, y + (height - 4 - size) / 2] : [left, y + 15];
    if (state.run === undefined)
      nodes.push(
        s(
          "text",
          { class: "muted", x: cx, y: cy + size - 1 },
          fitted(state.kind === "done" ? "window done" : state.why, width - cx),
        ),
      );
    else {
      const run = lane.runs[state.run];
      cellsOf(run, state.streams, state.now).forEach((value, v) => nodes.push(...cell(cx + v * size, cy, size - 1, value)));
    }
    marks.push({
      x: 0,
      y: y - 1,
      w: width,
      h: height - 1,
      lines: [`lane ${l}, cycle ${Math.min(cycle, machine.cycles)}`, describe(machine, l, state)],
    });
  });
  const bottom = 20 + machine.lanes.length * height;
  const now = x(Math.min(cycle, machine.cycles));
  // Where the cells stand below the cycles, what marks the time leaves them alone.
  const spans = wide ? [[15, bottom]] : machine.lanes.map((_, l) => [18 + l * height, 33 + l * height]);
  for (const [y1, y2] of spans) {
    if (cycle < machine.cycles)
      nodes.push(s("rect", { class: "veil", x: now, y: y1 + 2, width: x(machine.cycles) - now + 1, height: y2 - y1 - 2 }));
    nodes.push(s("line", { class: "rule", x1: now, x2: now, y1, y2, "stroke-dasharray": "2 2" }));
    nodes.push(
      s("line", {
        x1: x(machine.barrier),
        x2: x(machine.barrier),
        y1: y1 - 2,
        y2,
        stroke: KIND_COLOURS.lane_sync,
        "stroke-width": 2.5,
      }),
    );
  }
  const label = `barrier at ${machine.barrier}`;
  const room = x(machine.barrier) - left - 52;
  const after = room < textWidth(label);
  nodes.push(s("text", { x: x(machine.barrier) + (after ? 5 : -5), y: 12, "text-anchor": after ? "start" : "end" }, label));
  return { nodes, marks, height: bottom + 2, row: (y) => Math.floor((y - 18) / height) };
}

/** What a lane does, in words. */
function describe(machine, l, state) {
  if (state.kind === "done") return "the window is done";
  if (state.run === undefined) return state.why;
  const lane = machine.lanes[l];
  const run = lane.runs[state.run];
  const where = `run ${state.run + 1} of ${lane.runs.length}, cycle ${state.at + 1} of ${state.cost}`;
  if (!state.now.size) return `${where}: ${state.why || "its filters are in other runs"}`;
  const offsets = [...state.now.keys()].sort((a, b) => a - b);
  const what =
    machine.filters > 1
      ? `${plural(sum([...state.now.values()]), "filter")} at ${offsets.length === 1 ? "offset" : "offsets"} ${offsets.join(", ")}`
      : `offset ${offsets[0]}`;
  const taken = new Set(run.streams.flat());
  return `${where}: ${what}${run.stride === 1 ? `; ${run.length - taken.size} of ${run.length} values skipped` : ""}`;
}
