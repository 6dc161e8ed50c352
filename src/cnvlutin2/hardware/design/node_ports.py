"""The ports of `Node`, by name; `node` says what they mean."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib.wiring import In, Member, Out

from cnvlutin2.hardware.design.fetch import COORDINATE_BITS, LEVELS
from cnvlutin2.hardware.design.window_control import COUNT_BITS
from cnvlutin2.hardware.parameters import Parameters


def node_ports(p: Parameters) -> dict[str, Member]:
    """Return the ports of the top, in the order in which a pass uses them."""
    ports = _stream_in("weights", p.filters_per_tile * p.data_bits, p.word_bits + p.lane_bits + p.tile_bits)
    if p.mask_streams:
        ports |= _stream_in("masks", p.mask_streams * p.brick, p.run_number_bits + p.lane_bits + p.tile_bits)
    if p.nm_rows:
        ports |= _stream_in("nm", p.row_bits, p.nm_address_bits + p.lane_bits)
    ports |= {
        "lane_enable": In(p.lanes),
        "windows": In(COUNT_BITS),
        "force_masks": In(1),
        "threshold": In(p.data_bits),
    }
    if p.nm_rows:
        ports |= {"feed": In(1), **_fetch_ports(p)}
    ports["start"] = In(1)
    for lane in range(p.lanes):
        ports |= _stream_in(f"run_{lane}", p.record_bits, p.user_bits)
        ports[f"run_{lane}_tlast"] = In(1)
    return ports | {
        "wend": Out(1),
        "wend_window": Out(COUNT_BITS),
        "wend_cycle": Out(COUNT_BITS),
        "outputs_tvalid": Out(1),
        "outputs_tdata": Out(p.tiles * p.filters_per_tile * p.accumulator_bits),
        "outputs_tuser": Out(COUNT_BITS),
        "outputs_tlast": Out(1),
        "busy": Out(1),
        "done": Out(1),
        "cycles": Out(COUNT_BITS),
        "starved": Out(COUNT_BITS),
    }


def _stream_in(name: str, data_bits: int, user_bits: int) -> dict[str, Member]:
    return {
        f"{name}_tvalid": In(1),
        f"{name}_tready": Out(1),
        f"{name}_tdata": In(data_bits),
        f"{name}_tuser": In(user_bits),
    }


def _fetch_ports(p: Parameters) -> dict[str, Member]:
    ports: dict[str, Member] = {}
    for level in LEVELS:
        ports |= {
            f"fetch_{level}_count": In(COORDINATE_BITS),
            f"fetch_{level}_base_step": In(p.nm_address_bits),
            f"fetch_{level}_x_step": In(signed(COORDINATE_BITS)),
            f"fetch_{level}_y_step": In(signed(COORDINATE_BITS)),
        }
    ports["fetch_base_start"] = In(p.nm_address_bits)
    ports |= {f"fetch_{name}": In(signed(COORDINATE_BITS)) for name in ("x_start", "y_start", "width", "height")}
    for lane in range(p.lanes):
        ports |= {f"fetch_{lane}_runs": In(COORDINATE_BITS), f"fetch_{lane}_tail": In(p.brick)}
    return ports
