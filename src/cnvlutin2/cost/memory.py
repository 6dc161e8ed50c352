"""What lives on chip, what streams from DRAM, and what waiting for it costs (docs/cost.md, "Memory system")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import ROW, Counts
from cnvlutin2.cost.tally import tally
from cnvlutin2.cost.traffic import Account
from cnvlutin2.cost.weights import sb_capacity_bits
from cnvlutin2.organisation import Organisation

BANDWIDTH_GB_PER_S: Mapping[str, Fraction] = {
    "lpddr4": Fraction("12.8"),  # LPDDR4-3200, one channel of 32 bits
    "ddr4-3200": Fraction("25.6"),  # one channel of 64 bits
    "hbm2": Fraction(256),  # one stack of 1024 bits at 2 Gbit/s
}
"""Peak bandwidths: transfers a second times width, in 10^9 bytes a second."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Layers among their neighbours.

    Parameters
    ----------
    counts : int64 ``[layers, events, N]``
        All of them.
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


def bits_per_cycle(organisation: Organisation) -> Fraction | None:
    """Return what DRAM moves in a clock cycle; None if it is unlimited."""
    if organisation.dram == "unlimited":
        return None
    named = isinstance(organisation.dram, str)
    rate = BANDWIDTH_GB_PER_S[str(organisation.dram)] if named else Fraction(str(organisation.dram))
    return 8 * rate / Fraction(str(organisation.clock_ghz))


def nm_rows(organisation: Organisation) -> int:
    """Return the rows of NM: as many as raw bricks fit its size."""
    return 8 * organisation.nm_bytes // (organisation.brick * organisation.data_bits)


def place(accounts: Sequence[Account], cycles: Counts, organisation: Organisation) -> Placed:
    """Join layers into a network: what each writes, what does not fit, what is loaded, and when.

    Parameters
    ----------
    accounts : sequence of Account
        Layers in execution order, of the same images.
    cycles : int64 ``[layers, N]``
        Compute cycles of each.
    organisation : Organisation
    """
    first = _first_reads(accounts)
    counts = tally(accounts, organisation)
    _move_activations(counts, accounts, first, organisation)
    weight_bits = _weight_loads(accounts, cycles.shape[1], organisation)
    for name in ("dram_weight_bits_read", "sb_bits_written"):
        counts[:, ROW[name]] += weight_bits
    stalls = _encoder_stalls(accounts, first, cycles, organisation)
    busy = cycles + stalls
    activation_bits = counts[:, ROW["dram_activation_bits_read"]] + counts[:, ROW["dram_activation_bits_written"]]
    transfers = _transfers(activation_bits, weight_bits, busy, accounts, organisation)
    return Placed(counts, stalls, transfers, np.maximum(busy, transfers))


def _first_reads(accounts: Sequence[Account]) -> NDArray[np.bool_]:
    """Find the layers that no earlier one shares its input with; what was read before is not written again, ``[layers]``."""
    seen: set[tuple[object, ...]] = set()
    first = []
    for account in accounts:
        first.append(account.stored.identity not in seen)
        seen.add(account.stored.identity)
    return np.array(first)


def _by_layer(values: Sequence[int]) -> Counts:
    return np.array(values, np.int64)[:, None]


def _move_activations(counts: Counts, accounts: Sequence[Account], first: NDArray[np.bool_], organisation: Organisation) -> None:
    """Count what is written to NM, and what leaves it and comes back because it does not fit.

    A layer's input is written by the layer before it, unless an earlier layer has read it, too.
    """
    room = nm_rows(organisation) // organisation.batch  # of one image of a batch
    bits, rows = (np.stack([getattr(account.stored, key) for account in accounts]) for key in ("bits", "rows"))
    row_bits = _by_layer([account.stored.row_bits for account in accounts])
    streamed = np.minimum(bits, np.maximum(0, rows - room) * row_bits)
    fresh = first[:, None]
    left = np.maximum(0, room - rows[:-1])  # by what the writer reads
    spilled = np.zeros_like(bits)
    spilled[1:] = np.where(fresh[1:], np.minimum(bits[1:], np.maximum(0, rows[1:] - left) * row_bits[1:]), 0)
    arrives = streamed * (_by_layer([account.measures.passes for account in accounts]) - 1) + np.where(fresh, spilled, streamed)
    arrives[0] += bits[0]  # the network's input
    last = accounts[-1].measures.windows * accounts[-1].measures.filters * organisation.data_bits  # the network's results
    leaves = np.concatenate([spilled[1:], np.full_like(bits[:1], last)])
    encoded = _by_layer([account.stored.values if account.stored.encoded else 0 for account in accounts])
    counts[:-1, ROW["encoder_values"]] += np.where(fresh, encoded, 0)[1:]
    counts[:, ROW["nm_bits_written"]] += np.concatenate([np.where(fresh, bits, 0)[1:], leaves[-1:]])
    for name in ("nm_bits_spilled", "dram_activation_bits_written"):
        counts[:, ROW[name]] += leaves
    for name in ("nm_bits_filled", "dram_activation_bits_read"):
        counts[:, ROW[name]] += arrives


def _weight_loads(accounts: Sequence[Account], images: int, organisation: Organisation) -> Counts:
    """Return the bits of weights that each image brings from DRAM, ``[layers, N]``.

    Nothing, if the whole network's weights live in SB. Else a layer's weights are loaded once for a batch, each image bearing
    its share; what a pass has more than SB holds comes again for every window.
    """
    of_tiles = np.sum([account.weights.tile_bits for account in accounts], axis=0)
    if of_tiles.max() <= sb_capacity_bits(organisation):
        return np.zeros((len(accounts), images), np.int64)
    turn, batch = np.arange(images) % organisation.batch, organisation.batch
    once = _by_layer([account.weights.bits - account.weights.excess_bits for account in accounts])
    again = _by_layer([account.weights.excess_bits * account.measures.windows for account in accounts])
    return once * (turn + 1) // batch - once * turn // batch + again  # shares are whole and add up


def _encoder_stalls(accounts: Sequence[Account], first: NDArray[np.bool_], cycles: Counts, organisation: Organisation) -> Counts:
    """Return the least that tiles must wait for their encoders, which take one value a cycle, ``[layers, N]``.

    The busiest tile's encoder has to pass its values; all but what its buffer holds at the end must pass while the layer runs.
    Pooling in between leaves fewer positions to encode than there are windows.
    """
    values = [0] * len(accounts)
    reader: Account | None = None  # the next layer that reads what was not read before
    for index in range(len(accounts) - 1, -1, -1):
        account = accounts[index]
        if reader is not None and reader.stored.encoded:
            flat = reader.stored.positions == 1  # the map was flattened into channels, or pooled to one position
            positions = reader.stored.values // account.measures.filters if flat else reader.stored.positions
            values[index] = min(account.measures.windows, positions) * account.busiest_tile_filters
        reader = account if first[index] else reader
    stalls: Counts = np.maximum(0, _by_layer(values) - organisation.encoder_buffer_entries - cycles)
    return stalls


def _transfers(
    activation_bits: Counts, weight_bits: Counts, busy: Counts, accounts: Sequence[Account], organisation: Organisation
) -> Counts:
    """Return the cycles of each layer's transfers, ``[layers, N]``, those for the next layer's weights taken off it."""
    rate = bits_per_cycle(organisation)
    if rate is None:
        return np.zeros_like(busy)
    if not organisation.prefetch_weights:
        return _ceil_cycles(activation_bits + weight_bits, rate)
    found = np.empty_like(busy)
    loaded = np.zeros_like(busy[0])  # of this layer's weights, while the one before ran
    for index, account in enumerate(accounts):
        found[index] = _ceil_cycles(activation_bits[index] + weight_bits[index] - loaded, rate)
        if index + 1 < len(accounts):
            spare = _whole_bits(np.maximum(0, busy[index] - found[index]), rate)
            loaded = np.minimum(np.minimum(weight_bits[index + 1], spare), _free_bits(account, organisation))
    return found


def _ceil_cycles(bits: Counts, rate: Fraction) -> Counts:
    """Return the cycles in which so many bits move; exact, whatever the rate's terms are."""
    cycles: Counts = (-(-bits.astype(object) * rate.denominator // rate.numerator)).astype(np.int64)
    return cycles


def _whole_bits(cycles: Counts, rate: Fraction) -> Counts:
    """Return the whole bits that move in so many cycles."""
    bits: Counts = (cycles.astype(object) * rate.numerator // rate.denominator).astype(np.int64)
    return bits


def _free_bits(account: Account, organisation: Organisation) -> int:
    """Return an image's share of SB that a layer's own weights leave."""
    free = np.maximum(0, sb_capacity_bits(organisation) - account.weights.tile_bits)
    return int(free.sum()) // organisation.batch
