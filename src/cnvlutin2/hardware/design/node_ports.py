"""The ports of `Node`: names, widths, and what they mean."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib.wiring import In, Member, Out

from cnvlutin2.hardware.design.fetch import COORDINATE_BITS, LEVELS
from cnvlutin2.hardware.design.window_control import COUNT_BITS
from cnvlutin2.hardware.parameters import Parameters

PORT_MEANINGS = """\
Ports, in the order in which a pass uses them. Widths are those of `Parameters`; all are synchronous to ``clk``, and so is
``rst``, which resets when high; a stream's ``tready`` never depends on its ``tvalid``.

``weights_tvalid, weights_tready, weights_tdata[F*b], weights_tuser``
    Loads SB between passes: the weights of the `F` filters of a tile (filter 0 lowest) for one offset of one run of one lane.
    ``tuser`` is, from bit 0 up: word (``word_bits``: the offset, `q` above it), lane (``lane_bits``), tile (``tile_bits``).
``masks_tvalid, masks_tready, masks_tdata[S*B], masks_tuser``
    Only where weights are skipped: which weights of a run are wanted, bit ``s*B + offset`` for stream `s` (of `S`: one, or one a
    filter, ``mask_streams``). ``tuser``: `q` (``run_number_bits``), lane, tile. Those of seats without a filter are to be 0.
``nm_tvalid, nm_tready, nm_tdata[row_bits], nm_tuser``
    Only with NM inside (``nm_rows > 0``): writes the row of a run, which is, from bit 0 up, its ``live``, record and ``rows``
    (see ``run_<l>_t*``). ``tuser``: address (``nm_address_bits``), lane.
``lane_enable[L]``
    Lanes that have a run in a window. Like all that follows up to ``start``, to be held from ``start`` to ``done``.
``windows[32]``
    Windows of the pass, at least 1.
``force_masks``
    The layer runs dense: lanes take all values of their runs, and runs have no overhead.
``threshold[b]``
    Of activations, unsigned; compared where detection is at fetch.
``feed``
    Only with NM inside: 1 if runs come from outside (interleaved lanes, row packing), else fetch reads them from NM.
``fetch_<level>_count, fetch_<level>_base_step, fetch_<level>_x_step, fetch_<level>_y_step``
    Only with NM inside, for the levels kx, ky, ox, oy of the nested counters (`fetch`): how often the level is walked, less one;
    what is added to the base, x and y when it advances, two's complement (the base modulo ``2**nm_address_bits``).
``fetch_base_start, fetch_x_start, fetch_y_start, fetch_width, fetch_height``
    Only with NM inside: base, x and y of the first step of the first window; the map, outside of which is padding.
``fetch_<l>_runs, fetch_<l>_tail[B]``
    Only with NM inside: the runs of a step that lane `l` has, less one; and which offsets the last of them has.
``start``
    A pulse of one cycle. From it to ``done`` a pass takes ``cycles + FILL + DRAIN``.
``run_<l>_tvalid, run_<l>_tready, run_<l>_tdata[record_bits], run_<l>_tuser[user_bits], run_<l>_tlast``
    The runs of lane `l`, window after window; last: the lane's last of the window. May be offered before ``start``, and are from
    then on taken as fast as the lanes walk; those of the next pass not before ``done``. ``tdata``, the record, from bit 0 up and
    filled with zeros: `B` values in place (forms dense, raw); `B` entries, each a value and its offset above it, the effectual
    ones first (zfnaf); a vector of the effectual ones, and `B` values in place (viai), or those alone (packed_viai); a flag,
    and entries if it is 1, or else `B` values in place (roe). With ``force_masks``, and where no activation is skipped at
    all, values stand in place, as they are, in all forms. ``tuser``: ``live``, a bit for each offset at which the run has a
    value (for roe with flag 0: which of them the lane is to take for effectual); above it (packed_viai, ``rows_bits``) the
    NM rows that fetching it touches, `r`, 1 at least.
``wend, wend_window[32], wend_cycle[32]``
    A window has ended, its number, and the cycle of the pass in which it did, counted from 1; the cycle after it happened.
``outputs_tvalid, outputs_tdata[T*F*accumulator_bits], outputs_tuser[32], outputs_tlast``
    The accumulators of a window, tile after tile, filter 0 of tile 0 lowest, two's complement; the window's number; the pass's
    last. There is no ``tready``: nothing presses back on the lanes.
``output_shift, output_rectify, output_threshold[b], output_filters_<t>``
    Only with encoders (``encoder_depth > 0``), to be held until they are done: by how many bits accumulators are shifted right,
    half to even, to what is stored; whether negative ones are 0; the threshold of the layer that reads it; the filters of tile
    `t` in this pass.
``encoded_<t>_tvalid, encoded_<t>_tready, encoded_<t>_tdata, encoded_<t>_tuser``
    Only with encoders: the record of each window of tile `t`, as `cnvlutin2.encode` writes it, zero from its end on; its bits.
``encoders_busy, encoder_wait[32], encoder_lost``
    Only with encoders: bricks wait or are encoded; cycles from the end of the last window to the last record; a brick of this
    pass found no place to wait (``encoder_depth``) and is lost, for nothing presses back on the lanes.
``busy, done``
    From the cycle after ``start`` to the one before ``done``; a pulse with the last outputs.
``cycles[32]``
    Clock cycles of the pass from the first in which a window is open to the last, all counted. Holds after ``done``.
``starved[32]``
    Those of them in which some lane waited for a run that was due.
"""


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
        **(_encoder_ports(p) if p.encoder_depth else {}),
    }


def _encoder_ports(p: Parameters) -> dict[str, Member]:
    ports: dict[str, Member] = {
        "output_shift": In(range(p.accumulator_bits)),
        "output_rectify": In(1),
        "output_threshold": In(p.data_bits),
        "encoders_busy": Out(1),
        "encoder_wait": Out(COUNT_BITS),
        "encoder_lost": Out(1),
    }
    for tile in range(p.tiles):
        ports |= {
            f"output_filters_{tile}": In(range(p.brick + 1)),
            f"encoded_{tile}_tvalid": Out(1),
            f"encoded_{tile}_tready": In(1),
            f"encoded_{tile}_tdata": Out(p.record_most_bits),
            f"encoded_{tile}_tuser": Out(p.record_length_bits),
        }
    return ports


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
