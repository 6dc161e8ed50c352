"""`Program`: small layers under several organisations, timed together by a few calls of compiled kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.records import LANES, LAYER, PAIRS
from cnvlutin2.timing.accounts import Account
from cnvlutin2.timing.lane_plan import QUANTITIES, Record
from cnvlutin2.timing.part import Part
from cnvlutin2.timing.slots import Counts
from cnvlutin2.timing.workers import split

if TYPE_CHECKING:
    from cnvlutin2.timing.prepared import PreparedLayer

_THREAD_GRAIN = 1 << 18  # activations of all layers below which threads bring less than they cost
_TOGETHER = 1 << 18  # activations of a layer's images that are done at a time
_BEHIND = 64  # bytes that a vector reaches over the last map

_FIELDS: Mapping[str, Any] = LAYER.fields or {}
_ADDRESS, _THRESHOLD = (_FIELDS[name][1] // 8 for name in ("activations", "threshold"))  # among a record's numbers


class _Batch(NamedTuple):
    """Layers whose bits are in memory together, and the pairs to be walked with them."""

    layers: tuple[int, int]
    pairs: tuple[int, int]
    kinds: list[int]


class Program:
    """What the compiled kernels take to time some layers, whatever their values.

    Parameters
    ----------
    parts : sequence of Part
        One a layer.

    Attributes
    ----------
    first_result : list of int
        Of each layer, the first of its results (`Part.results`) among all.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)  # their arrays' addresses are in the tables
        layers = _table(LAYER, [part.layer for part in parts])
        self._lanes = _table(LANES, [plan for part in parts for plan in part.lanes])
        self._pairs = _table(PAIRS, [{**plan, "layer": i} for i, part in enumerate(parts) for plan in part.pairs])
        results = [part.results for part in parts]
        *self.first_result, self._results = _ends(results).tolist()
        layers["results"], layers["measured"] = results, self.first_result
        layers["sums"] = np.arange(len(layers))
        lane_ends, pair_ends = (
            _ends([len(each) for each in some]) for some in zip(*((p.lanes, p.pairs) for p in parts), strict=True)
        )
        layers["first_lanes"], layers["last_lanes"] = lane_ends[:-1], lane_ends[1:]
        bits = layers["groups"] * layers["channels"] * layers["places"]  # bytes, of an image
        self._activations, self._image_bytes = int(bits.sum()), bits * np.dtype(np.int16).itemsize
        self._bits, self._scratch = int(bits.max()), max(part.scratch for part in parts)
        self._batches: list[_Batch] = []
        # Pairs are walked by a call of their own, which finds the bits of as many layers as there is room for.
        for first, last in pairwise(_cut(bits, self._bits) if self._pairs.size else range(len(parts) + 1)):
            found = slice(*pair_ends[[first, last]])
            layers["bits"][first:last] = _ends(bits[first:last])[:-1]
            kinds = sorted(set(self._pairs["kind"][found].tolist()))
            self._batches.append(_Batch((first, last), (found.start, found.stop), kinds))
        self._layers = layers
        accounts = [account for part in parts for account in part.accounts]
        self._account = Account.stacked(accounts) if accounts else None
        self._tables: dict[int, NDArray[np.int64]] = {}

    def __call__(self, layers: Sequence[PreparedLayer]) -> Counts:
        """Time the layers of which it was made, all with the same number of images, and tell them what is found on the way.

        Returns
        -------
        int64 ``[results, N, 1 + len(SLOT_KINDS)]``
            Cycles and slots; `first_result` says which results are about a layer.
        """
        images, kernels = layers[0].layer.images, layers[0].kernels
        values = [np.ascontiguousarray(p.layer.activations) for p in layers]
        sums = np.empty((images, len(layers), 3), np.int64)
        measured = np.empty((images, self._results, len(QUANTITIES)), np.int64)
        together = min(images, max(1, _TOGETHER // self._bits))  # images whose bits are in memory at a time
        tables = [self._table(min(together, images - first)).copy() for first in range(0, images, together)]
        addresses, thresholds = [kernels.address_of(array) for array in values], [p.layer.threshold for p in layers]
        for i, table in enumerate(tables):
            table[:, _ADDRESS] = addresses if i == 0 else addresses + self._image_bytes * (i * together)
            table[:, _THRESHOLD] = thresholds
        lanes, pairs, batches = self._lanes, self._pairs, len(self._batches)
        walks = kernels.walk_waiting_pairs, kernels.walk_free_pairs

        def task(first: int, last: int) -> None:
            bits, scratch = np.empty(self._bits * together + _BEHIND, np.uint8), np.empty(self._scratch, np.uint8)
            for i in range(first // batches, -(-last // batches)):
                table, some = tables[i].view(LAYER)[:, 0], slice(i * together, (i + 1) * together)
                begin, end = max(0, first - i * batches), min(batches, last - i * batches)
                if pairs.size == 0:
                    kernels.count_layers(table, lanes, begin, end, bits, scratch, sums[some], measured[some])
                    continue
                for batch in self._batches[begin:end]:
                    kernels.count_layers(table, lanes, *batch.layers, bits, scratch, sums[some], measured[some])
                    for kind in batch.kinds:
                        walks[kind](table, pairs, *batch.pairs, bits, measured[some])

        units = batches * len(tables)
        split(task, units, layers[0].jobs, 1 + units * _THREAD_GRAIN // (self._activations * images))
        for prepared, found in zip(layers, sums.swapaxes(0, 1), strict=True):
            prepared.counted = found
        by_result = measured.swapaxes(0, 1)
        return by_result if self._account is None else self._account.joined(by_result)

    def _table(self, images: int) -> NDArray[np.int64]:
        """Return the layers' table for so many images, as numbers: copying records takes its time."""
        if images not in self._tables:
            layers = self._layers.copy()
            layers["images"] = images
            layers["bits"] *= images
            self._tables[images] = layers.view(np.int64).reshape(len(layers), -1)
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


def _cut(sizes: NDArray[np.int64], room: int) -> list[int]:
    """Return where to cut consecutive layers of some sizes, as few times as there is room for, and both ends."""
    cuts, held = [0], 0
    for i, size in enumerate(sizes.tolist()):
        if held + size > room:
            cuts.append(i)
            held = 0
        held += size
    return [*cuts, len(sizes)]
