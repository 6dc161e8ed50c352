"""The slow reference behind the seam that all engines share, so that one contract is held against them and it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import islice

import numpy as np
import reference

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts, LayerTimings, OrganisationTiming, RunMode, Timing
from cnvlutin2.timing.options import Knows, any_value, one_of, refuse, unknown_options


class FirstWindows(reference.Machine):
    """A layer that has its first so many windows only."""

    def __init__(self, layer: Layer, opt: reference.Options, count: int) -> None:
        super().__init__(layer, opt)
        self.count = count

    def windows(self) -> Iterator[tuple[int, int]]:
        return islice(super().windows(), self.count)


class ReferenceEngine:
    name = "reference"

    def unknown(self, organisation: Organisation) -> tuple[str, ...]:
        known: dict[str, Knows] = {field.name: any_value for field in fields(reference.Options)}
        return unknown_options(organisation, known | {"tile_sync": one_of("brick", "window", "layer")})

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        for organisation in organisations:
            refuse(self.name, organisation, self.unknown(organisation))
        found = []
        for layer in layers:
            stored = np.count_nonzero(np.abs(layer.activations.astype(int)) >= layer.threshold, axis=(1, 2, 3))
            macs = np.array(reference.effectual_macs(layer), np.int64)
            found.append(LayerTimings(stored.astype(np.int64), macs, [self._timing(layer, o) for o in organisations]))
        return found

    def _timing(self, layer: Layer, organisation: Organisation) -> OrganisationTiming:
        mode = organisation.mode_for(layer.name, first=layer.first)
        skip = self._run(layer, organisation, "skip") if mode != "dense" else None
        dense = self._run(layer, organisation, "dense") if mode != "skip" else None
        machine = reference.Machine(layer, reference.Options.of(organisation))
        return OrganisationTiming(mode, machine.dense_cycles(), skip, dense)

    def _run(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Timing:
        results = reference.simulate(layer, organisation.model_dump() | {"layer_mode": mode})
        slots = [[result.slots[kind] for kind in reference.CLASSES] for result in results]
        return Timing(np.array([result.cycles for result in results], np.int64), np.array(slots, np.int64))

    def window_ends(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Counts:
        """A window has ended in the slowest tile when a pass that ends with it has."""
        refuse(self.name, organisation, self.unknown(organisation))
        opt = reference.Options.of(organisation)
        machines = [FirstWindows(layer, opt, count) for count in range(1, layer.windows + 1)]
        passes = list(machines[0].passes())
        ends = [
            [[self._pass(machine, image, mode, *each) for machine in machines] for each in passes]
            for image in range(layer.images)
        ]
        groups = machines[0].layer.groups
        return np.array(ends, np.int64).reshape(layer.images, groups, len(passes) // groups, layer.windows)

    @staticmethod
    def _pass(machine: reference.Machine, image: int, mode: RunMode, group: int, tiles: list[list[int]]) -> int:
        run = machine._skip_pass if mode == "skip" else machine._dense_pass
        return run(machine.store(image), group, tiles, dict.fromkeys(reference.CLASSES, 0))
