"""What lives on chip, what streams from DRAM, and what waiting for it costs (docs/cost.md, "Memory system")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cnvlutin2.cost.events import Counts, Events
from cnvlutin2.cost.traffic import Account
from cnvlutin2.cost.weights import sb_capacity_bits
from cnvlutin2.organisation import Organisation

BANDWIDTH_GB_PER_S: Mapping[str, Fraction] = {
    "lpddr4": Fraction("12.8"),  # LPDDR4-3200, one channel of 32 bits
    "ddr4-3200": Fraction("25.6"),  # one channel of 64 bits
    "hbm2": Fraction(256),  # one stack of 1024 bits at 2 Gbit/s
}
"""Peak bandwidths: transfers a second times width, in 10^9 bytes a second."""


@dataclass(frozen=True)
class Placed:
    """A layer among its neighbours.

    Parameters
    ----------
    events : mapping
        All of them.
    encoder_stall_cycles : int64 ``[N]``
        Cycles in which tiles wait for their encoders.
    dram_cycles : int64 ``[N]``
        Cycles that the transfers to and from DRAM take.
    total_cycles : int64 ``[N]``
        Until the layer is done: the longer of compute (with stalls) and transfers.
    """

    events: Events
    encoder_stall_cycles: Counts
    dram_cycles: Counts
    total_cycles: Counts


@dataclass(frozen=True)
class _Tensor:
    """What a layer reads, and who writes it.

    `writer` is the layer before which it is complete, or -1 for the network's input; `first` says whether no earlier layer
    read the same tensor.
    """

    writer: int
    first: bool


def bits_per_cycle(organisation: Organisation) -> Fraction | None:
    """Return what DRAM moves in a clock cycle; None if it is unlimited."""
    if organisation.dram == "unlimited":
        return None
    named = isinstance(organisation.dram, str)
    rate = BANDWIDTH_GB_PER_S[str(organisation.dram)] if named else Fraction(str(organisation.dram))
    return 8 * rate / Fraction(str(organisation.clock_ghz))


def place(accounts: Sequence[Account], cycles: Sequence[Counts], organisation: Organisation) -> list[Placed]:
    """Join layers into a network: what each writes, what does not fit, what is loaded, and when.

    Parameters
    ----------
    accounts : sequence of Account
        Layers in execution order, of the same images.
    cycles : sequence of int64 ``[N]``
        Compute cycles of each.
    organisation : Organisation

    Returns
    -------
    list of Placed
        In the same order.
    """
    tensors = _tensors(accounts)
    events = [{name: counts.copy() for name, counts in account.events.items()} for account in accounts]
    _move_activations(events, accounts, tensors, organisation)
    weight_bits = _weight_loads(accounts, cycles, organisation)
    for layer, bits in zip(events, weight_bits, strict=True):
        layer["dram_weight_bits_read"] += bits
        layer["sb_bits_written"] += bits
    stalls = [_encoder_stall(i, accounts, cycles[i], tensors, organisation) for i in range(len(accounts))]
    busy = [a + b for a, b in zip(cycles, stalls, strict=True)]
    transfers = _transfers(events, weight_bits, busy, accounts, organisation)
    return [
        Placed(layer, stall, moved, np.maximum(compute, moved))
        for layer, stall, moved, compute in zip(events, stalls, transfers, busy, strict=True)
    ]


def _tensors(accounts: Sequence[Account]) -> list[_Tensor]:
    """Find out which layers read the same tensor; one that was read before is not written again."""
    seen: set[tuple[object, ...]] = set()
    tensors = []
    for index, account in enumerate(accounts):
        identity = account.stored.identity
        tensors.append(_Tensor(index - 1, identity not in seen))
        seen.add(identity)
    return tensors


def _move_activations(
    events: Sequence[Events], accounts: Sequence[Account], tensors: Sequence[_Tensor], organisation: Organisation
) -> None:
    """Count what is written to NM, and what leaves it and comes back because it does not fit."""
    room = nm_rows(organisation) // organisation.batch  # of one image of a batch
    for index, (account, tensor) in enumerate(zip(accounts, tensors, strict=True)):
        stored, layer = account.stored, events[index]
        outside = np.maximum(0, stored.rows - room)
        again = stored.part_bits(outside) * (account.passes - 1)
        if not tensor.first:
            arrives = stored.part_bits(outside) * account.passes
        elif index == 0:
            arrives = stored.bits + again
        else:
            before = events[tensor.writer]
            left = np.maximum(0, room - accounts[tensor.writer].stored.rows)
            spilled = stored.part_bits(np.maximum(0, stored.rows - left))
            before["nm_bits_written"] += stored.bits
            before["nm_bits_spilled"] += spilled
            before["dram_activation_bits_written"] += spilled
            if stored.format != "dense":
                before["encoder_values"] += stored.values
            arrives = spilled + again
        layer["dram_activation_bits_read"] += arrives
        layer["nm_bits_filled"] += arrives
    results = accounts[-1].outputs * organisation.data_bits
    for name in ("nm_bits_written", "nm_bits_spilled", "dram_activation_bits_written"):
        events[-1][name] += results


def nm_rows(organisation: Organisation) -> int:
    """Return the rows of NM: as many as raw bricks fit its size."""
    return 8 * organisation.nm_bytes // (organisation.brick * organisation.data_bits)


def _weight_loads(accounts: Sequence[Account], cycles: Sequence[Counts], organisation: Organisation) -> list[Counts]:
    """Return the bits of weights that each image brings from DRAM, by layer.

    Nothing, if the whole network's weights live in SB. Else a layer's weights are loaded once for a batch, each image bearing
    its share; what a pass has more than SB holds comes again for every window.
    """
    images = len(cycles[0])
    of_tiles = np.sum([account.weights.tile_bits for account in accounts], axis=0)
    if of_tiles.max() <= sb_capacity_bits(organisation):
        return [np.zeros(images, np.int64) for _ in accounts]
    batch = organisation.batch
    turn = np.arange(images) % batch
    loads = []
    for account in accounts:
        once = account.weights.bits - account.weights.excess_bits
        loads.append(_share(once, turn, batch) + account.weights.excess_bits * account.windows)
    return loads


def _share(whole: int, turn: Counts, batch: int) -> Counts:
    """Return what the images of a batch bear of a load; the shares are whole and add up."""
    out: Counts = whole * (turn + 1) // batch - whole * turn // batch
    return out


def _encoder_stall(
    index: int, accounts: Sequence[Account], cycles: Counts, tensors: Sequence[_Tensor], organisation: Organisation
) -> Counts:
    """Return the least that tiles must wait for their encoders, which take one value a cycle.

    The busiest tile's encoder has to pass `values`; all but what its buffer holds at the end must pass while the layer runs.
    """
    consumer = next((i for i in range(index + 1, len(accounts)) if tensors[i].first), None)
    if consumer is None or accounts[consumer].stored.format == "dense":
        return np.zeros_like(cycles)
    account = accounts[index]
    # Pooling in between leaves fewer positions to encode than windows.
    positions = min(account.windows, accounts[consumer].stored.values // account.filters)
    values = positions * account.busiest_tile_filters
    stall: Counts = np.maximum(0, values - organisation.encoder_buffer_entries - cycles)
    return stall


def _transfers(
    events: Sequence[Events],
    weight_bits: Sequence[Counts],
    busy: Sequence[Counts],
    accounts: Sequence[Account],
    organisation: Organisation,
) -> list[Counts]:
    """Return the cycles of the transfers of each layer, those for the next layer's weights taken off it."""
    rate = bits_per_cycle(organisation)
    if rate is None:
        return [np.zeros_like(compute) for compute in busy]
    found = []
    loaded = np.zeros_like(busy[0])  # of this layer's weights, while the one before ran
    for index, layer in enumerate(events):
        moved = layer["dram_activation_bits_read"] + layer["dram_activation_bits_written"] + weight_bits[index] - loaded
        transfer = _cycles(moved, rate)
        found.append(transfer)
        loaded = np.zeros_like(loaded)
        if organisation.prefetch_weights and index + 1 < len(events):
            idle = np.maximum(0, busy[index] - transfer)
            spare = np.array([int(cycles * rate) for cycles in idle.tolist()], np.int64)
            loaded = np.minimum(np.minimum(weight_bits[index + 1], spare), _free_bits(accounts[index], organisation))
    return found


def _cycles(bits: Counts, rate: Fraction) -> Counts:
    return np.array([-(-count * rate.denominator // rate.numerator) for count in bits.tolist()], np.int64)


def _free_bits(account: Account, organisation: Organisation) -> int:
    """Return an image's share of SB that a layer's own weights leave."""
    free = np.maximum(0, sb_capacity_bits(organisation) - account.weights.tile_bits)
    return int(free.sum()) // organisation.batch
