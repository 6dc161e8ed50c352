"""From what was measured of layers to how often each event happens, for all layers at once (docs/cost.md, "Events")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnvlutin2.cost.events import EVENTS, ROW, Counts, Tally
from cnvlutin2.cost.traffic import Account, Measures
from cnvlutin2.organisation import Organisation


def tally(accounts: Sequence[Account], organisation: Organisation) -> Counts:
    """Count the events that layers alone determine: what they write and what moves off chip are still 0.

    Parameters
    ----------
    accounts : sequence of Account
        Of the same images.
    organisation : Organisation

    Returns
    -------
    int64 ``[layers, events, N]``
    """
    counts = np.zeros((len(accounts), len(EVENTS), accounts[0].stored.bits.size), np.int64)
    for mode, events_of in (("dense", _dense_events), ("skip", _skip_events)):
        layers = [index for index, account in enumerate(accounts) if account.mode == mode]
        if layers:
            some = np.zeros((len(layers), *counts.shape[1:]), np.int64)
            for name, count in events_of(_stacked([accounts[index].measures for index in layers]), organisation).items():
                some[:, ROW[name]] = count
            counts[layers] = some
    return counts


def _stacked(measures: Sequence[Measures]) -> Measures:
    """Return the measures of many layers as arrays ``[layers, N]``, or ``[layers, 1]`` where all images have the same."""
    return Measures._make(map(_column, zip(*measures, strict=True)))


def _column(values: Sequence[Any]) -> Counts:
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if not arrays:
        return np.array(values, np.int64)[:, None]
    return np.array(values if len(arrays) == len(values) else np.broadcast_arrays(*values), np.int64)


def _dense_events(m: Measures, o: Organisation) -> Tally:
    return _fetched(m, m.passes) | _inputs(m.sent * m.tile_loads, o.data_bits) | _products(m, o.data_bits)


def _skip_events(m: Measures, o: Organisation) -> Tally:
    """Bricks go to the brick buffer, their effectual values with offsets to the tiles."""
    apart = o.skip_weights != "none" and o.tile_sync == "layer"
    times = m.tile_loads if apart else m.passes
    entry_bits = o.data_bits + o.offset_bits
    found = _fetched(m, times) | _inputs(m.sent * m.tile_loads, entry_bits) | _products(m, o.data_bits)
    found["brick_buffer_bits_written"] = m.bits * times
    found["brick_buffer_bits_read"] = m.taken * times * entry_bits
    offsets = m.without_offsets * times
    if o.skip_activations and o.detect == "dispatch":
        found["detector_values"] = m.raw_bricks * o.brick * times
    if o.skip_weights != "none":
        shared = o.skip_weights == "shared"
        found["nbin_bits_read"] = m.pairs * entry_bits
        offsets = offsets + (m.pairs if shared else m.products)
        found["activations_selected"] = 0 if shared else m.products
        found["sb_vector_bits_read"] = m.windows * m.places * (m.tile_loads * m.groups if shared else m.filters)
    found["offsets_generated"] = offsets
    return found


def _fetched(m: Measures, times: Counts | int) -> Tally:
    """Return the events of NM when the input is fetched `times` times."""
    pointer_bits: Counts | int = m.pointers * m.pointer_bits
    return {
        "nm_rows_read": m.rows * times,
        "nm_bits_read": (m.bits + pointer_bits) * times,
        "pointer_lookups": m.pointers * times,
    }


def _inputs(values: Counts | int, bits: int) -> Tally:
    """Return the events of values that arrive at tiles, of so many bits each."""
    return dict.fromkeys(("broadcast_bits", "nbin_bits_written", "nbin_bits_read"), values * bits)


def _products(m: Measures, data_bits: int) -> Tally:
    outputs = m.windows * m.filters * data_bits
    return {
        "sb_weight_bits_read": m.products * data_bits,
        "multiplications": m.products,
        "additions": m.products,
        "nbout_bits_written": outputs,
        "nbout_bits_read": outputs,
    }
