// Points: which are shown, which is chosen, what is said of them. A view listens to both through `state`.

Object.assign(state, { point: -1 });

/** Nanoseconds in a unit that fits. */
function duration(ns) {
  const units = ["ns", "µs", "ms", "s"];
  let unit = 0;
  while (ns >= 999.5 && unit < units.length - 1) {
    ns /= 1000;
    unit += 1;
  }
  return ns === 0 ? "0" : `${Number(ns.toPrecision(3))} ${units[unit]}`;
}

const measureOf = (key) => data.measures.find((measure) => measure.key === key);
const formats = { whole, times, joules, percent, area: (x) => `${x.toPrecision(3)} mm²`, time: duration };
const shown = (measure, value) => (value === null ? "-" : formats[measure.format](value));
const pointsHere = () =>
  data.points.map((p, i) => i).filter((i) => data.points[i].network === state.network && !state.hidden.has(data.points[i].arch));

function choosePoint(i) {
  state.point = i;
  changed();
}

/** What the tip of a point says. */
function linesOf(i, measures) {
  const p = data.points[i];
  const set = data.parameters.map((key) => `${key}=${p.parameters[key]}`);
  return [`${data.archs[p.arch].name} ${p.id.slice(0, 8)}`, ...set, ...measures.map((m) => `${m.label}: ${shown(m, p.values[m.key])}`)];
}

/** Points that no other beats in some measures: none is as good in all and better in one. */
function frontOf(indices, measures) {
  const cost = (i, m) => (m.better === "low" ? 1 : -1) * data.points[i].values[m.key];
  const known = indices.filter((i) => measures.every((m) => data.points[i].values[m.key] !== null));
  if (measures.length === 2) {
    const [a, b] = measures;
    const sorted = [...known].sort((i, j) => cost(i, a) - cost(j, a) || cost(i, b) - cost(j, b));
    let least = Infinity;
    let at = Infinity;
    return sorted.filter((i) => {
      const keep = cost(i, b) < least || (cost(i, b) === least && cost(i, a) === at);
      if (keep) [least, at] = [cost(i, b), cost(i, a)];
      return keep;
    });
  }
  return known.filter(
    (i) =>
      !known.some(
        (j) => measures.every((m) => cost(j, m) <= cost(i, m)) && measures.some((m) => cost(j, m) < cost(i, m)),
      ),
  );
}

/** The chosen point in full: its parameters, measures, and how to repeat it. */
function detail(panel) {
  const element = h("section", { class: "card detail", "aria-live": "polite" });
  panel.append(element);
  function update() {
    const p = data.points[state.point];
    if (!p || p.network !== state.network) {
      element.replaceChildren(missing("Choose a point, here or in another view, and its configuration is shown."));
      return;
    }
    element.replaceChildren(
      h("h2", {}, `Point ${p.id.slice(0, 8)}`),
      pairs([
        ["network", network().name],
        ["organisation", data.archs[p.arch].name],
        ...data.parameters.map((key) => [key, String(p.parameters[key])]),
        ...data.measures.map((m) => [m.label, shown(m, p.values[m.key])]),
      ]),
      h("h3", {}, "To repeat it"),
      h("p", { class: "note" }, "Save the organisation as point.yaml, then:"),
      h("pre", {}, h("code", {}, p.command)),
      h("details", {}, h("summary", {}, "point.yaml"), h("pre", {}, h("code", {}, p.yaml))),
    );
  }
  state.listeners.push(update);
  update();
}
