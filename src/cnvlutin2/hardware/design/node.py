"""`Node`: the whole accelerator, what connects its parts (`node_ports` says what its ports mean)."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component

from cnvlutin2.hardware.design.barrier import Barrier
from cnvlutin2.hardware.design.dispatcher import Dispatcher
from cnvlutin2.hardware.design.fetch import LEVELS, Fetch, row_layout
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.memory import Memory
from cnvlutin2.hardware.design.neuron_lanes import NeuronLanes
from cnvlutin2.hardware.design.node_encoders import NodeEncoders
from cnvlutin2.hardware.design.node_ports import node_ports
from cnvlutin2.hardware.design.tile import TILE_LATENCY, Tile
from cnvlutin2.hardware.design.window_control import WindowControl
from cnvlutin2.hardware.parameters import Parameters


class Node(Component):
    """The accelerator; `node_ports.PORT_MEANINGS` tells of its ports.

    Parameters
    ----------
    parameters : Parameters
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        super().__init__(node_ports(parameters))

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, p = Module(), self.parameters
        control, barrier = WindowControl(TILE_LATENCY - 1), Barrier(p.walks * p.lanes, p.window_overhead)
        dispatcher = Dispatcher(row_layout(p), p.lanes, p.walks, detect=p.detects)
        place(m, platform, "window_control", control)
        place(m, platform, "barrier", barrier)
        place(m, platform, "dispatcher", dispatcher)
        dense = self.force_masks | p.always_forced
        m.d.comb += dispatcher.dense.eq(dense), dispatcher.threshold.eq(self.threshold)
        for lane in range(p.lanes):
            self._fetch(m, platform, lane, control, dispatcher)
        lanes = [NeuronLanes(p) for _ in range(p.walks)]
        for walk, each in enumerate(lanes):
            name = "lanes" if p.walks == 1 else f"lanes_{walk}"
            place(m, platform, name, each, run=Value.cast(dispatcher.run), last=dispatcher.last)
            m.d.comb += each.dense.eq(self.force_masks), each.go.eq(barrier.go)
            for lane in range(p.lanes):
                way = lane * p.walks + walk
                m.d.comb += each.valid[lane].eq(dispatcher.valid[way]), dispatcher.ready[way].eq(each.ready[lane])
        m.d.comb += [
            barrier.enable.eq(self.lane_enable.replicate(p.walks)),
            barrier.fin.eq(Cat(each.fin for each in lanes)),
            barrier.p_valid.eq(Cat(each.p_valid for each in lanes)),
            control.waits.eq((reduce(or_, (each.starved for each in lanes)) & self.lane_enable).any()),
        ]
        tiles = self._tiles(m, platform, lanes, barrier)
        self._control(m, control, barrier, tiles)
        self._load(m, lanes, tiles)
        if p.encoder_depth:
            self._encode(m, platform, control)
        return m

    def _fetch(self, m: Module, platform: object, lane: int, control: WindowControl, dispatcher: Dispatcher) -> None:
        """Put in the fetch of a lane, and the lane's bank of NM."""
        p, fetch = self.parameters, Fetch(self.parameters)
        place(m, platform, f"fetch_{lane}", fetch)
        stream = {name: getattr(self, f"run_{lane}_t{name}") for name in ("valid", "ready", "data", "user", "last")}
        live, rows = stream["user"][: p.brick], stream["user"][p.brick :]
        m.d.comb += [
            fetch.running.eq(control.running & self.lane_enable[lane]),
            fetch.run_valid.eq(stream["valid"]),
            fetch.run.eq(Cat(live, stream["data"], rows)),
            fetch.run_last.eq(stream["last"]),
            stream["ready"].eq(fetch.run_ready),
            dispatcher.row_valid[lane].eq(fetch.valid),
            dispatcher.row[lane].eq(fetch.row),
            dispatcher.row_last[lane].eq(fetch.last),
            fetch.ready.eq(dispatcher.row_ready[lane]),
        ]
        if not p.nm_rows:
            return
        bank = Memory(p.row_bits, p.nm_rows)
        place(m, platform, f"nm_{lane}", bank)
        address, target = self.nm_tuser[: p.nm_address_bits], self.nm_tuser[p.nm_address_bits :]
        m.d.comb += [
            bank.write_en.eq(self.nm_tvalid & (target == lane)),
            bank.write_address.eq(address),
            bank.write_data.eq(self.nm_tdata),
            bank.read_en.eq(fetch.nm_en),
            bank.read_address.eq(fetch.nm_address),
            fetch.nm_data.eq(bank.read_data),
            fetch.start.eq(self.start),
            fetch.feed.eq(self.feed),
            fetch.runs.eq(getattr(self, f"fetch_{lane}_runs")),
            fetch.tail.eq(getattr(self, f"fetch_{lane}_tail")),
        ]
        for name in ("base_start", "x_start", "y_start", "width", "height"):
            m.d.comb += fetch.settings[name].eq(getattr(self, f"fetch_{name}"))
        for level, called in enumerate(LEVELS):
            for name in ("count", "base_step", "x_step", "y_step"):
                m.d.comb += fetch.settings[f"{name}s"][level].eq(getattr(self, f"fetch_{called}_{name}"))

    def _tiles(self, m: Module, platform: object, lanes: list[NeuronLanes], barrier: Barrier) -> list[Tile]:
        """Put in the tiles, and give each what its lanes issue."""
        p = self.parameters
        tiles = [Tile(p) for _ in range(p.tiles)]
        for number, tile in enumerate(tiles):
            place(m, platform, f"tile_{number}", tile)
            m.d.comb += tile.first.eq(barrier.first), tile.wend.eq(barrier.wend)
            source = lanes[number % p.walks]
            for name, bits in (("val", 1), ("act", p.data_bits), ("word", p.word_bits)):
                issued, own = Value.cast(getattr(source, name)), p.tile_streams * bits
                if p.tiles_in_step:  # a part of each lane's streams is this tile's
                    issued = Cat(issued[(lane * p.tiles + number) * own :][:own] for lane in range(p.lanes))
                m.d.comb += getattr(tile, name).eq(issued)
        return tiles

    def _control(self, m: Module, control: WindowControl, barrier: Barrier, tiles: list[Tile]) -> None:
        """Connect control and what it reports."""
        m.d.comb += [
            control.start.eq(self.start),
            control.windows.eq(self.windows),
            control.open.eq(barrier.open),
            control.wend.eq(barrier.wend),
            control.leaves.eq(tiles[0].accumulators_valid),
            self.wend.eq(control.window_ended),
            self.wend_window.eq(control.window_number),
            self.wend_cycle.eq(control.window_cycle),
            self.outputs_tvalid.eq(tiles[0].accumulators_valid),
            self.outputs_tdata.eq(Cat(tile.accumulators for tile in tiles)),
            self.outputs_tuser.eq(control.number),
            self.outputs_tlast.eq(control.last),
            self.busy.eq(control.busy),
            self.done.eq(control.done),
            self.cycles.eq(control.cycles),
            self.starved.eq(control.starved),
        ]

    def _encode(self, m: Module, platform: object, control: WindowControl) -> None:
        """Put in the encoders."""
        encoders = NodeEncoders(self.parameters)
        place(m, platform, "encoders", encoders)
        m.d.comb += [
            encoders.accumulators.eq(self.outputs_tdata),
            encoders.accumulators_valid.eq(self.outputs_tvalid),
            encoders.shift.eq(self.output_shift),
            encoders.rectify.eq(self.output_rectify),
            encoders.threshold.eq(self.output_threshold),
            encoders.start.eq(self.start),
            encoders.running.eq(control.running),
            self.encoders_busy.eq(encoders.busy),
            self.encoder_wait.eq(encoders.waited),
            self.encoder_lost.eq(encoders.lost),
        ]
        for tile in range(self.parameters.tiles):
            stream = {part: getattr(self, f"encoded_{tile}_t{part}") for part in ("valid", "ready", "data", "user")}
            m.d.comb += [
                getattr(encoders, f"filters_{tile}").eq(getattr(self, f"output_filters_{tile}")),
                stream["valid"].eq(getattr(encoders, f"valid_{tile}")),
                stream["data"].eq(getattr(encoders, f"record_{tile}")),
                stream["user"].eq(getattr(encoders, f"length_{tile}")),
                getattr(encoders, f"ready_{tile}").eq(stream["ready"]),
            ]

    def _load(self, m: Module, lanes: list[NeuronLanes], tiles: list[Tile]) -> None:
        """Connect what is loaded between passes."""
        p = self.parameters
        word, lane, tile = _cut(self.weights_tuser, p.word_bits, p.lane_bits, p.tile_bits)
        m.d.comb += self.weights_tready.eq(1)
        for number, each in enumerate(tiles):
            m.d.comb += [
                each.weights_valid.eq(self.weights_tvalid & (tile == number)),
                each.weights_lane.eq(lane),
                each.weights_word.eq(word),
                each.weights.eq(self.weights_tdata),
            ]
        if p.nm_rows:
            m.d.comb += self.nm_tready.eq(1)
        if not p.mask_streams:
            return
        q, lane, tile = _cut(self.masks_tuser, p.run_number_bits, p.lane_bits, p.tile_bits)
        m.d.comb += self.masks_tready.eq(1)
        for walk, lanes_of in enumerate(lanes):
            m.d.comb += [
                lanes_of.masks_valid.eq(self.masks_tvalid & (p.walks == 1 or tile == walk)),
                lanes_of.masks_lane.eq(lane),
                lanes_of.masks_q.eq(q),
                lanes_of.masks.eq(self.masks_tdata),
            ]
            if p.tiles_in_step:
                m.d.comb += lanes_of.masks_tile.eq(tile)


def _cut(fields: Signal, *widths: int) -> list[Value]:
    """Return fields that lie side by side, the first from bit 0 up."""
    ends = [sum(widths[: i + 1]) for i in range(len(widths))]
    return [fields[end - width : end] for end, width in zip(ends, widths, strict=True)]
