"""What goes through the ports: rows as the lanes' layout has them, weights and masks where lanes look for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference_engine import ReferenceEngine

from cnvlutin2.errors import ConfigError
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.port_words import Words, hex_lines, packed
from cnvlutin2.hardware.stimuli import stimuli
from cnvlutin2.hardware.workload import Workload
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import RunMode

pytest.importorskip("amaranth", reason="the layout of rows is Amaranth's; install cnvlutin2[hardware]")
from cnvlutin2.hardware.design.run_layout import RowLayout

REFERENCE = ReferenceEngine()


def number(words: Words) -> int:
    return int.from_bytes(words.astype("<u4").tobytes(), "little")


@settings(max_examples=200)
@given(layers(max_images=1, max_channels=20, max_filters=8), organisations(), st.sampled_from(("skip", "dense")))
def test_rows_are_those_of_the_layout(layer: Layer, organisation: Organisation, mode: RunMode) -> None:
    try:
        p = Parameters.of(organisation, window_runs=64, nm_rows=0)
    except ConfigError:
        assume(False)
    dense = mode == "dense" or not organisation.skips
    workload = Workload(layer, organisation, "dense" if dense else "skip", REFERENCE)
    layout = RowLayout(p.form, p.brick, p.data_bits, p.rows_bits)
    assert layout.record_bits == p.record_bits
    for work, found in stimuli(workload, p):
        places = work.rows.values.shape[1]
        live_of = workload.plan.taken != -1
        for at in range(len(found.rows.data)):
            run, place = divmod(at, places)
            values, marked, seen = (a[run, place] for a in work.rows[:3])
            live = sum(1 << i for i in np.flatnonzero(live_of[run]).tolist())
            stored_raw = dense or p.always_forced
            if p.form == "roe" and not stored_raw and (seen & ~marked).any():
                stored_raw, live = True, sum(1 << i for i in np.flatnonzero(seen).tolist())
            effectual = sum(1 << i for i in np.flatnonzero(marked).tolist())
            rows = int(work.rows.nm_rows[run, place])
            row = layout.pack(values.tolist(), effectual, live, rows=rows, stored_raw=stored_raw)
            record, beside = number(found.rows.data[at]), number(found.rows.user[at])
            whole = beside % (1 << p.brick) | record << p.brick | beside >> p.brick << p.brick + p.record_bits
            assert whole == row


@settings(max_examples=100)
@given(layers(max_images=1, max_channels=20, max_filters=8), organisations())
def test_weights_stand_where_lanes_look(layer: Layer, organisation: Organisation) -> None:
    """Every product that a lane may ask for finds its weight, and masks say which it asks for."""
    try:
        p = Parameters.of(organisation, window_runs=64, nm_rows=0)
    except ConfigError:
        assume(False)
    workload = Workload(layer, organisation, "skip" if organisation.skips else "dense", REFERENCE)
    for work, found in stimuli(workload, p):
        held = {number(user): number(data) for data, user in zip(*found.weights, strict=True)}
        masks = {number(user): number(data) for data, user in zip(*found.masks, strict=True)}
        wanted = work.wanted.reshape(p.tiles, p.filters_per_tile, p.lanes, -1, p.brick)
        weights = work.weights.reshape(wanted.shape)
        assert bool(masks) == (p.skip_weights != "none")
        for tile, f, lane, q, offset in np.argwhere(wanted).tolist():
            seat = lane | tile << p.lane_bits
            data = held[offset | (q | seat << p.run_number_bits) << p.offset_bits]
            field = data >> f * p.data_bits & (1 << p.data_bits) - 1
            assert field == int(weights[tile, f, lane, q, offset]) & (1 << p.data_bits) - 1
        for tile, lane, q in np.ndindex(p.tiles, p.lanes, wanted.shape[3]):
            if masks:
                streams = wanted[tile, :, lane, q]
                if p.skip_weights == "shared":
                    streams = np.logical_or.reduce(streams, axis=0, keepdims=True)
                bits = sum(1 << i for i in np.flatnonzero(streams.ravel()).tolist())
                assert masks[q | (lane | tile << p.lane_bits) << p.run_number_bits] == bits


def test_fields_are_packed_from_the_lowest_bit_up() -> None:
    words = packed(np.array([[1, -1, 3], [0, 0, -4]]), 12)
    assert [number(row) for row in words] == [1 | 0xFFF << 12 | 3 << 24, 0xFFC << 24]
    assert hex_lines(words, 36) == "003fff001\nffc000000\n"
