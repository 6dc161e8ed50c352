// Lane loads: how long each lane works in each window, and so how long it waits.

const BASELINE = "dense baseline";

/** The organisations that a layer's trace knows, as [number, name, way]; dense baselines come first, numbered from -1 down. */
function tracedArchs(layer, l) {
  const found = [];
  const plain = layer.trace.ways.filter((w) => w.baseline).flatMap((way) => way.archs.map((name) => [name, way]));
  plain.forEach(([name, way], i) => found.push([-1 - i, name, way]));
  data.archs.forEach((arch, i) => {
    const { mode } = network().runs[i][l];
    const way = layer.trace.ways.find((w) => !w.baseline && w.archs.includes(arch.name) && w.mode === mode);
    if (way) found.push([i, arch.name, way]);
  });
  return found;
}

/** Where a window of a layer begins, in words. */
function windowName(layer, number) {
  const across = layer.trace.outputs[1];
  return `y ${Math.floor(number / across)}, x ${number % across}`;
}

function lanesView(panel) {
  const part = card(
    "Lane loads",
    "How many cycles each lane works in a window. A window ends with its slowest lane: the darker a lane against its column, the longer it waits. First image, group and pass; where tiles differ, the slowest tile of each lane.",
  );
  panel.append(part);
  if (!data.networks.some((n) => n.layers.some((layer) => layer.trace))) {
    part.append(missing("This report was written without traces, so it has no lane loads."));
    return;
  }
  const facts = h("p", { class: "note" });
  const scale = h("div", {});
  const redraw = () => {
    const chosen = arch.value;
    arch.update(chosen);
    drawn.redraw();
  };
  const layer = layerChoice(
    redraw,
    (each) => each.trace,
    (l) => bestSpeedup(l) * Math.min(8, network().layers[l].trace.windows.length),
  ); // a map of few windows says little
  const current = () => network().layers[Number(layer.value)];
  const ways = () => (current() && current().trace ? tracedArchs(current(), Number(layer.value)) : []);
  const arch = choice(
    "Organisation",
    () => ways().map(([i, name]) => [i, name]),
    state.arch,
    (value) => {
      if (Number(value) >= 0) state.arch = Number(value);
      changed();
    },
  );
  state.listeners.push(() => arch.update(Number(arch.value) < 0 ? undefined : state.arch)); // below 0: a dense baseline
  part.append(h("div", { class: "controls" }, layer.element, arch.element), facts, scale);
  const drawn = chart(part, "Lane loads of the chosen layer", (width) => {
    const found = ways().find(([i]) => String(i) === arch.value) || ways()[0];
    if (!found) return { nodes: [], marks: [], height: 10 };
    const way = found[2];
    const busy = sum(way.loads.map(sum)) / sum(way.cycles.map((c) => c * way.lanes));
    facts.textContent = `${plural(way.loads.length, "window")} of ${whole(current().trace.outputs[0] * current().trace.outputs[1])}; lanes work ${percent(busy)} of the time, the rest they wait or have no value. Windows take ${whole(Math.min(...way.cycles))} to ${whole(greatest(way.cycles))} cycles.`;
    scale.replaceChildren(scaleBar("0", plural(greatest(way.cycles), "cycle")));
    return loadMap(width, current(), way);
  });
}

function loadMap(width, layer, way) {
  const [left, top, windows] = [58, 22, way.loads.length];
  const high = greatest(way.cycles, 1);
  const column = Math.min(46, (width - left - 4) / windows);
  const row = Math.max(6, Math.min(20, 320 / way.lanes));
  const [nodes, marks] = [[], []];
  const shade = (x, y, w, height, part, lines) => {
    nodes.push(
      s("rect", { x, y, width: Math.max(0.6, w - (column > 6 ? 1 : 0)), height: height - (row > 8 ? 1 : 0), fill: ramp(part) }),
    );
    marks.push({ x, y, w, h: height, lines });
  };
  nodes.push(
    s("text", { class: "muted", x: left, y: 14 }, fitted("windows, in the order in which they are computed", width - left)),
  );
  way.loads.forEach((loads, w) => {
    const name = `window ${windowName(layer, layer.trace.windows[w])}`;
    for (let lane = 0; lane < way.lanes; lane += 1) {
      if (lane >= loads.length) continue;
      const waits = way.cycles[w] - loads[lane];
      shade(left + w * column, top + lane * row, column, row, loads[lane] / high, [
        name,
        `lane ${lane}: ${plural(loads[lane], "cycle")} of ${way.cycles[w]}`,
        `waits ${plural(waits, "cycle")}`,
      ]);
    }
  });
  const every = Math.ceil(14 / row);
  for (let lane = 0; lane < way.lanes; lane += every) {
    nodes.push(
      s("text", { class: "muted", x: left - 6, y: top + lane * row + row / 2 + 4, "text-anchor": "end" }, `lane ${lane}`),
    );
  }
  const below = top + way.lanes * row + 12;
  way.cycles.forEach((cycles, w) => {
    const height = (cycles / high) * 54;
    nodes.push(
      s("rect", {
        x: left + w * column,
        y: below + 54 - height,
        width: Math.max(0.6, column - (column > 6 ? 1 : 0)),
        height,
        fill: "#7f868d",
      }),
    );
    marks.push({
      x: left + w * column,
      y: below,
      w: column,
      h: 54,
      lines: [`window ${windowName(layer, layer.trace.windows[w])}`, plural(cycles, "cycle")],
    });
  });
  nodes.push(s("text", { class: "muted", x: left - 6, y: below + 10, "text-anchor": "end" }, String(high)));
  nodes.push(s("text", { class: "muted", x: left - 6, y: below + 56, "text-anchor": "end" }, "cycles"));
  return { nodes, marks, height: below + 64 };
}
