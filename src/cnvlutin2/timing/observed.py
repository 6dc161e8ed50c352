"""`ObservedLayer`: what may be seen of a layer's bits and counts, whoever counted its cycles; read-only, worked out on demand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Storage, brick_counts, brick_histograms
from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule, Seats, StepMap
from cnvlutin2.numeric import effectual
from cnvlutin2.organisation import Organisation

Counts = NDArray[np.int64]
Bits = NDArray[np.bool_]
_TOGETHER = 1 << 24  # weights looked at a time
_WORDS_TOGETHER = 1 << 14  # of 64 places each: they stay in a processor's first caches
K = TypeVar("K")
V = TypeVar("V")


class InputTensor(NamedTuple):
    """What a layer reads.

    Parameters
    ----------
    source : hashable
        Equal for layers of a network that read the same tensor; values that happen to be equal do not make two tensors one.
    threshold : int
        From where its values are effectual.
    """

    source: Hashable
    threshold: int


class ObservedWeights:
    """Which weights of a layer are effectual, counted by the places that activations meet; the same for all its batches.

    Parameters
    ----------
    layer : Layer
        Any batch of it: its activations are not looked at.
    """

    def __init__(self, layer: Layer) -> None:
        self.geometry = layer.geometry
        self._weights, self._threshold = layer.weights, layer.weight_threshold
        self._tiles: dict[Seats, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}

    def fits(self, layer: Layer) -> bool:
        """Whether these are a layer's weights, at its threshold."""
        if (layer.geometry, layer.weight_threshold) != (self.geometry, self._threshold):
            return False
        return layer.weights is self._weights or np.array_equal(layer.weights, self._weights)

    @cached_property
    def filter_counts(self) -> NDArray[np.int32]:
        """Filters of the group whose weight is effectual, for every weight that an activation meets, ``[C, Kh, Kw]``."""
        g = self.geometry
        counts = np.zeros((g.groups, g.group_channels, *g.kernel), np.int32)
        groups = self._weights.reshape(g.groups, g.group_filters, g.group_channels, *g.kernel)
        step = max(1, _TOGETHER // (g.groups * g.filter_weights))
        for first in range(0, g.group_filters, step):
            bits = effectual(groups[:, first : first + step], self._threshold)
            counts += np.add.reduce(bits, axis=1, dtype=np.int32)
        by_channel: NDArray[np.int32] = counts.reshape(g.channels, *g.kernel)
        return by_channel

    @cached_property
    def effectual_by_filter(self) -> Counts:
        """Effectual weights of each filter, ``[Co]``."""
        flat = self._weights.reshape(self.geometry.filters, -1)
        step = max(1, _TOGETHER // flat.shape[1])
        some = (effectual(flat[first : first + step], self._threshold) for first in range(0, len(flat), step))
        counts: Counts = np.concatenate([np.count_nonzero(bits, axis=1) for bits in some]).astype(np.int64)
        return counts

    @cached_property
    def effectual(self) -> int:
        """Effectual weights."""
        return int(self.effectual_by_filter.sum())

    def tile_counts(self, schedule: Schedule) -> NDArray[np.int32]:
        """Return the tiles with an effectual weight that an activation meets, over all passes, ``[C, Kh, Kw]``."""
        tiles, _ = self._by_tile(schedule)
        return tiles

    def busy_filter_counts(self, schedule: Schedule) -> NDArray[np.int32]:
        """Return the filters of these tiles, ``[C, Kh, Kw]``: those that multiply where only a whole tile can skip."""
        _, filters = self._by_tile(schedule)
        return filters

    def _by_tile(self, schedule: Schedule) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return both."""
        seats = schedule.seats
        if seats not in self._tiles:
            self._tiles[seats] = self._count_tiles(seats)
        return self._tiles[seats]

    def _count_tiles(self, seats: Seats) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        g = self.geometry
        together = seats.filters // g.group_filters
        side_by_side = self._weights.reshape(-1, together, g.group_filters, g.filter_weights)
        tiles, filters = np.zeros((2, g.groups // together, together, g.filter_weights), np.int32)
        for number in range(together):
            # Groups that are set side by side share tiles, but no channels.
            sitting = slice(number * g.group_filters, (number + 1) * g.group_filters)
            for (in_pass, tile), chosen in _by_seat(seats.pass_of[sitting], seats.tile_of[sitting]):
                some = _any_effectual(side_by_side[:, number, chosen], self._threshold)
                tiles[:, number] += some
                filters[:, number] += some * seats.tile_filters[in_pass, tile]
        by_channel = g.channels, *g.kernel
        return tiles.reshape(by_channel), filters.reshape(by_channel)


class ObservedLayer:
    """A batch of a layer as observers see it.

    Parameters
    ----------
    layer : Layer
    weights : ObservedWeights, optional
        Those of an earlier batch.

    Notes
    -----
    All of it follows from the layer, whatever engine counts its cycles. Arrays are not to be written to.
    """

    def __init__(self, layer: Layer, weights: ObservedWeights | None = None) -> None:
        self.layer = layer
        self.weights = ObservedWeights(layer) if weights is None else weights
        self._brick_counts: dict[Storage, NDArray[np.uint8]] = {}
        self._histograms: dict[Storage, Counts] = {}
        self._kept: dict[object, object] = {}

    @property
    def images(self) -> int:
        """Images of the batch."""
        return self.layer.images

    def schedule(self, organisation: Organisation) -> Schedule:
        """Return how the layer's windows fall on an organisation."""
        return Schedule.of(self.layer.geometry, organisation)

    @cached_property
    def bits(self) -> Bits:
        """Effectual activations, ``[N, C, H, W]``."""
        return self.layer.effectual_activations()

    @cached_property
    def effectual_activations(self) -> Counts:
        """Effectual activations stored, ``[N]``."""
        found: Counts = np.count_nonzero(self.bits.reshape(self.images, -1), axis=1).astype(np.int64)
        return found

    @cached_property
    def position_counts(self) -> NDArray[np.int32]:
        """Windows in which the activation is effectual, for every weight that it meets, ``[N, C, Kh, Kw]``."""
        return self.windows_with(self.bits)

    @cached_property
    def effectual_in_windows(self) -> Counts:
        """Effectual activations over all windows, ``[N]``."""
        return self.in_windows(self.bits)

    @property
    def tensor(self) -> InputTensor:
        """What it reads; the same for all its batches."""
        own = self.layer.tensor
        return InputTensor(("layer", self.layer.name) if own is None else ("tensor", own), self.layer.threshold)

    @cached_property
    def effectual_macs(self) -> Counts:
        """Products of an effectual activation and an effectual weight, padding left out, ``[N]``."""
        return self.meeting(self.position_counts, self.weights.filter_counts)

    def in_windows(self, bits: Bits) -> Counts:
        """Return how many set bits ``[N, C, H, W]`` the windows read, over all of them, ``[N]``."""
        down, across = StepMap.of(self.layer.geometry, 1, "brick").uses
        by_place = np.add.reduce(bits.view(np.uint8), axis=1, dtype=np.int64)
        found: Counts = (by_place @ across) @ down
        return found

    def windows_with(self, bits: Bits) -> NDArray[np.int32]:
        """Count the windows in which a bit ``[N, C, H, W]`` is set, for every weight that it meets, ``[N, C, Kh, Kw]``."""
        steps = StepMap.of(self.layer.geometry, 1, "brick")
        words = _words(bits.reshape(-1, steps.places))
        counts = np.empty((steps.steps, len(words)), np.int32)
        by_map = words.shape[1] > len(words)  # the longer axis is the inner one, which NumPy vectorises
        maps, words = len(words), words if by_map else np.ascontiguousarray(words.T)
        _, read = _reads(steps, steps.steps // 2, steps.steps // 2 + 1)
        together = max(1, _WORDS_TOGETHER // (1 + maps * read.shape[1]))
        for first in range(0, steps.steps, together):
            last = min(first + together, steps.steps)
            begin, read = _reads(steps, first, last)
            here = slice(begin, begin + read.shape[1])
            met = words[:, here] & read[:, None] if by_map else words[here] & read[..., None]
            np.add.reduce(np.bitwise_count(met), axis=1 + by_map, dtype=np.int32, out=counts[first:last])
        return np.ascontiguousarray(counts.T).reshape(self.images, -1, *steps.kernel)

    @staticmethod
    def meeting(positions: NDArray[np.int32], counts: NDArray[np.int32]) -> Counts:
        """Return, by image, the sum over all weights' places of windows ``[N, C, Kh, Kw]`` times filters or tiles there."""
        found: Counts = positions.reshape(len(positions), -1).astype(np.int64) @ counts.reshape(-1).astype(np.int64)
        return found

    def brick_counts(self, storage: Storage) -> NDArray[np.uint8]:
        """Return the effectual values of every storage brick, ``[N, *storage.bricks_shape]``."""
        return self._known(
            self._brick_counts, storage, lambda: brick_counts(self.bits, storage.brick, storage.groups, storage.packing)
        )

    def brick_histograms(self, storage: Storage) -> Counts:
        """Return how many storage bricks of each image have so many effectual values, ``[N, brick + 1]``."""
        return self._known(self._histograms, storage, lambda: brick_histograms(self.brick_counts(storage), storage.brick))

    def spread(self, bricks: Bits, storage: Storage) -> Bits:
        """Return a flag of every storage brick (shaped as `brick_counts`) at each of its values, ``[N, C, H, W]``."""
        g = self.layer.geometry
        channels = storage.group_channels
        inner = g.width * channels if storage.packing == "row" else channels
        values = np.repeat(bricks, storage.brick, axis=-1)[..., :inner]
        maps = values.reshape(self.images, storage.groups, g.height, g.width, channels)
        return np.moveaxis(maps, -1, 2).reshape(self.bits.shape)

    def kept(self, key: object, work: Callable[[], V]) -> V:
        """Return what an observer has worked out of this batch before, or works out now.

        Parameters
        ----------
        key : hashable
            Names what it is and all that it depends on beside the batch.
        work : callable
        """
        return cast(V, self._known(self._kept, key, work))

    @staticmethod
    def _known(known: dict[K, V], key: K, work: Callable[[], V]) -> V:
        found = known.get(key)
        if found is None:
            found = known[key] = work()
        return found


def _by_seat(passes: NDArray[np.int32], tiles: NDArray[np.int32]) -> Iterator[tuple[tuple[int, int], slice | NDArray[np.int64]]]:
    """Yield each pass and tile that has some of the filters, and which these are: a range if they follow one another."""
    order = np.lexsort((tiles, passes))
    edges = np.flatnonzero(np.diff(passes[order]) | np.diff(tiles[order])) + 1
    for some in np.split(order, edges):
        first, last = int(some[0]), int(some[-1])
        where = slice(first, last + 1) if last - first + 1 == some.size else some
        yield (int(passes[first]), int(tiles[first])), where


def _any_effectual(weights: NDArray[np.int16], threshold: int) -> Bits:
    """Return where one of the filters has an effectual weight; `weights` are ``[groups, filters, weights]``."""
    if threshold > 1:
        some: Bits = np.logical_or.reduce(effectual(weights, threshold), axis=1)
        return some
    joined: NDArray[np.int16] = np.bitwise_or.reduce(weights, axis=1)
    return np.not_equal(joined, np.int16(0))


@lru_cache(maxsize=256)
def _reads(steps: StepMap, first: int, last: int) -> tuple[int, NDArray[np.uint64]]:
    """Return the same as `StepMap.reads_in_words`, which the images of a layer share."""
    return steps.reads_in_words(first, last)


def _words(bits: Bits) -> NDArray[np.uint64]:
    """Pack rows of bits into words, ``[rows, words]``."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    words = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view(np.uint64)
