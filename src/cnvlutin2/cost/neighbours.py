"""Layers among their neighbours: what lives on chip, what streams from DRAM, and what waiting costs (docs/cost.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cnvlutin2.cost.encoders import encoder_stalls
from cnvlutin2.cost.event_counts import ROW, count_events
from cnvlutin2.cost.executed import first_readers
from cnvlutin2.cost.traffic import LayerTraffic
from cnvlutin2.machine import Machine
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts


@dataclass(frozen=True, eq=False)
class NetworkTraffic:
    """What the layers of a network move and how long each takes.

    Parameters
    ----------
    counts : int64 ``[layers, events, N]``
        All events.
    encoder_stall_cycles : int64 ``[layers, N]``
        Cycles in which tiles wait for their encoders.
    dram_cycles : int64 ``[layers, N]``
        Cycles that the transfers to and from DRAM take.
    total_cycles : int64 ``[layers, N]``
        Until the layer is done: the longer of compute (with stalls) and transfers.
    """

    counts: Counts
    encoder_stall_cycles: Counts
    dram_cycles: Counts
    total_cycles: Counts


def join_layers(layers: Sequence[LayerTraffic], cycles: Counts, organisation: Organisation) -> NetworkTraffic:
    """Join layers into a network: what each writes, what does not fit, what is loaded, and when.

    Parameters
    ----------
    layers : sequence of LayerTraffic
        In execution order, of the same images.
    cycles : int64 ``[layers, N]``
        Compute cycles of each.
    organisation : Organisation
    """
    executed = [layer.executed for layer in layers]
    first = first_readers(executed)
    counts = count_events(layers, organisation)
    _move_activations(counts, layers, first, organisation)
    weight_bits = _weight_loads(layers, cycles.shape[1], organisation)
    for name in ("dram_weight_bits_read", "sb_bits_written"):
        counts[:, ROW[name]] += weight_bits
    stalls = encoder_stalls(executed, first, cycles, organisation)
    busy = cycles + stalls
    activation_bits = counts[:, ROW["dram_activation_bits_read"]] + counts[:, ROW["dram_activation_bits_written"]]
    transfers = _transfers(activation_bits, weight_bits, busy, layers, organisation)
    return NetworkTraffic(counts, stalls, transfers, np.maximum(busy, transfers))


def _by_layer(values: Sequence[int]) -> Counts:
    return np.array(values, np.int64)[:, None]


def _move_activations(counts: Counts, layers: Sequence[LayerTraffic], first: Sequence[bool], organisation: Organisation) -> None:
    """Count what is written to NM, and what leaves it and comes back because it does not fit.

    A layer's input is written by the layer before it, unless an earlier layer has read it, too.
    """
    room = Machine.of(organisation).memory("nm").rows // organisation.batch  # of one image of a batch
    bits, rows = (np.stack([getattr(layer.stored, key) for layer in layers]) for key in ("bits", "rows"))
    row_bits = _by_layer([layer.stored.row_bits for layer in layers])
    streamed = np.minimum(bits, np.maximum(0, rows - room) * row_bits)
    fresh = np.array(first)[:, None]
    left = np.maximum(0, room - rows[:-1])  # by what the writer reads
    spilled = np.zeros_like(bits)
    spilled[1:] = np.where(fresh[1:], np.minimum(bits[1:], np.maximum(0, rows[1:] - left) * row_bits[1:]), 0)
    arrives = streamed * (_by_layer([layer.factors.passes for layer in layers]) - 1) + np.where(fresh, spilled, streamed)
    arrives[0] += bits[0]  # the network's input
    last = layers[-1].factors.windows * layers[-1].factors.filters * organisation.data_bits  # the network's results
    leaves = np.concatenate([spilled[1:], np.full_like(bits[:1], last)])
    encoded = _by_layer([layer.executed.input_values if layer.executed.encoded else 0 for layer in layers])
    counts[:-1, ROW["encoder_values"]] += np.where(fresh, encoded, 0)[1:]
    counts[:, ROW["nm_bits_written"]] += np.concatenate([np.where(fresh, bits, 0)[1:], leaves[-1:]])
    for name in ("nm_bits_spilled", "dram_activation_bits_written"):
        counts[:, ROW[name]] += leaves
    for name in ("nm_bits_filled", "dram_activation_bits_read"):
        counts[:, ROW[name]] += arrives


def _weight_loads(layers: Sequence[LayerTraffic], images: int, organisation: Organisation) -> Counts:
    """Return the bits of weights that each image brings from DRAM, ``[layers, N]``.

    Nothing, if the whole network's weights live in SB. Else a layer's weights are loaded once for a batch, each image bearing
    its share; what a pass has more than SB holds comes again for every window.
    """
    of_tiles = np.sum([layer.weights.tile_bits for layer in layers], axis=0)
    if of_tiles.max() <= Machine.of(organisation).tile_weight_bits:
        return np.zeros((len(layers), images), np.int64)
    turn, batch = np.arange(images) % organisation.batch, organisation.batch
    once = _by_layer([layer.weights.bits - layer.weights.excess_bits for layer in layers])
    again = _by_layer([layer.weights.excess_bits * layer.factors.windows for layer in layers])
    return once * (turn + 1) // batch - once * turn // batch + again  # shares are whole and add up


def _transfers(
    activation_bits: Counts, weight_bits: Counts, busy: Counts, layers: Sequence[LayerTraffic], organisation: Organisation
) -> Counts:
    """Return the cycles of each layer's transfers, ``[layers, N]``, those for the next layer's weights taken off it."""
    rate = Machine.of(organisation).rates.dram_bits
    if rate is None:
        return np.zeros_like(busy)
    if not organisation.prefetch_weights:
        return _ceil_cycles(activation_bits + weight_bits, rate)
    found = np.empty_like(busy)
    loaded = np.zeros_like(busy[0])  # of this layer's weights, while the one before ran
    for index, layer in enumerate(layers):
        found[index] = _ceil_cycles(activation_bits[index] + weight_bits[index] - loaded, rate)
        if index + 1 < len(layers):
            spare = _whole_bits(np.maximum(0, busy[index] - found[index]), rate)
            loaded = np.minimum(np.minimum(weight_bits[index + 1], spare), _free_bits(layer, organisation))
    return found


def _ceil_cycles(bits: Counts, rate: Fraction) -> Counts:
    """Return the cycles in which so many bits move; exact, whatever the rate's terms are."""
    cycles: Counts = (-(-bits.astype(object) * rate.denominator // rate.numerator)).astype(np.int64)
    return cycles


def _whole_bits(cycles: Counts, rate: Fraction) -> Counts:
    """Return the whole bits that move in so many cycles."""
    bits: Counts = (cycles.astype(object) * rate.numerator // rate.denominator).astype(np.int64)
    return bits


def _free_bits(layer: LayerTraffic, organisation: Organisation) -> int:
    """Return an image's share of SB that a layer's own weights leave."""
    free = np.maximum(0, Machine.of(organisation).tile_weight_bits - layer.weights.tile_bits)
    return int(free.sum()) // organisation.batch
