"""`Program`: small layers under several organisations, timed together by a few calls of compiled kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.records import LANES, LAYER, PAIRS
from cnvlutin2.timing.accounts import Account
from cnvlutin2.timing.part import QUANTITIES, Part, Record
from cnvlutin2.timing.slots import Counts
from cnvlutin2.timing.workers import split

if TYPE_CHECKING:
    from cnvlutin2.timing.prepared import PreparedLayer

_THREAD_GRAIN = 1 << 18  # activations of all layers below which threads bring less than they cost
_LOAD_TYPES = np.zeros(1, np.uint8), np.zeros(1, np.uint16)
_BEHIND = 64  # bytes that a word reaches over the last map
_MOST = 1 << 15  # no 16-bit magnitude is larger

_FIELDS: Mapping[str, Any] = LAYER.fields or {}
_ADDRESS, _THRESHOLD = (_FIELDS[name][1] // 8 for name in ("activations", "threshold"))  # among a record's numbers


class _Batch(NamedTuple):
    """Layers that are in the workspace together: they, their records, and what these ask for."""

    layers: tuple[int, int]
    lanes: tuple[int, int]
    load_types: list[NDArray[np.unsignedinteger[Any]]]
    pairs: tuple[int, int]
    kinds: list[int]


class Program:
    """What the compiled kernels take to time some layers, whatever their values.

    Parameters
    ----------
    parts : sequence of Part
        One a layer.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)  # their arrays' addresses are in the tables
        layers = _table(LAYER, [part.layer for part in parts])
        lanes = _table(LANES, [{**plan, "layer": i} for i, part in enumerate(parts) for plan in part.lanes])
        self._pairs = _table(PAIRS, [{**plan, "layer": i} for i, part in enumerate(parts) for plan in part.pairs])
        self._results = _ends([part.results for part in parts])
        layers["results"] = np.diff(self._results)
        # Of an image: bytes of bits, and of runs' cycles.
        bits = layers["groups"] * layers["channels"] * layers["places"]
        runs = lanes["runs"] * layers["groups"][lanes["layer"]]
        cycles = lanes["ways"] * runs * lanes["height"] * lanes["width"]
        lane_ends = _ends([len(part.lanes) for part in parts])
        pair_ends = _ends([len(part.pairs) for part in parts])
        held = np.stack([bits, np.diff(_ends(cycles)[lane_ends])], axis=1)
        self._room = held.max(axis=0)
        self._batches: list[_Batch] = []
        for first, last in pairwise(_cut(held, self._room)):
            some, found = slice(*lane_ends[[first, last]]), slice(*pair_ends[[first, last]])
            layers["bits"][first:last] = _ends(bits[first:last])[:-1]
            lanes["cycles"][some] = _ends(cycles[some])[:-1]
            load_types = [unit for unit in _LOAD_TYPES if unit.itemsize in lanes["load_bytes"][some]]
            kinds = sorted(set(self._pairs["kind"][found].tolist()))
            self._batches.append(_Batch((first, last), (some.start, some.stop), load_types, (found.start, found.stop), kinds))
        self._layers, self._lanes = layers, lanes
        accounts = [account for part in parts for account in part.accounts]
        self._account = Account.stacked(accounts) if accounts else None
        self._tables: dict[int, tuple[NDArray[np.int64], NDArray[np.void]]] = {}

    def __call__(self, layers: Sequence[PreparedLayer]) -> Iterator[tuple[Part, Counts]]:
        """Time the layers of which it was made, all with the same number of images, and tell them what is found on the way.

        Yields
        ------
        Part, int64 ``[results, N, 1 + len(SLOT_KINDS)]``
            Of each layer, its part, and cycles and slots by result.
        """
        images, kernels = layers[0].layer.images, layers[0].kernels
        fixed, lanes = self._tables.get(images) or self._tables_for(images)
        numbers = fixed.copy()
        values = [np.ascontiguousarray(p.layer.activations) for p in layers]
        numbers[:, _ADDRESS] = [kernels.address_of(array) for array in values]
        numbers[:, _THRESHOLD] = [min(p.layer.threshold, _MOST + 1) for p in layers]
        table, pairs = numbers.view(LAYER)[:, 0], self._pairs
        sums = np.empty((len(layers), images, 3), np.int64)
        measured = np.empty((self._results[-1], images, len(QUANTITIES)), np.int64)
        products, rows = sums.reshape(-1, 3), measured.reshape(-1, measured.shape[2])
        walks = kernels.walk_waiting_pairs, kernels.walk_free_pairs

        def task(first: int, last: int) -> None:
            bits = np.empty(self._room[0] * images + _BEHIND, np.uint8)
            cycles = np.empty(self._room[1] * images, np.uint8)
            for batch in self._batches[first:last]:
                kernels.count_products(table, *batch.layers, bits, products, rows)
                if batch.load_types:
                    kernels.count_runs(table, lanes, *batch.lanes, bits, cycles, rows)
                    for unit in batch.load_types:
                        kernels.walk_lanes(table, lanes, *batch.lanes, unit, cycles, rows)
                for kind in batch.kinds:
                    walks[kind](table, pairs, *batch.pairs, bits, rows)

        batches, total = len(self._batches), sum(array.size for array in values)
        split(task, batches, layers[0].jobs, 1 + batches * _THREAD_GRAIN // total)
        results = measured if self._account is None else self._account.joined(measured)
        first = 0
        for prepared, part, found in zip(layers, self._parts, sums, strict=True):
            prepared.sums = found
            yield part, results[first : first + part.results]
            first += part.results

    def _tables_for(self, images: int) -> tuple[NDArray[np.int64], NDArray[np.void]]:
        """Return the tables for so many images, the first as numbers, as copying records takes its time."""
        layers, lanes = self._layers.copy(), self._lanes.copy()
        layers["images"] = images
        layers["sums"] = np.arange(len(layers)) * images
        layers["measured"] = self._results[:-1] * images
        layers["bits"] *= images
        lanes["cycles"] *= images
        self._tables[images] = layers.view(np.int64).reshape(len(layers), -1), lanes
        return self._tables[images]


def _table(kind: np.dtype[np.void], records: Sequence[Record]) -> NDArray[np.void]:
    table = np.zeros(len(records), kind)
    for row, record in zip(table, records, strict=True):
        for key, value in record.items():
            row[key] = value
    return table


def _ends(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where parts of some sizes begin, one after another, and the end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _cut(sizes: NDArray[np.int64], room: NDArray[np.int64]) -> list[int]:
    """Return where to cut consecutive layers of some sizes ``[layers, ..]``, as few times as there is room for, and both ends."""
    cuts, held = [0], np.zeros_like(room)
    for i, size in enumerate(sizes):
        if (held + size > room).any():
            cuts.append(i)
            held = np.zeros_like(room)
        held = held + size
    return [*cuts, len(sizes)]
