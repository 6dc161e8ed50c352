// The lane viewer: one window of one layer, cycle by cycle, on two organisations side by side.

const VIEWER_TEXT =
  "One window of one layer, cycle by cycle, on two organisations. In the dense machine all lanes take their next value " +
  "together, whatever it is. Where ineffectual values are skipped, each lane goes through its runs at its own pace, from one " +
  "effectual value to the next; the window ends at a barrier, when the slowest lane is done. First image, group and pass; " +
  "one tile.";

const WORDS = [
  ["window", "all the activations under the kernel at one output position; every filter multiplies them and adds up"],
  ["lane", "takes one activation a cycle and multiplies it by the weights that a tile's filters have for it"],
  ["step", "the activations of a window at one position (y, x); where a layer has few channels, of one row"],
  ["brick", "neighbouring channels at one position, by default 16: what is fetched from the activation memory at a time"],
  ["run", "what a lane fetches and works through at a time, at most a brick; one of which all is skipped still costs a cycle"],
  ["effectual", "not zero, or not below the layer's threshold: a product with it can change the result"],
  ["offset", "where in its brick a value stands: with neighbours skipped, it tells which weights belong to the value"],
  ["barrier", "all lanes feed the same sums, so the next window begins when the slowest lane is done"],
];

function words() {
  const list = WORDS.flatMap(([word, meaning]) => [h("dt", {}, word), h("dd", {}, meaning)]);
  return h("details", { class: "words" }, h("summary", {}, "What the words mean"), h("dl", {}, list));
}

const canStep = (layer) => Boolean(layer && layer.trace && layer.trace.ways.some((way) => way.trace));

/** How much faster a layer is on the organisation that the page shows, which the right side shows at first. */
const shownSpeedup = (l) => runSpeedup(network().runs[state.arch][l]);

function viewerView(panel) {
  const part = card("Lane viewer", VIEWER_TEXT);
  panel.append(part);
  if (!data.networks.some((n) => n.layers.some(canStep))) {
    part.append(missing("This report was written without traces, so there is nothing to step through."));
    return;
  }
  let lane = 0;
  const layer = layerChoice(load, canStep, shownSpeedup);
  const current = () => network().layers[Number(layer.value)];
  const ways = () => (canStep(current()) ? tracedArchs(current(), Number(layer.value)).filter(([, , way]) => way.trace) : []);
  const places = () => (canStep(current()) ? current().trace.shown : []);
  const windows = () => places().map((w, i) => [i, `${windowName(current(), w.window)} (${w.label})`]);
  const place = choice("Window", windows, 0, load);
  const sides = [0, 1].map((side) => machinePanel(side, ways, load, chooseLane));
  const most = (count) =>
    greatest(
      sides.map((side) => (side.machine ? count(side.machine) : 0)),
      1,
    );
  const span = () => most((machine) => machine.cycles);
  const play = player(
    span,
    () => !panel.hidden,
    (cycle) => sides.forEach((side) => side.show(cycle, span(), lane)),
  );
  const steps = lanesFocus(sides, { ...play.keys, ArrowUp: () => chooseLane(lane - 1), ArrowDown: () => chooseLane(lane + 1) });
  part.append(words(), h("div", { class: "controls" }, layer.element, place.element), play.element, cellLegend(), steps, keysNote());

  function load() {
    place.update();
    for (const side of sides) side.load(current(), Number(place.value));
    play.reset();
  }
  function chooseLane(wanted) {
    lane = Math.max(0, Math.min(most((machine) => machine.lanes.length) - 1, wanted));
    play.again();
  }
  state.listeners.push(load);
  load();
}

/** The two machines in an element that takes the focus and answers to keys. */
function lanesFocus(sides, keys) {
  const label = "Lanes; left and right arrow step a cycle, up and down choose a lane, space plays";
  const machines = h(
    "div",
    { class: "machines" },
    sides.map((side) => side.element),
  );
  const steps = h("div", { class: "steps", tabindex: 0, role: "group", "aria-label": label }, machines);
  steps.addEventListener("keydown", (event) => {
    if (event.target !== steps || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  return steps;
}

function keysNote() {
  const keys = (...names) => names.flatMap((name) => [h("kbd", {}, name), " "]);
  const said = ["With the focus on the lanes: ", keys("←", "→"), "step, ", keys("Home", "End"), "jump, "];
  const more = [keys("↑", "↓"), "choose a lane, ", keys("Space"), "plays. A click on a lane chooses it."];
  return h("p", { class: "note" }, said.flat(), more.flat());
}

/** One of the two machines: its select, its verdict, its lanes, the chosen lane close up. */
function machinePanel(side, ways, onchange, onlane) {
  let chosen = false; // by the reader; until then a default is taken
  const arch = choice(
    side ? "Right" : "Left",
    () => ways().map(([i, name]) => [i, name]),
    undefined,
    () => {
      chosen = true;
      onchange();
    },
  );
  const barrier = h("output", {});
  const verdict = h("p", { class: "verdict" }, "Barrier at cycle ", barrier);
  const soFar = h("p", { class: "note mono" });
  const closer = h("div", {});
  const element = h("div", { class: "machine" }, h("div", { class: "controls" }, arch.element), verdict);
  const self = { element, machine: null, load, show };
  let [layer, number, shown, span, selected, rows] = [null, 0, 1, 1, 0, null];

  const drawing = chart(
    element,
    `Lanes of the ${side ? "right" : "left"} organisation`,
    (width) => {
      if (!self.machine) return { nodes: [], marks: [], height: 10 };
      const drawn = drawLanes(width, self.machine, shown, span, selected);
      rows = drawn.row;
      return drawn;
    },
    false,
  );
  drawing.svg.addEventListener("click", (event) => {
    const lane = rows ? rows(event.clientY - drawing.svg.getBoundingClientRect().top) : -1;
    if (self.machine && lane >= 0 && lane < self.machine.lanes.length) onlane(lane);
  });
  element.append(soFar, closer);

  /** Read a window; by default the left machine is the dense one, the right one that which the page shows. */
  function load(of, window) {
    const found = ways();
    const kept = found.some(([i]) => String(i) === arch.value) && chosen;
    const first = found.find(([i, , way]) => (side ? i === state.arch : way.mode === "dense"));
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
