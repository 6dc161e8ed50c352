// Legends and selects.

function swatch(item) {
  const svg = s("svg", { width: 16, height: 16, "aria-hidden": "true" });
  svg.append(
    item.shape
      ? point(item.shape, 8, 8, 5, item.colour)
      : s("rect", { x: 2, y: 2, width: 12, height: 12, rx: 2, fill: item.colour, class: "edge" }),
  );
  return svg;
}

/** What the colours mean. */
function legend(items) {
  return h(
    "ul",
    { class: "legend" },
    items.map((item) => h("li", { class: "item", title: item.meaning || null }, swatch(item), item.label)),
  );
}

/** The organisations, each a button that hides it everywhere. */
function archLegend() {
  const buttons = data.archs.map((arch, i) =>
    h(
      "button",
      { class: "item", type: "button", title: arch.description || null, on: { click: () => toggle(i) } },
      swatch(arch),
      arch.name,
    ),
  );
  function toggle(i) {
    if (state.hidden.has(i)) state.hidden.delete(i);
    else if (shownArchs().length > 1) state.hidden.add(i);
    if (state.hidden.has(state.arch)) state.arch = shownArchs().at(-1);
    changed();
  }
  function update() {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(!state.hidden.has(i))));
  }
  state.listeners.push(update);
  update();
  return h("div", { class: "legend", role: "group", "aria-label": "Organisations shown" }, buttons);
}

/** A labelled select of [value, text] pairs; `options` may be a function of the state. */
function choice(label, options, value, onchange) {
  const select = h("select", { on: { change: () => onchange(select.value) } });
  const element = h("label", {}, label, select);
  function update(wanted) {
    const list = typeof options === "function" ? options() : options;
    const keep = wanted ?? select.value;
    select.replaceChildren(...list.map(([v, text]) => h("option", { value: v }, text)));
    select.value = list.some(([v]) => String(v) === String(keep)) ? keep : list.length ? list[0][0] : "";
  }
  update(value);
  return {
    element,
    select,
    update,
    get value() {
      return select.value;
    },
    set value(v) {
      select.value = v;
    },
  };
}

const archOptions = () => data.archs.map((arch, i) => [i, arch.name]);

/** A choice of the organisation that is looked at closely, which is the same in every view. */
function archChoice() {
  const made = choice("Organisation", archOptions(), state.arch, (value) => {
    state.arch = Number(value);
    changed();
  });
  state.listeners.push(() => made.update(state.arch));
  return made;
}

const runSpeedup = (run) => run.dense_cycles / run.cycles;
const bestSpeedup = (l) => greatest(network().runs.map((runs) => runSpeedup(runs[l])));

/** A choice among some layers of the network; at first the one that is worth most, by default the one that skipping helps most. */
function layerChoice(onchange, keep, worth = bestSpeedup) {
  const options = () =>
    network()
      .layers.map((layer, i) => [i, layer.name])
      .filter(([i]) => keep(network().layers[i]));
  const best = () =>
    options()
      .map(([i]) => i)
      .reduce((a, b) => (a === null || worth(a) < worth(b) ? b : a), null);
  let shown = state.network;
  const made = choice("Layer", options, best(), onchange);
  state.listeners.push(() => {
    made.update(shown === state.network ? undefined : best());
    shown = state.network;
  });
  return made;
}
