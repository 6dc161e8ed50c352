"""`NeuronLanes`: the lanes that walk together through a window: those of a tile behind its FIFOs, or those of all tiles."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.fetch import row_layout
from cnvlutin2.hardware.design.fifo import Fifo
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.lane import Lane, LaneShape
from cnvlutin2.hardware.design.memory import Memory
from cnvlutin2.hardware.parameters import Parameters


def lane_shape(parameters: Parameters) -> LaneShape:
    """Return what the lanes of a design are made of."""
    p = parameters
    return LaneShape(
        row_layout(p).run,
        streams=p.streams,
        weight_masks=p.mask_streams > 0,
        q_bits=p.run_number_bits,
        run_overhead=p.run_overhead,
        drift=p.drift,
        gapless=p.form == "dense" and not p.mask_streams,
    )


class NeuronLanes(Component):
    """Lanes, with a FIFO in front of each where there are several such sets, and the masks of the weights.

    Parameters
    ----------
    parameters : Parameters

    Attributes
    ----------
    dense, go : In
        As of `Lane`.
    valid, ready, run, last : In, Out, In, In ``[lanes]``
        The ways in.
    p_valid, fin, starved : Out ``[lanes]``
        As of `Lane`.
    val, act, word : Out ``[lanes * streams]``
        What stream `s` of lane `l` issues, at ``l * streams + s``; the word is the place of the weight in its bank of SB.
    masks_valid, masks_tile, masks_lane, masks_q, masks : In
        With weight masks: writes those of a run, of one tile. `masks_tile` is there where the lanes are those of all tiles.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = p = parameters
        self._run, streams = row_layout(p).run.shape, p.lanes * p.streams
        ports = {
            "dense": In(1),
            "go": In(1),
            "valid": In(p.lanes),
            "ready": Out(p.lanes),
            "run": In(data.ArrayLayout(self._run, p.lanes)),
            "last": In(p.lanes),
            "p_valid": Out(p.lanes),
            "fin": Out(p.lanes),
            "starved": Out(p.lanes),
            "val": Out(streams),
            "act": Out(data.ArrayLayout(p.data_bits, streams)),
            "word": Out(data.ArrayLayout(p.word_bits, streams)),
        }
        if p.mask_streams:
            ports |= {
                "masks_valid": In(1),
                "masks_lane": In(p.lane_bits),
                "masks_q": In(p.run_number_bits),
                "masks": In(p.mask_streams * p.brick),
            }
            ports |= {"masks_tile": In(p.tile_bits)} if p.tiles_in_step else {}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, p = Module(), self.parameters
        lanes = [Lane(lane_shape(p)) for _ in range(p.lanes)]
        for l, lane in enumerate(lanes):  # noqa: E741 - the lane, as the papers have it
            place(m, platform, f"lane_{l}", lane)
            m.d.comb += [
                lane.dense.eq(self.dense),
                lane.go.eq(self.go),
                self.p_valid[l].eq(lane.p_valid),
                self.fin[l].eq(lane.fin),
                self.starved[l].eq(lane.starved),
            ]
            self._connect_way_in(m, platform, l, lane)
            if p.mask_streams:
                self._connect_masks(m, platform, l, lane)
        m.d.comb += [
            self.val.eq(Cat(lane.val for lane in lanes)),
            self.act.eq(Cat(lane.act for lane in lanes)),
            self.word.eq(Cat(Cat(lane.off[s], lane.q[s]) for lane in lanes for s in range(p.streams))),
        ]
        return m

    def _connect_way_in(self, m: Module, platform: object, number: int, lane: Lane) -> None:
        p = self.parameters
        if p.walks == 1:
            m.d.comb += [
                lane.valid.eq(self.valid[number]),
                lane.run.eq(self.run[number]),
                lane.last.eq(self.last[number]),
                self.ready[number].eq(lane.ready),
            ]
            return
        fifo = Fifo(self._run.size + 1, p.fifo_depth)
        place(m, platform, f"fifo_{number}", fifo)
        m.d.comb += [
            fifo.in_valid.eq(self.valid[number]),
            fifo.in_data.eq(Cat(self.last[number], self.run[number])),
            self.ready[number].eq(fifo.in_ready),
            lane.valid.eq(fifo.out_valid),
            Cat(lane.last, lane.run).eq(fifo.out_data),
            fifo.out_ready.eq(lane.ready),
        ]

    def _connect_masks(self, m: Module, platform: object, number: int, lane: Lane) -> None:
        p = self.parameters
        tiles = p.tiles if p.tiles_in_step else 1
        read = []
        for tile in range(tiles):
            masks = Memory(p.mask_streams * p.brick, p.window_runs)
            place(m, platform, f"masks_{number}" if tiles == 1 else f"masks_{tile}_{number}", masks)
            writes = Signal(name=f"masks_{tile}_{number}_write")
            own = self.masks_tile == tile if p.tiles_in_step else 1
            m.d.comb += [
                writes.eq(self.masks_valid & (self.masks_lane == number) & own),
                masks.write_en.eq(writes),
                masks.write_address.eq(self.masks_q),
                masks.write_data.eq(self.masks),
                masks.read_en.eq(lane.mask_en),
                masks.read_address.eq(lane.mask_q),
            ]
            read.append(masks.read_data)
        m.d.comb += lane.mask.eq(Cat(*read))
