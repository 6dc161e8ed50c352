// A window, run by run, as the timing model counted it: what each lane does in each cycle.

/** Read `length` bits of the mask at a place among masks of `size` bytes, written in hexadecimal. */
function maskBits(hex, size, place, length) {
  const out = [];
  for (let i = 0; i < length; i += 1) out.push((parseInt(hex.substr(2 * (place * size + (i >> 3)), 2), 16) >> (i & 7)) & 1);
  return out;
}

const onesOf = (bits) => bits.flatMap((bit, i) => (bit ? [i] : []));

/** Read one window of a way: its lanes, their runs, and `at(lane, cycle)`. Cycles count from 1. */
function readWindow(way, index) {
  const { trace } = way;
  const shown = trace.windows[index];
  const filters = trace.weights ? trace.weights.length / (2 * trace.bytes * trace.steps.length) : 0;
  const runs = trace.steps.map((step, r) => readRun(trace, shown, filters, r));
  const lanes = [];
  for (let lane = 0; lane < way.lanes; lane += 1) {
    const own = lane < trace.begins.length - 1 ? runs.slice(trace.begins[lane], trace.begins[lane + 1]) : [];
    lanes.push({ runs: own, walks: walksOf(own, trace.free ? Math.min(filters, trace.filters) : 1) });
  }
  const barrier = shown.cycles - trace.window_overhead;
  const dense = way.mode === "dense";
  const at = (lane, cycle) => laneState(trace, lanes[lane], barrier, shown.cycles, dense, cycle);
  return { way, trace, lanes, barrier, cycles: shown.cycles, filters: Math.min(filters, trace.filters), at };
}

function readRun(trace, shown, filters, r) {
  const length = trace.lengths[r];
  const seen = maskBits(shown.seen, trace.bytes, r, length);
  const effectual = shown.effectual ? maskBits(shown.effectual, trace.bytes, r, length) : seen;
  const run = {
    step: trace.steps[r],
    start: trace.starts[r],
    length,
    stride: trace.stride,
    seen,
    effectual,
    rows: shown.rows ? shown.rows[r] : 1,
    cost: shown.costs[r],
    wait: shown.waits ? shown.waits[r] : 0,
  };
  const weights = [];
  for (let f = 0; f < filters; f += 1) weights.push(maskBits(trace.weights, trace.bytes, r * filters + f, length));
  run.weights = weights;
  // The values that each offset stream goes through: the lane's one, or one for each filter.
  run.streams = filters ? weights.map((w) => onesOf(seen.map((bit, i) => bit & w[i]))) : [onesOf(seen)];
  run.work = greatest(run.streams.map((stream) => stream.length));
  return run;
}

const ofFilter = (cycles, f) => (Array.isArray(cycles) ? cycles[f] : cycles);

/** When each run of a lane begins, for the lane or for each of its filters where they run free. */
function walksOf(runs, count) {
  const walks = [];
  for (let f = 0; f < count; f += 1) {
    let from = 0;
    const begins = runs.map((run) => {
      const begin = from + ofFilter(run.wait, f);
      from = begin + ofFilter(run.cost, f);
      return begin;
    });
    walks.push({ begins, end: from });
  }
  return walks;
}

/**
 * Find the run of a walk in a cycle, and which of its own cycles that is (from 0); null when the walk has ended. A filter that
 * waits before its next run is beyond the cycles of the last one.
 */
function placeOf(walk, cycle) {
  if (cycle > walk.end) return null;
  let low = 0;
  for (let high = walk.begins.length - 1; low < high;) {
    const middle = (low + high + 1) >> 1;
    if (walk.begins[middle] < cycle) low = middle;
    else high = middle - 1;
  }
  return { run: low, at: cycle - 1 - walk.begins[low] };
}

/** Which of a lane's walks it is shown by: the one that ends last, or while that one waits, one that it waits for. */
function slowestWalk(lane, cycle) {
  const last = lane.walks.reduce((best, walk, f) => (walk.end > lane.walks[best].end ? f : best), 0);
  const place = placeOf(lane.walks[last], cycle);
  if (!place || place.at < ofFilter(lane.runs[place.run].cost, last)) return last;
  const run = (f) => (placeOf(lane.walks[f], cycle) || { run: lane.runs.length }).run;
  return lane.walks.reduce((best, _, f) => (run(f) < run(best) ? f : best), 0);
}

/** What a lane does in a cycle: a slot kind (or "done"), its run, the values that its filters are at. */
function laneState(trace, lane, barrier, cycles, dense, cycle) {
  if (cycle > cycles) return { kind: "done" };
  if (cycle > barrier) return { kind: "overhead", why: "the window's overhead" };
  if (!lane.runs.length) return { kind: "unused_lanes", why: "no value in this window" };
  const f = slowestWalk(lane, cycle);
  const place = placeOf(lane.walks[f], cycle);
  if (!place) return { kind: "lane_sync", why: "waits at the barrier" };
  const run = lane.runs[place.run];
  const cost = ofFilter(run.cost, f);
  const work = trace.free ? run.streams[f].length : run.work;
  const places = trace.free ? lane.walks.map((walk) => placeOf(walk, cycle)) : null;
  const streams = run.streams.map((stream, i) => {
    const own = places ? places[i] : place;
    return own && own.run === place.run
      ? { run: place.run, at: own.at, value: stream[own.at] ?? null }
      : { run: own ? own.run : null, at: own ? own.at : 0, value: null };
  });
  const now = new Map();
  for (const { value } of streams) if (value !== null) now.set(value, (now.get(value) || 0) + 1);
  const state = { run: place.run, at: place.at, cost, streams, now };
  // Free filters may be at work in other runs than the slowest one's.
  const elsewhere = places && places.some((p, i) => p && p.run !== place.run && lane.runs[p.run].streams[i][p.at] !== undefined);
  if (now.size || elsewhere) {
    const useful = elsewhere || [...now.keys()].some((v) => run.effectual[v]);
    return { ...state, kind: useful ? "effectual" : "ineffectual_activation" };
  }
  if (dense) return { ...state, kind: "unused_lanes", why: "no value in this cycle" };
  if (place.at < Math.max(work, run.rows))
    return { ...state, kind: "fetch", why: work ? "reads another row" : "nothing effectual: 1 cycle" };
  if (place.at < cost - trace.run_overhead) return { ...state, kind: "lane_sync", why: "waits for other tiles" };
  return { ...state, kind: "overhead", why: "the run's overhead" };
}

/** Where a run lies, in words. */
function runPlace(layer, trace, number, run) {
  const t = layer.trace;
  const [oy, ox] = [Math.floor(number / t.outputs[1]), number % t.outputs[1]];
  const across = trace.row_packed ? 1 : t.kernel[1];
  const y = oy * t.strides[0] - t.pads[0] + Math.floor(run.step / across) * t.dilations[0];
  const x = ox * t.strides[1] - t.pads[1] + (run.step % across) * t.dilations[1];
  const outside = y < 0 || y >= t.size[0] || (!trace.row_packed && (x < 0 || x >= t.size[1]));
  const end = run.start + (run.length - 1) * run.stride;
  const unit = trace.row_packed ? "value" : "channel";
  const values =
    run.length <= 1
      ? `${unit} ${run.start}`
      : `${unit}s ${run.start} to ${end}${run.stride === 1 ? "" : `, every ${run.stride}th`}`;
  const where = trace.row_packed ? `row y ${y}, ${values} of the window's row` : `y ${y}, x ${x}, ${values}`;
  return outside ? `${where}; in the padding` : where;
}
