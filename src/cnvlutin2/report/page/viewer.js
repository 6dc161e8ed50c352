// The lane viewer: one window of one layer, cycle by cycle, on two organisations side by side.

function viewerView(panel) {
  const part = card(
    "Lane viewer",
    "One window of one layer, cycle by cycle, on two organisations. In the dense machine all lanes take their next value together, whatever it is. Where ineffectual values are skipped, each lane goes through its runs at its own pace, from one effectual value to the next; the window ends at a barrier, when the slowest lane is done. First image, group and pass; one tile.",
  );
  panel.append(part);
  const can = (layer) => Boolean(layer.trace && layer.trace.ways.some((way) => way.trace));
  if (!data.networks.some((n) => n.layers.some(can))) {
    part.append(missing("This report was written without traces, so there is nothing to step through."));
    return;
  }
  let [cycle, timer, selected] = [1, null, 0];
  const layer = layerChoice(reset, can);
  const current = () => network().layers[Number(layer.value)];
  const ways = () => (current() && can(current()) ? tracedArchs(current(), Number(layer.value)).filter(([, , way]) => way.trace) : []);
  const place = choice("Window", () => (current() && can(current()) ? current().trace.shown.map((w, i) => [i, `${windowName(current(), w.window)} (${w.label})`]) : []), 0, reset);
  const sides = [0, 1].map((side) => machinePanel(side, ways, reset, (lane) => { selected = lane; update(); }));
  const counter = h("output", { class: "counter", "aria-live": "polite" });
  const slider = h("input", { type: "range", min: 1, value: 1, "aria-label": "Cycle", on: { input: () => go(Number(slider.value)) } });
  const button = (text, label, call, more = "") => h("button", { class: `plain ${more}`, type: "button", "aria-label": label, title: label, on: { click: call } }, text);
  const play = button("Play", "Play or pause", toggle, "primary");
  const controls = h("div", { class: "controls" }, button(stepIcon(-1, true), "First cycle", () => go(1)), button(stepIcon(-1), "One cycle back", () => go(cycle - 1)), play, button(stepIcon(1), "One cycle on", () => go(cycle + 1)), button(stepIcon(1, true), "Last cycle", () => go(span())), slider, counter);
  const steps = h("div", { class: "steps", tabindex: 0, role: "group", "aria-label": "Lanes; left and right arrow step a cycle, up and down choose a lane, space plays", on: { keydown: keys } }, h("div", { class: "machines" }, sides.map((side) => side.element)));
  part.append(
    h("div", { class: "controls" }, layer.element, place.element),
    controls,
    cellLegend(),
    steps,
    h("p", { class: "note" }, "With the focus on the lanes: ", h("kbd", {}, "←"), " ", h("kbd", {}, "→"), " step, ", h("kbd", {}, "Home"), " ", h("kbd", {}, "End"), " jump, ", h("kbd", {}, "↑"), " ", h("kbd", {}, "↓"), " choose a lane, ", h("kbd", {}, "Space"), " plays. A click on a lane chooses it."),
  );
  const span = () => greatest(sides.map((side) => (side.machine ? side.machine.cycles : 0)), 1);

  function reset() {
    stop();
    place.update();
    cycle = 1;
    for (const side of sides) side.load(current(), Number(place.value));
    update();
  }
  function update() {
    slider.max = span();
    slider.value = cycle;
    counter.textContent = `cycle ${cycle} of ${span()}`;
    for (const side of sides) side.show(cycle, span(), selected);
  }
  function go(to) {
    cycle = Math.min(span(), Math.max(1, to));
    update();
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function toggle() {
    if (timer) return stop();
    if (cycle >= span()) go(1);
    play.textContent = "Pause";
    timer = setInterval(() => (cycle < span() && !panel.hidden ? go(cycle + 1) : stop()), Math.max(40, Math.min(400, 14000 / span())));
    return undefined;
  }
  function keys(event) {
    if (event.target !== steps) return;
    const lanes = greatest(sides.map((side) => (side.machine ? side.machine.lanes.length : 0)), 1);
    const calls = { ArrowLeft: () => go(cycle - 1), ArrowRight: () => go(cycle + 1), Home: () => go(1), End: () => go(span()), " ": toggle, ArrowUp: () => { selected = Math.max(0, selected - 1); update(); }, ArrowDown: () => { selected = Math.min(lanes - 1, selected + 1); update(); } };
    if (!calls[event.key]) return;
    event.preventDefault();
    calls[event.key]();
  }
  state.listeners.push(reset);
  reset();
}

/** An arrow, to the end with a bar. */
function stepIcon(way, end = false) {
  const x = (v) => 7 + way * v;
  const svg = s("svg", { width: 14, height: 14, "aria-hidden": "true" }, s("path", { fill: "currentColor", d: `M${x(-4)} 2L${x(4)} 7L${x(-4)} 12Z` }));
  if (end) svg.append(s("path", { stroke: "currentColor", "stroke-width": 2, d: `M${x(5)} 2V12` }));
  return svg;
}

/** One of the two machines: its select, its verdict, its lanes, the chosen lane close up. */
function machinePanel(side, ways, onchange, onlane) {
  let chosen = false; // by the reader; until then a default is taken
  const arch = choice(side ? "Right" : "Left", () => ways().map(([i, name]) => [i, name]), undefined, () => {
    chosen = true;
    onchange();
  });
  const barrier = h("output", {});
  const verdict = h("p", { class: "verdict" }, "Barrier at cycle ", barrier);
  const soFar = h("p", { class: "note mono" });
  const closer = h("div", {});
  const element = h("div", { class: "machine" }, h("div", { class: "controls" }, arch.element), verdict);
  const self = { element, machine: null, load, show };
  let [layer, number, shown, span, selected, rows] = [null, 0, 1, 1, 0, null];

  const drawing = chart(element, `Lanes of the ${side ? "right" : "left"} organisation`, (width) => {
    if (!self.machine) return { nodes: [], marks: [], height: 10 };
    const drawn = drawLanes(width, self.machine, shown, span, selected);
    rows = drawn.row;
    return drawn;
  }, false);
  drawing.svg.addEventListener("click", (event) => {
    const lane = rows ? rows(event.clientY - drawing.svg.getBoundingClientRect().top) : -1;
    if (self.machine && lane >= 0 && lane < self.machine.lanes.length) onlane(lane);
  });
  element.append(soFar, closer);

  /** Read a window; by default the left machine is the dense one, the right one the first that skips. */
  function load(of, window) {
    const found = ways();
    const kept = found.some(([i]) => String(i) === arch.value) && chosen;
    const first = found.find(([, , way]) => way.mode === (side ? "skip" : "dense"));
    arch.update(kept ? arch.value : (first || found[side ? found.length - 1 : 0] || [0])[0]);
    const way = (found.find(([i]) => String(i) === arch.value) || [])[2];
    layer = of;
    self.machine = way ? readWindow(way, window) : null;
    if (!way) return;
    number = of.trace.shown[window].window;
    self.machine.stretches = self.machine.lanes.map((_, l) => stretches(self.machine, l));
    barrier.textContent = String(self.machine.barrier);
    barrier.dataset.cycles = String(self.machine.cycles);
  }

  function show(cycle, cycles, lane) {
    [shown, span, selected] = [cycle, cycles, lane];
    drawing.redraw();
    if (!self.machine) return;
    const counts = tally(self.machine, Math.min(cycle, self.machine.cycles));
    soFar.dataset.tally = JSON.stringify(counts);
    soFar.textContent = tallied(counts);
    closer.replaceChildren(...closeUp(self.machine, layer, number, Math.min(lane, self.machine.lanes.length - 1), cycle));
  }
  return self;
}

/** Count what the lanes did so far, in cycles of a lane. */
function tally(machine, cycle) {
  const counts = {};
  for (const parts of machine.stretches) {
    for (const part of parts) counts[part.kind] = (counts[part.kind] || 0) + Math.max(0, Math.min(part.to, cycle) - part.from);
  }
  return counts;
}

function tallied(counts) {
  const names = { effectual: "effectual", ineffectual_activation: "ineffectual", fetch: "empty or fetching", lane_sync: "waiting", overhead: "overhead", unused_lanes: "without a value" };
  const said = Object.keys(names).filter((kind) => counts[kind]).map((kind) => `${names[kind]} ${percent(counts[kind] / sum(Object.values(counts)), 0)}`);
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
  return [h("p", { class: "note" }, lines, ` Tile ${machine.trace.tile} of ${machine.trace.tiles}.`), filterGrid(machine, run, state)];
}

/** The run against each filter of the tile: where an effectual activation meets an effectual weight, and which is multiplied now. */
function filterGrid(machine, run, state) {
  const size = 11;
  const left = 62;
  const shared = machine.trace.weights_skipped === "shared";
  const svg = s("svg", { class: "chart", role: "img", "aria-label": "Filters against the values of the run", height: 20 + machine.filters * size, "font-size": 11 });
  svg.append(s("text", { class: "muted", x: left, y: 11, "font-size": 11.5 }, shared ? "the run's values against all weights of the tile" : "the run's values against each filter's weights"));
  for (let f = 0; f < machine.filters; f += 1) {
    const y = 18 + f * size;
    const stream = run.streams[f];
    const at = state.streams[f];
    if (f % 4 === 0) svg.append(s("text", { class: "muted", x: left - 6, y: y + 9, "text-anchor": "end", "font-size": 11 }, shared ? "tile" : `filter ${f}`));
    run.seen.forEach((seen, v) => {
      const order = stream.indexOf(v);
      const value = { effectual: Boolean(run.effectual[v]), part: 1 };
      if (order < 0) value.when = "skipped";
      else value.when = at.value === v ? "now" : at.run === null || at.run > state.run || order < at.at ? "done" : "later";
      svg.append(...cell(left + v * size, y, size - 1, value));
    });
    if (at.value === null) svg.append(s("text", { class: "muted", x: left + run.length * size + 6, y: y + 9, "font-size": 11 }, at.at >= stream.length ? "waits" : ""));
  }
  return svg;
}
