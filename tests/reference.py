"""The slow reference: cycles, slot accounting and arithmetic of one layer in plain Python loops.

It is written from the model's page alone and shares no code with the package, so that agreement of the two means something.
Nothing here is vectorised. A set of values is a Python integer whose bit `i` says whether the `i`-th value of the run belongs
to it. `Options`, `side_by_side` and `tiles_of` also serve the references of traffic and memory.

Every multiplier slot of every cycle is classified where it is spent; nothing is found by subtraction, and `simulate` checks
that the classes add up to all slots.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cnvlutin2.layer import Layer
    from cnvlutin2.organisation import Organisation

CLASSES = (
    "unused_filters",
    "overhead",
    "unused_lanes",
    "ineffectual_activation",
    "ineffectual_weight",
    "effectual",
    "filter_sync",
    "fetch",
    "lane_sync",
)

Place = tuple[int, int, int]
"""Of a weight: (channel of the group, ky, kx). Of an activation: (channel, y, x)."""
Run = list[Place]
Slots = dict[str, int]


@dataclass(frozen=True)
class Options:
    """The options that counts depend on, under the names and with the defaults of the model."""

    tiles: int = 16
    filters_per_tile: int = 16
    lanes: int = 16
    brick: int = 16
    data_bits: int = 16
    skip_activations: bool = True
    skip_weights: str = "none"
    filter_sync: str | int = "brick"
    filter_map: str = "blocked"
    tile_sync: str = "window"
    lane_map: str = "sliced"
    group_map: str = "serial"
    layer_mode: str | Mapping[str, str] = "skip"
    run_overhead: int = 0
    window_overhead: int = 0
    format: str = "dense"
    detect: str = "dispatch"
    packing: str = "row"
    pointer_group: int = 1
    nm_bytes: int = 4 << 20
    sb_bytes_per_tile: int = 2 << 20
    clock_ghz: float = 1.0
    encoder_values_per_cycle: int = 1
    weight_format: str = "dense"
    dram: str | float = "unlimited"
    prefetch_weights: bool = False
    batch: int = 1

    def __post_init__(self) -> None:
        for name, values in {"filter_map": ("blocked", "spread"), "group_map": ("serial", "parallel")}.items():
            assert getattr(self, name) in values, f"the reference knows no {name}: {getattr(self, name)!r}"
        drift = self.filter_sync
        assert drift in ("brick", "window") or (isinstance(drift, int) and 1 <= drift <= 4096), drift
        assert self.encoder_values_per_cycle >= 0

    @classmethod
    def of(cls, options: Given) -> Options:
        """Take what is known from a mapping or an organisation, which have more, on which no count depends."""
        if isinstance(options, Options):
            return options
        given = options if isinstance(options, Mapping) else options.model_dump()
        unrelated = {"name", "description", "nbin_entries", "nbout_entries", "encoder_buffer_entries"}
        known = {f.name for f in fields(cls)}
        unknown = set(given) - known - unrelated
        assert not unknown, f"the reference knows no {unknown}"
        return cls(**{key: value for key, value in given.items() if key in known})  # type: ignore[arg-type]

    def mode(self, layer: Layer) -> str:
        if isinstance(self.layer_mode, str):
            return self.layer_mode
        if layer.name in self.layer_mode:
            return self.layer_mode[layer.name]
        if layer.first and "first" in self.layer_mode:
            return self.layer_mode["first"]
        return self.layer_mode.get("default", "skip")


Given: TypeAlias = "Mapping[str, object] | Organisation | Options"
"""Options in any form that `Options.of` takes."""


@dataclass(frozen=True)
class ReferenceResult:
    """One image of one layer under one organisation.

    `dense_cycles` are those of the same machine in dense mode without overheads; `executed` counts the products that the
    multipliers computed; `mode` is ``skip`` or ``dense``, whichever was run.
    """

    image: int
    mode: str
    cycles: int
    dense_cycles: int
    effectual_macs: int
    slots: Slots

    @property
    def executed(self) -> int:
        return self.slots["ineffectual_activation"] + self.slots["ineffectual_weight"] + self.slots["effectual"]


def simulate(layer: Layer, options: Given | None = None) -> list[ReferenceResult]:
    """Return what each image of a layer costs; `auto` is decided for all images together, dense on a tie.

    The layer is alone, so that nobody reads what it writes and it waits for no encoder; `auto` among neighbours is decided
    in the reference of the memory system.
    """
    opt = Options.of(options or {})
    mode = opt.mode(layer)
    machine = Machine(layer, opt)
    images = range(len(layer.activations))
    found = {m: [machine.run(image, m) for image in images] for m in ("dense", "skip") if mode in (m, "auto")}
    if mode == "auto":
        mode = min(("dense", "skip"), key=lambda m: sum(cycles for cycles, _ in found[m]))
    results = []
    for image, (cycles, slots) in enumerate(found[mode]):
        assert sum(slots.values()) == cycles * opt.tiles * opt.filters_per_tile * opt.lanes, (slots, cycles)
        assert min(slots.values()) >= 0, slots
        results.append(ReferenceResult(image, mode, cycles, machine.dense_cycles(), effectual_macs(layer)[image], slots))
    return results


@dataclass
class Image:
    """What the lanes see of an image: by place, the effectual values, those that occupy a lane, and the rows of their brick."""

    effectual: set[Place] = field(default_factory=set)
    occupying: set[Place] = field(default_factory=set)
    rows: dict[Place, int] = field(default_factory=dict)


@dataclass
class Work:
    """A run of one window: its values' masks and the NM rows that its fetch touches."""

    effectual: int
    occupying: int
    rows: int


class Machine:
    """One layer on one organisation; `layer` is the given one with its groups side by side, where they are."""

    def __init__(self, layer: Layer, opt: Options) -> None:
        self.layer, self.opt = side_by_side(layer, opt), opt
        layer = self.layer
        self.filters, self.channels, self.kernel_height, self.kernel_width = (int(n) for n in layer.weights.shape)
        self.height, self.width = (int(n) for n in layer.activations.shape[2:])
        self.row_packed = opt.packing == "row" and self.channels < opt.brick and layer.dilations[1] == 1
        self.steps = self._steps()
        self.lane_runs = self._lane_runs()
        self.chunks = [step[i : i + opt.lanes] for step in self.steps for i in range(0, len(step), opt.lanes)]

    @cached_property
    def weights(self) -> set[tuple[int, Place]]:
        return effectual_weights(self.layer)

    # -- the order of the work ----------------------------------------------------------------------------------------

    def _steps(self) -> list[Run]:
        """Return the steps of a window: one a position, or one a kernel row where rows are packed."""
        rows = [
            [[(c, ky, kx) for c in range(self.channels)] for kx in range(self.kernel_width)] for ky in range(self.kernel_height)
        ]
        if self.row_packed:
            return [[place for position in row for place in position] for row in rows]
        return [position for row in rows for position in row]

    def _lane_runs(self) -> list[list[Run]]:
        """Return the runs of each lane in a window."""
        lanes, brick = self.opt.lanes, self.opt.brick
        runs: list[list[Run]] = [[] for _ in range(lanes)]
        if self.opt.lane_map == "sliced":
            for step in self.steps:
                slice_ = math.ceil(len(step) / lanes)
                for lane in range(lanes):
                    own = step[lane * slice_ : (lane + 1) * slice_]
                    runs[lane] += [own[i : i + brick] for i in range(0, len(own), brick)]
        else:
            window = [step[i : i + brick] for step in self.steps for i in range(0, len(step), brick)]
            for k, run in enumerate(window):
                runs[k % lanes].append(run)
        return runs

    def windows(self) -> Iterator[tuple[int, int]]:
        (top, left, bottom, right), (sy, sx), (dy, dx) = self.layer.pads, self.layer.strides, self.layer.dilations
        y = -top
        while y + dy * (self.kernel_height - 1) < self.height + bottom:
            x = -left
            while x + dx * (self.kernel_width - 1) < self.width + right:
                yield y, x
                x += sx
            y += sy

    def passes(self) -> Iterator[tuple[int, list[list[int]]]]:
        """Yield each group's passes: the group and the filters of every tile that has any."""
        own = self.filters // self.layer.groups
        at_a_time = self.opt.tiles * self.opt.filters_per_tile
        for group in range(self.layer.groups):
            for first in range(0, own, at_a_time):
                in_pass = [group * own + f for f in range(own)[first : first + at_a_time]]
                yield group, [tile for tile in tiles_of(in_pass, self.opt) if tile]

    # -- what is stored -----------------------------------------------------------------------------------------------

    def store(self, index: int) -> Image:
        """Store an image brick by brick, in storage order, and note what the lanes will see of each brick."""
        opt, values, found = self.opt, self.layer.activations[index].tolist(), Image()
        row_bits = opt.brick * opt.data_bits + opt.brick
        offset_bits = max(1, math.ceil(math.log2(opt.brick)))
        position_bits = 0
        for brick in self._stored_bricks():
            effectual = [(c, y, x) for c, y, x in brick if abs(values[c][y][x]) >= max(1, self.layer.threshold)]
            raw = len(effectual) * (opt.data_bits + offset_bits) > opt.brick * opt.data_bits
            blind = not opt.skip_activations or (opt.format == "roe" and opt.detect == "output" and raw)
            found.effectual.update(effectual)
            found.occupying.update(brick if blind else effectual)
            record_bits = 16 * math.ceil((opt.brick + opt.data_bits * len(effectual)) / 16)
            rows = (position_bits + record_bits - 1) // row_bits - position_bits // row_bits + 1
            position_bits += record_bits
            packed = opt.format == "packed_viai" and not self.row_packed
            found.rows.update(dict.fromkeys(brick, rows if packed else 1))
        return found

    def _stored_bricks(self) -> Iterator[Run]:
        """Yield the places of each brick in the order of the stream: group, y, then x and channel."""
        brick = self.opt.brick
        for group in range(self.layer.groups):
            own = range(group * self.channels, (group + 1) * self.channels)
            for y in range(self.height):
                positions = [[(c, y, x) for c in own] for x in range(self.width)]
                pieces = [[place for position in positions for place in position]] if self.row_packed else positions
                for piece in pieces:
                    for i in range(0, len(piece), brick):
                        yield piece[i : i + brick]

    def work(self, image: Image, run: Run, group: int, window: tuple[int, int]) -> Work:
        """Look up what a run holds in one window; places outside the map are padding."""
        work = Work(0, 0, 1)
        for i, (c, ky, kx) in enumerate(run):
            y, x = window[0] + ky * self.layer.dilations[0], window[1] + kx * self.layer.dilations[1]
            if 0 <= y < self.height and 0 <= x < self.width:
                place = (group * self.channels + c, y, x)
                work.effectual |= (place in image.effectual) << i
                work.occupying |= (place in image.occupying) << i
                work.rows = max(work.rows, image.rows[place])
            elif not self.opt.skip_activations:
                work.occupying |= 1 << i
        return work

    def weight_masks(self, run: Run, filters: Sequence[int]) -> list[int]:
        return [sum(((f, place) in self.weights) << i for i, place in enumerate(run)) for f in filters]

    # -- the cycles ---------------------------------------------------------------------------------------------------

    def run(self, index: int, mode: str) -> tuple[int, Slots]:
        """Return the cycles of an image and where its slots went."""
        image, slots, total = self.store(index), dict.fromkeys(CLASSES, 0), 0
        for group, tiles in self.passes():
            run_pass = self._skip_pass if mode == "skip" else self._dense_pass
            cycles = run_pass(image, group, tiles, slots)
            unused = self.opt.tiles * self.opt.filters_per_tile - sum(len(tile) for tile in tiles)
            slots["unused_filters"] += unused * self.opt.lanes * cycles
            total += cycles
        return total, slots

    def dense_cycles(self) -> int:
        """Return the cycles of an image on the dense baseline, which no value changes."""
        return sum(len(self.chunks) for _ in self.passes() for _ in self.windows())

    def _dense_pass(self, image: Image, group: int, tiles: list[list[int]], slots: Slots) -> int:
        """Run a pass as DaDianNao: every lane takes the next value of the step together. Returns its cycles."""
        lanes, overhead, cycles = self.opt.lanes, self.opt.window_overhead, 0
        used = [f for tile in tiles for f in tile]
        masks = [self.weight_masks(chunk, used) for chunk in self.chunks]
        for window in self.windows():
            for chunk, weights in zip(self.chunks, masks, strict=True):
                everything = (1 << len(chunk)) - 1
                _multiply([everything] * len(used), self.work(image, chunk, group, window).effectual, weights, slots)
                slots["unused_lanes"] += (lanes - len(chunk)) * len(used)
                cycles += 1
            slots["overhead"] += overhead * lanes * len(used)
            cycles += overhead
        return cycles

    def _skip_pass(self, image: Image, group: int, tiles: list[list[int]], slots: Slots) -> int:
        """Run a pass with lanes apart. Returns its cycles."""
        lanes, overhead = self.opt.lanes, self.opt.window_overhead
        masks = [[[self.weight_masks(run, tile) for tile in tiles] for run in runs] for runs in self.lane_runs]
        tile_cycles = [0] * len(tiles)
        for window in self.windows():
            ends = [
                self._lane([self.work(image, run, group, window) for run in runs], lane_masks, len(tiles), slots)
                for runs, lane_masks in zip(self.lane_runs, masks, strict=True)
            ]
            stops = [max(lane_ends[t] for lane_ends in ends) for t in range(len(tiles))]
            if self.opt.tile_sync != "layer":
                stops = [max(stops)] * len(tiles)
            for t, tile in enumerate(tiles):
                self._wait(tile, [stops[t] - lane_ends[t] for lane_ends in ends], slots)
                slots["overhead"] += overhead * lanes * len(tile)
                tile_cycles[t] += stops[t] + overhead
        # Tiles that run freely (tile_sync = layer) wait here, the others have the same number already.
        for tile, own in zip(tiles, tile_cycles, strict=True):
            self._wait(tile, [max(tile_cycles) - own] * lanes, slots)
        return max(tile_cycles)

    def _wait(self, tile: list[int], waits: list[int], slots: Slots) -> None:
        """Count what each lane of a tile waits; a lane that never has a value is not waiting but unused."""
        for runs, wait in zip(self.lane_runs, waits, strict=True):
            slots["lane_sync" if runs else "unused_lanes"] += wait * len(tile)

    def _lane(self, works: list[Work], masks: list[list[list[int]]], tiles: int, slots: Slots) -> list[int]:
        """Walk one lane's runs of a window in all tiles; `masks[run][tile][filter]`. Returns when it ends in each tile."""
        opt = self.opt
        # A barrier over all tiles at every run leaves a filter nothing to walk ahead to.
        if opt.skip_weights == "per_filter" and opt.filter_sync != "brick" and opt.tile_sync != "brick":
            return [self._free_filters(works, [run_masks[t] for run_masks in masks], slots) for t in range(tiles)]
        ends = [0] * tiles
        for work, run_masks in zip(works, masks, strict=True):
            costs = [self._run_in_tile(work, weights, slots) for weights in run_masks]
            for t, weights in enumerate(run_masks):
                barrier = max(costs) if opt.tile_sync == "brick" else costs[t]
                slots["lane_sync"] += (barrier - costs[t]) * len(weights)
                slots["overhead"] += opt.run_overhead * len(weights)
                ends[t] += barrier + opt.run_overhead
        return ends

    def _run_in_tile(self, work: Work, weights: list[int], slots: Slots) -> int:
        """Run the filters of a tile through one run, together. Returns its cost."""
        busy = self._execute(work, weights, slots)
        slowest = max(busy)
        slots["filter_sync"] += sum([slowest - own for own in busy])
        fetching = max(work.rows - slowest, 0)
        slots["fetch"] += fetching * len(weights)
        return slowest + fetching

    def _free_filters(self, works: list[Work], masks: list[list[int]], slots: Slots) -> int:
        """Let every filter of a tile walk the lane's runs on its own. Returns when the slowest ends.

        With a bounded drift of `N`, no filter begins a run before all of the tile have ended the one `N + 1` earlier, whose
        place in the buffer the run takes. `all_ended[q]` is when the slowest filter ends run `q`.
        """
        if not works:
            return 0
        drift = self.opt.filter_sync if isinstance(self.opt.filter_sync, int) else len(works)  # too many runs to bound any
        ends, all_ended = [0] * len(masks[0]), list[int]()
        for q, (work, weights) in enumerate(zip(works, masks, strict=True)):
            room = all_ended[q - 1 - drift] if q > drift else 0
            for f, busy in enumerate(self._execute(work, weights, slots)):
                waiting = max(room - ends[f], 0)
                slots["filter_sync"] += waiting
                fetching = max(work.rows - busy, 0)
                slots["fetch"] += fetching
                slots["overhead"] += self.opt.run_overhead
                ends[f] += waiting + busy + fetching + self.opt.run_overhead
            all_ended.append(max(ends))
        slots["filter_sync"] += sum(max(ends) - end for end in ends)
        return max(ends)

    def _execute(self, work: Work, weights: list[int], slots: Slots) -> list[int]:
        """Multiply what the filters of a tile do not skip of a run. Returns the cycles that each is busy."""
        executed = [work.occupying] * len(weights)
        if self.opt.skip_weights == "shared":
            any_weight = 0
            for weight in weights:
                any_weight |= weight
            executed = [work.occupying & any_weight] * len(weights)
        elif self.opt.skip_weights == "per_filter":
            executed = [work.occupying & weight for weight in weights]
        return _multiply(executed, work.effectual, weights, slots)


def tiles_of(in_pass: Sequence[int], opt: Options) -> list[list[int]]:
    """Seat the filters of a pass: those of each tile of the machine, in the order of their slots."""
    tiles: list[list[int]] = [[] for _ in range(opt.tiles)]
    for r, filter_ in enumerate(in_pass):
        tiles[r // opt.filters_per_tile if opt.filter_map == "blocked" else r % opt.tiles].append(filter_)
    assert all(len(tile) <= opt.filters_per_tile for tile in tiles)
    return tiles


def side_by_side(layer: Layer, opt: Options) -> Layer:
    """Return the layer as the machine takes it: with `group_map = parallel`, as many groups as suit it made one."""
    if opt.group_map == "serial":
        return layer
    channels, filters = int(layer.weights.shape[1]), len(layer.weights) // layer.groups
    found, fewest = layer, None
    for together in range(1, layer.groups + 1):
        fits = together * channels <= opt.lanes * opt.brick and together * filters <= opt.tiles * opt.filters_per_tile
        if layer.groups % together or not (fits or together == 1):
            continue
        merged = _merged(layer, together)
        cycles = Machine(merged, replace(opt, group_map="serial")).dense_cycles()
        if fewest is None or cycles <= fewest:  # the largest on a tie
            found, fewest = merged, cycles
    return found


def _merged(layer: Layer, together: int) -> Layer:
    """Make every so many groups one, whose filters have no weights but in the channels of the group that they come from."""
    channels, own = int(layer.weights.shape[1]), len(layer.weights) // layer.groups
    weights = np.zeros((len(layer.weights), together * channels, *layer.weights.shape[2:]), np.int16)
    for f, filter_ in enumerate(layer.weights):
        place = f // own % together  # of the filter's group among those that become one
        for c in range(channels):
            weights[f, place * channels + c] = filter_[c]
    return replace(layer, weights=weights, groups=layer.groups // together)


@lru_cache(maxsize=2)
def effectual_weights(layer: Layer) -> set[tuple[int, Place]]:
    """Return the filter and place of each effectual weight."""
    return {
        (f, (c, ky, kx))
        for f, filter_ in enumerate(layer.weights.tolist())
        for c, channel in enumerate(filter_)
        for ky, row in enumerate(channel)
        for kx, weight in enumerate(row)
        if abs(weight) >= max(1, layer.weight_threshold)
    }


@lru_cache(maxsize=2)
def effectual_macs(layer: Layer) -> list[int]:
    """Count, for each image, the products of an effectual activation and an effectual weight; padding has none."""
    machine, totals = Machine(layer, Options()), []
    for index in range(len(layer.activations)):
        image, total = machine.store(index), 0
        for group, tiles in machine.passes():
            used = [f for tile in tiles for f in tile]
            for step in machine.steps:
                masks = machine.weight_masks(step, used)
                for window in machine.windows():
                    effectual = machine.work(image, step, group, window).effectual
                    total += sum((effectual & weight).bit_count() for weight in masks)
        totals.append(total)
    return totals


def _multiply(executed: list[int], effectual: int, weights: list[int], slots: Slots) -> list[int]:
    """Classify the products that each filter executes of one run. Returns how many they are."""
    slots["ineffectual_activation"] += sum([(e & ~effectual).bit_count() for e in executed])
    slots["ineffectual_weight"] += sum([(e & effectual & ~w).bit_count() for e, w in zip(executed, weights, strict=True)])
    slots["effectual"] += sum([(e & effectual & w).bit_count() for e, w in zip(executed, weights, strict=True)])
    return [e.bit_count() for e in executed]


def convolve(layer: Layer) -> NDArray[np.int64]:
    """Return the integer convolution of the thresholded tensors, ``[N, Co, Ho, Wo]``, by the definition."""
    machine = Machine(layer, Options())
    (_, left, _, right), (_, sx), (dy, dx) = layer.pads, layer.strides, layer.dilations
    across = (machine.width + left + right - dx * (machine.kernel_width - 1) - 1) // sx + 1
    own = machine.filters // layer.groups
    weights = layer.weights.tolist()
    result = []
    for image in layer.activations.tolist():
        maps = []
        for f in range(machine.filters):
            sums = []
            for wy, wx in machine.windows():
                total = 0
                for c, ky, kx in (place for step in machine.steps for place in step):
                    y, x = wy + ky * dy, wx + kx * dx
                    if not (0 <= y < machine.height and 0 <= x < machine.width) or (f, (c, ky, kx)) not in machine.weights:
                        continue
                    activation = image[f // own * machine.channels + c][y][x]
                    if abs(activation) >= layer.threshold:
                        total += activation * weights[f][c][ky][kx]
                sums.append(total)
            maps.append([sums[i : i + across] for i in range(0, len(sums), across)])
        result.append(maps)
    return cast("NDArray[np.int64]", np.array(result, dtype=np.int64))
