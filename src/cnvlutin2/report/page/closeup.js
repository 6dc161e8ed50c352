// What a machine did so far, and its chosen lane close up.

/** Count what the lanes did so far, in cycles of a lane. */
function tally(machine, cycle) {
  const counts = {};
  for (const parts of machine.stretches) {
    for (const part of parts) counts[part.kind] = (counts[part.kind] || 0) + Math.max(0, Math.min(part.to, cycle) - part.from);
  }
  return counts;
}

function tallied(counts) {
  const names = {
    effectual: "effectual",
    ineffectual_activation: "ineffectual",
    fetch: "empty or fetching",
    lane_sync: "waiting",
    overhead: "overhead",
    unused_lanes: "without a value",
  };
  const said = Object.keys(names)
    .filter((kind) => counts[kind])
    .map((kind) => `${names[kind]} ${percent(counts[kind] / sum(Object.values(counts)), 0)}`);
  return `lanes so far: ${said.join(", ")}`;
}

/** The chosen lane: where its run lies, and the weights that it meets where they matter. */
function closeUp(machine, layer, number, l, cycle) {
  const state = machine.at(l, cycle);
  const lines = [h("strong", {}, `Lane ${l}: `), describe(machine, l, state)];
  if (state.run === undefined) return [h("p", { class: "note" }, lines)];
  const run = machine.lanes[l].runs[state.run];
  lines.push(`. At ${runPlace(layer, machine.trace, number, run)}.`);
  if (!machine.filters) return [h("p", { class: "note" }, lines)];
  return [
    h("p", { class: "note" }, lines, ` Tile ${machine.trace.tile}, one of ${machine.trace.tiles}.`),
    filterGrid(machine, run, state),
  ];
}

/** The run against each filter of the tile: where effectual activations meet effectual weights, and what is multiplied now. */
function filterGrid(machine, run, state) {
  const [size, left] = [11, 62];
  const shared = machine.trace.weights_skipped === "shared";
  const heading = shared ? "the run's values against all weights of the tile" : "the run's values against each filter's weights";
  const name = "Filters against the values of the run";
  const svg = s("svg", { class: "chart", role: "img", "aria-label": name, height: 20 + machine.filters * size });
  svg.append(mutedText(left, 11, heading, 11.5));
  for (let f = 0; f < machine.filters; f += 1) {
    const y = 18 + f * size;
    const stream = run.streams[f];
    const at = state.streams[f];
    if (f % 4 === 0) svg.append(mutedText(left - 6, y + 9, shared ? "tile" : `filter ${f}`, 11, "end"));
    const past = (order) => at.run === null || at.run > state.run || order < at.at;
    run.seen.forEach((_, v) => {
      const order = stream.indexOf(v);
      const when = order < 0 ? "skipped" : at.value === v ? "now" : past(order) ? "done" : "later";
      svg.append(...cell(left + v * size, y, size - 1, { effectual: Boolean(run.effectual[v]), part: 1, when }));
    });
    if (at.value === null && at.at >= stream.length) svg.append(mutedText(left + run.length * size + 6, y + 9, "waits", 11));
  }
  return svg;
}

const mutedText = (x, y, text, size, anchor = "start") =>
  s("text", { class: "muted", x, y, "font-size": size, "text-anchor": anchor }, text);
