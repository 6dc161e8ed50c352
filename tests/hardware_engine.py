"""The hardware as an engine: what its counters say, in Amaranth's own simulator, so for small layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from reference_engine import ReferenceEngine

from cnvlutin2.errors import ConfigError
from cnvlutin2.hardware.cosimulation import parameters_for
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.amaranth import AmaranthSimulator
from cnvlutin2.hardware.simulators.protocol import Design, PassJob
from cnvlutin2.hardware.stimuli import stimuli
from cnvlutin2.hardware.workload import Workload
from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts, LayerTimings, OrganisationTiming, RunMode, Timing
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.options import refuse, unknown_options
from cnvlutin2.timing.plain.engine import KNOWN
from cnvlutin2.timing.slots import SLOT_KINDS

_LIMIT = 10_000


class HardwareEngine:
    """Counts cycles, and no slots."""

    name = "hardware"

    def unknown(self, organisation: Organisation) -> tuple[str, ...]:
        found = unknown_options(organisation, KNOWN)
        try:
            Parameters.of(organisation)
        except ConfigError as error:
            found = found or (f"{error.where}={getattr(organisation, error.where)}",)
        return found

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        for organisation in organisations:
            refuse(self.name, organisation, self.unknown(organisation))
        return [self._timings(layer, organisations) for layer in layers]

    def _timings(self, layer: Layer, organisations: Sequence[Organisation]) -> LayerTimings:
        found = []
        for organisation in organisations:
            mode = organisation.mode_for(layer.name, first=layer.first)
            skip = self._timing(layer, organisation, "skip") if mode in ("skip", "auto") else None
            dense = self._timing(layer, organisation, "dense") if mode in ("dense", "auto") else None
            found.append(OrganisationTiming(mode, Schedule.of(layer.geometry, organisation).dense_cycles, skip, dense))
        observed = ObservedLayer(layer)
        return LayerTimings(observed.effectual_activations, observed.effectual_macs, found)

    def _timing(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Timing:
        cycles = self.window_ends(layer, organisation, mode)[..., -1].sum(axis=(1, 2))
        return Timing(cycles, np.zeros((layer.images, len(SLOT_KINDS)), np.int64))

    def window_ends(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Counts:
        refuse(self.name, organisation, self.unknown(organisation))
        workloads = [Workload(layer.image(i), organisation, mode, ReferenceEngine()) for i in range(layer.images)]
        parameters = parameters_for(organisation, workloads, None)
        with AmaranthSimulator().open(Design(parameters, "")) as run:
            jobs = (PassJob(work, given, _LIMIT) for each in workloads for work, given in stimuli(each, parameters))
            ends = np.stack([result.window_ends for result in run(jobs)])
        schedule = workloads[0].schedule
        return ends.reshape(layer.images, schedule.groups, schedule.passes, -1)
