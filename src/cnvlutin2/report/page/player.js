// Going through cycles: buttons, a slider, keys, and playing by itself.

/**
 * Make the controls. `span()` says how many cycles there are, `seen()` whether anybody looks, `onchange(cycle)` draws.
 */
function player(span, seen, onchange) {
  let [cycle, timer] = [1, null];
  const counter = h("output", { class: "counter", "aria-live": "polite" });
  const slide = { input: () => go(Number(slider.value)) };
  const slider = h("input", { type: "range", min: 1, value: 1, "aria-label": "Cycle", on: slide });
  const button = (text, label, call, more = "") =>
    h("button", { class: `plain ${more}`, type: "button", "aria-label": label, title: label, on: { click: call } }, text);
  const play = button("Play", "Play or pause", toggle, "primary");
  const back = [button(stepIcon(-1, true), "First cycle", first), button(stepIcon(-1), "One cycle back", () => go(cycle - 1))];
  const on = [button(stepIcon(1), "One cycle on", () => go(cycle + 1)), button(stepIcon(1, true), "Last cycle", last)];
  const element = h("div", { class: "controls" }, back, play, on, slider, counter);

  function go(to) {
    cycle = Math.min(span(), Math.max(1, to));
    slider.max = span();
    slider.value = cycle;
    counter.textContent = `cycle ${cycle} of ${span()}`;
    onchange(cycle);
  }
  function first() {
    go(1);
  }
  function last() {
    go(span());
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function toggle() {
    if (timer) {
      stop();
      return;
    }
    if (cycle >= span()) first();
    play.textContent = "Pause";
    const pause = Math.max(40, Math.min(400, 14000 / span())); // milliseconds: a long window takes a quarter of a minute
    timer = setInterval(() => (cycle < span() && seen() ? go(cycle + 1) : stop()), pause);
  }
  function reset() {
    stop();
    first();
  }
  const keys = {
    ArrowLeft: () => go(cycle - 1),
    ArrowRight: () => go(cycle + 1),
    Home: first,
    End: last,
    " ": toggle,
  };
  return { element, keys, reset, again: () => go(cycle) };
}

/** An arrow, to the end with a bar. */
function stepIcon(way, end = false) {
  const x = (v) => 7 + way * v;
  const svg = s(
    "svg",
    { width: 14, height: 14, "aria-hidden": "true" },
    s("path", { fill: "currentColor", d: `M${x(-4)} 2L${x(4)} 7L${x(-4)} 12Z` }),
  );
  if (end) svg.append(s("path", { stroke: "currentColor", "stroke-width": 2, d: `M${x(5)} 2V12` }));
  return svg;
}
