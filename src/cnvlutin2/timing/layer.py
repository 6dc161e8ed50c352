"""`time_layers`: layers under several organisations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.dense import time_dense
from cnvlutin2.timing.part import Part
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.program import Program
from cnvlutin2.timing.schedule import Schedule
from cnvlutin2.timing.skip import time_skip
from cnvlutin2.timing.slots import Counts

_KEPT = 64  # plans that are kept for a network


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
    plan : Plan
    layers : sequence of PreparedLayer
        Those of the plan, with any activations.
    """

    def __init__(self, plan: Plan, layers: Sequence[PreparedLayer]) -> None:
        self._plan = plan
        self._results = [program([layers[i] for i in chosen]) for chosen, program in plan.together]
        # A layer, a mode, and which one of `Works.skips` or `Works.denses`.
        self._made: dict[tuple[int, str, int], Timing] = {}
        for i, alone in plan.alone.items():
            for mode, which, schedule in alone:
                time = time_skip if mode == "skip" else time_dense
                self._made[i, mode, which] = Timing(*time(layers[i], schedule))
            if len(layers) > 1:
                layers[i].forget()

    def __len__(self) -> int:
        return len(self._plan.works)

    def __iter__(self) -> Iterator[list[LayerTiming]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> list[LayerTiming]:
        return [
            LayerTiming(schedule.mode, schedule.dense_cycles, self._timing(i, "skip", skip), self._timing(i, "dense", dense))
            for schedule, skip, dense in self._plan.works[i].each
        ]

    def _timing(self, i: int, mode: Mode, which: int | None) -> Timing | None:
        if which is None:
            return None
        found = self._made.get((i, mode, which))
        if found is None:
            part, program, first = self._plan.parts[i]
            counts = self._results[program][first + (part.places[which] if mode == "skip" else part.first_dense + which)]
            found = self._made[i, mode, which] = Timing(counts[:, 0], counts[:, 1:])
        return found


class Plan:
    """What is to be timed of some layers, whatever their activations, and what of it by one program.

    Parameters
    ----------
    layers : sequence of PreparedLayer
    organisations : sequence of Organisation

    Attributes
    ----------
    weights : list of PreparedWeights
    images : list of int
    kernels : module
        Of which layers it is about.
    works : list of Works
        Of each layer.
    together : list of (list of int, Program)
        Which layers a program times.
    parts : dict of int to (Part, int, int)
        Of each layer that a program times: its part, which program, and the first result of that which is about it.
    alone : dict of int to list of ("skip" or "dense", int, Schedule)
        What is timed one at a time, by layer: which one of `Works.skips` or `Works.denses`.
    """

    def __init__(self, layers: Sequence[PreparedLayer], organisations: Sequence[Organisation]) -> None:
        self.weights, self.images = [p.weights for p in layers], [p.layer.images for p in layers]
        self.kernels = layers[0].kernels
        self.works = [weights.schedules.works(organisations) for weights in self.weights]
        self.together: list[tuple[list[int], Program]] = []
        self.parts: dict[int, tuple[Part, int, int]] = {}
        for chosen in _together(layers):
            parts = [self.weights[i].part(self.works[i]) for i in chosen]
            program = Program(parts)
            for i, part, first in zip(chosen, parts, program.first_result, strict=True):
                self.parts[i] = part, len(self.together), first
            self.together.append((chosen, program))
        self.alone: dict[int, list[tuple[Mode, int, Schedule]]] = {}
        for i, works in enumerate(self.works):
            skips = self.parts[i][0].others if i in self.parts else range(len(works.skips))
            alone: list[tuple[Mode, int, Schedule]] = [("skip", k, works.skips[k]) for k in skips]
            if i not in self.parts:
                alone += [("dense", k, schedule) for k, schedule in enumerate(works.denses)]
            if alone:
                self.alone[i] = alone


def _plan(layers: Sequence[PreparedLayer], organisations: Sequence[Organisation]) -> Plan:
    """Return the plan for layers of these weights and numbers of images, which is made once."""
    known = layers[0].weights.plans
    key = (len(layers), *map(id, organisations))
    weights, images = [p.weights for p in layers], [len(p.layer.activations) for p in layers]
    found = known.get(key)
    if found is None or found.weights != weights or found.images != images or found.kernels is not layers[0].kernels:
        if len(known) >= _KEPT:
            known.clear()
        found = known[key] = Plan(layers, organisations)
    return found


def _together(layers: Sequence[PreparedLayer]) -> Iterable[list[int]]:
    """Return which small layers to time together: those with as many images."""
    by_images: dict[int, list[int]] = {}
    for i, prepared in enumerate(layers):
        if prepared.is_small:
            by_images.setdefault(prepared.layer.images, []).append(i)
    return by_images.values()


def time_layers(layers: Sequence[PreparedLayer], organisations: Sequence[Organisation]) -> Timings:
    """Count the cycles of several layers under several organisations; small layers are done together.

    Parameters
    ----------
    layers : sequence of PreparedLayer
        At least one; all with the same kernels and threads.
    organisations : sequence of Organisation

    Returns
    -------
    Timings
    """
    return Timings(_plan(layers, organisations), layers)


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
