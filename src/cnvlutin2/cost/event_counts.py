"""From what was measured of layers to how often each event happens, for all layers at once (docs/cost.md, "Events")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnvlutin2.cost.traffic import EventFactors, LayerTraffic
from cnvlutin2.machine import EVENTS, Machine
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts

Events = dict[str, Counts]
"""By name, how often it happens in each image, ``[N]``."""
SomeEvents = dict[str, Counts | int]
"""The same of many layers while it is counted, ``[layers, N]``: what is not in it is 0."""

ROW: Mapping[str, int] = {name: row for row, name in enumerate(EVENTS)}
"""Where an event stands in an array of all of them, ``[events, N]``."""


def as_events(counts: Counts) -> Events:
    """Return an array ``[events, N]`` as a mapping; its arrays are views."""
    return dict(zip(EVENTS, counts, strict=True))


def count_events(layers: Sequence[LayerTraffic], organisation: Organisation) -> Counts:
    """Count the events that layers alone determine: what they write and what moves off chip are still 0.

    Parameters
    ----------
    layers : sequence of LayerTraffic
        Of the same images.
    organisation : Organisation

    Returns
    -------
    int64 ``[layers, events, N]``
    """
    counts = np.zeros((len(layers), len(EVENTS), layers[0].stored.bits.size), np.int64)
    for mode, events_of in (("dense", _dense_events), ("skip", _skip_events)):
        chosen = [index for index, layer in enumerate(layers) if layer.mode == mode]
        if chosen:
            some = np.zeros((len(chosen), *counts.shape[1:]), np.int64)
            for name, count in events_of(_stacked([layers[index].factors for index in chosen]), organisation).items():
                some[:, ROW[name]] = count
            counts[chosen] = some
    return counts


def _stacked(factors: Sequence[EventFactors]) -> EventFactors:
    """Return the factors of many layers as arrays ``[layers, N]``, or ``[layers, 1]`` where all images have the same."""
    return EventFactors._make(map(_column, zip(*factors, strict=True)))


def _column(values: Sequence[Any]) -> Counts:
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if not arrays:
        return np.array(values, np.int64)[:, None]
    return np.array(values if len(arrays) == len(values) else np.broadcast_arrays(*values), np.int64)


def _dense_events(f: EventFactors, o: Organisation) -> SomeEvents:
    return _fetched(f, f.passes) | _inputs(f.sent * f.tiles_used, o.data_bits) | _products(f, o.data_bits)


def _skip_events(f: EventFactors, o: Organisation) -> SomeEvents:
    """Bricks go to the brick buffer, their effectual values with offsets to the tiles."""
    machine = Machine.of(o)
    times = f.tiles_used if machine.dispatchers > 1 else f.passes
    entry_bits = o.data_bits + o.offset_bits
    found = _fetched(f, times) | _inputs(f.sent * f.tiles_used, entry_bits) | _products(f, o.data_bits)
    found["brick_buffer_bits_written"] = f.bits * times
    found["brick_buffer_bits_read"] = f.taken * times * entry_bits
    offsets = f.without_offsets * times
    if machine.has("detectors"):
        found["detector_values"] = f.raw_bricks * o.brick * times
    if o.skip_weights != "none":
        shared = o.skip_weights == "shared"
        found["nbin_bits_read"] = f.pairs * entry_bits
        offsets = offsets + (f.pairs if shared else f.products)
        found["activations_selected"] = 0 if shared else f.products
        found["sb_vector_bits_read"] = f.windows * f.filter_weights * (f.tiles_used * f.groups if shared else f.filters)
    found["offsets_generated"] = offsets
    return found


def _fetched(f: EventFactors, times: Counts | int) -> SomeEvents:
    """Return the events of NM when the input is fetched `times` times."""
    pointer_bits: Counts | int = f.pointers * f.pointer_bits
    return {
        "nm_rows_read": f.rows * times,
        "nm_bits_read": (f.bits + pointer_bits) * times,
        "pointer_lookups": f.pointers * times,
    }


def _inputs(values: Counts | int, bits: int) -> SomeEvents:
    """Return the events of values that arrive at tiles, of so many bits each."""
    return dict.fromkeys(("broadcast_bits", "nbin_bits_written", "nbin_bits_read"), values * bits)


def _products(f: EventFactors, data_bits: int) -> SomeEvents:
    outputs = f.windows * f.filters * data_bits
    return {
        "sb_weight_bits_read": f.products * data_bits,
        "multiplications": f.products,
        "additions": f.products,
        "nbout_bits_written": outputs,
        "nbout_bits_read": outputs,
    }
