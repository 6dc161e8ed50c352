"""`time_layers`: layers under several organisations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.dense import time_dense
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.program import Part, program_of
from cnvlutin2.timing.skip import time_skip
from cnvlutin2.timing.slots import Counts

TOGETHER = 1 << 20
"""Activations of layers that are timed together, at most: all of them are held in memory."""


class Timing(NamedTuple):
    """One way to run a layer.

    Parameters
    ----------
    cycles : int64 ``[N]``
        By image.
    slots : int64 ``[N, len(SLOT_KINDS)]``
        Multiplier slots by kind; they add up to ``cycles * tiles * filters_per_tile * lanes``.
    """

    cycles: Counts
    slots: Counts


class LayerTiming(NamedTuple):
    """A layer under one organisation.

    Parameters
    ----------
    mode : {"skip", "dense", "auto"}
        What the organisation asks for; `auto` is settled once all images are known.
    dense_cycles : int
        Cycles of an image on the dense baseline of the same size, without overheads.
    skip, dense : Timing or None
        Those that `mode` needs.
    """

    mode: Mode
    dense_cycles: int
    skip: Timing | None
    dense: Timing | None


class Timings:
    """Layers under several organisations: ``timings[i]`` is the list of what each organisation takes for layer `i`.

    Parameters
    ----------
    layers : sequence of PreparedLayer
    organisations : sequence of Organisation
    """

    def __init__(self, layers: Sequence[PreparedLayer], organisations: Sequence[Organisation]) -> None:
        chosen = tuple(map(id, organisations))
        self._works = [p.weights.schedules.works(organisations, chosen) for p in layers]
        self._parts: dict[int, tuple[Part, Counts]] = {}  # of layers that are timed together, and their results
        self._made: dict[tuple[int, str, int], Timing] = {}  # a layer, a mode, which one of `Works.skips` or `Works.denses`
        for together in _together(layers):
            self._time_together(layers, together)
        for i, works in enumerate(self._works):
            known = self._parts.get(i)
            for k in range(len(works.skips)) if known is None else known[0].others:
                self._made[i, "skip", k] = Timing(*time_skip(layers[i], works.skips[k]))
            for k in range(len(works.denses) if known is None else 0):
                self._made[i, "dense", k] = Timing(*time_dense(layers[i], works.denses[k]))

    def __len__(self) -> int:
        return len(self._works)

    def __iter__(self) -> Iterator[list[LayerTiming]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> list[LayerTiming]:
        return [
            LayerTiming(schedule.mode, schedule.dense_cycles, self._timing(i, "skip", skip), self._timing(i, "dense", dense))
            for schedule, skip, dense in self._works[i].each
        ]

    def _time_together(self, layers: Sequence[PreparedLayer], chosen: Sequence[int]) -> None:
        """Time layers with the same number of images."""
        some = [layers[i] for i in chosen]
        program = program_of([p.weights.part(self._works[i]) for i, p in zip(chosen, some, strict=True)])
        for i, prepared, (part, sums, results) in zip(chosen, some, program(some), strict=True):
            prepared.sums = sums
            self._parts[i] = part, results

    def _timing(self, i: int, mode: Mode, which: int | None) -> Timing | None:
        if which is None:
            return None
        found = self._made.get((i, mode, which))
        if found is None:
            part, results = self._parts[i]
            counts = results[part.places[which] if mode == "skip" else part.first_dense + which]
            found = self._made[i, mode, which] = Timing(counts[:, 0], counts[:, 1:])
        return found


def _together(layers: Sequence[PreparedLayer]) -> Iterator[list[int]]:
    """Yield which small layers to time together: those with as many images, up to `TOGETHER` activations."""
    by_images: dict[int, list[int]] = {}
    held = 0
    for i, prepared in enumerate(layers):
        if prepared.is_small:
            size = prepared.layer.activations.size
            if held and held + size > TOGETHER:
                yield from by_images.values()
                by_images, held = {}, 0
            by_images.setdefault(prepared.layer.images, []).append(i)
            held += size
    yield from by_images.values()


def time_layers(layers: Sequence[PreparedLayer], organisations: Sequence[Organisation]) -> Timings:
    """Count the cycles of several layers under several organisations; small layers are done together.

    Parameters
    ----------
    layers : sequence of PreparedLayer
        All with the same kernels and threads.
    organisations : sequence of Organisation

    Returns
    -------
    Timings
    """
    return Timings(layers, organisations)


def time_layer(layer: Layer | PreparedLayer, organisations: Sequence[Organisation], jobs: int | None = None) -> list[LayerTiming]:
    """Count the cycles of a layer under several organisations.

    What they share (masks, counts, window sums) is computed once.

    Parameters
    ----------
    layer : Layer or PreparedLayer
    organisations : sequence of Organisation
    jobs : int, optional
        Threads; by default all processors. The counts do not depend on it.

    Returns
    -------
    list of LayerTiming
        One an organisation, in order.
    """
    return time_layers([layer if isinstance(layer, PreparedLayer) else PreparedLayer(layer, jobs)], organisations)[0]
