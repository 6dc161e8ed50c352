"""What layers stream by with, gathered batch by batch into their results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost import TimedLayer, settle_modes
from cnvlutin2.cost.packed_rows import PackedRows
from cnvlutin2.encodings import Storage, image_footprints
from cnvlutin2.layer import Geometry
from cnvlutin2.organisation import Organisation
from cnvlutin2.results import LayerInfo, LayerResult
from cnvlutin2.timing.engine import Counts, LayerTimings, OrganisationTiming, RunMode, Timing
from cnvlutin2.timing.observed import InputTensor, ObservedLayer

Scalar = TypeVar("Scalar", bound=np.generic)
Sizes = tuple[Storage, int, int]
"""What footprints depend on: how a layer is stored, bits a value, bricks a pointer."""


@dataclass
class _Entry:
    """A layer at one width: what does not depend on the organisation, then what does, all of it batch by batch."""

    info: LayerInfo
    geometry: Geometry
    tensor: InputTensor
    effectual_macs: list[Counts] = field(default_factory=list)
    densities: list[NDArray[np.float64]] = field(default_factory=list)
    footprints: dict[Sizes, list[dict[str, Counts]]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, Sizes] = field(default_factory=dict)  # by organisation
    timings: dict[str, list[OrganisationTiming]] = field(default_factory=lambda: defaultdict(list))

    def timing(self, organisation: Organisation, mode: RunMode) -> Timing:
        """Return what all images take under an organisation in a mode that was timed."""
        batches = [timing.of(mode) for timing in self.timings[organisation.name]]
        return Timing(_joined([batch.cycles for batch in batches]), _joined([batch.slots for batch in batches]))


class Collection:
    """The layers that have been timed."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], _Entry] = {}

    def add(self, observed: ObservedLayer, organisations: Sequence[Organisation], timings: LayerTimings) -> None:
        """Add one batch of one layer under organisations of one width."""
        layer = observed.layer
        key = layer.name, organisations[0].data_bits
        if key not in self._entries:
            self._entries[key] = _Entry(_info(observed), layer.geometry, observed.tensor)
        entry = self._entries[key]
        entry.effectual_macs.append(timings.effectual_macs)
        entry.densities.append(timings.effectual_activations / layer.activations[0].size)
        for organisation, timing in zip(organisations, timings.organisations, strict=True):
            storage = observed.schedule(organisation).storage
            entry.sizes[organisation.name] = storage, organisation.data_bits, organisation.pointer_group
            entry.timings[organisation.name].append(timing)
        for storage, data_bits, pointer_group in dict.fromkeys(entry.sizes.values()):
            found = image_footprints(observed.bits, observed.brick_histograms(storage), storage, data_bits, pointer_group)
            entry.footprints[storage, data_bits, pointer_group].append(found)

    def results(self, organisations: Sequence[Organisation]) -> list[LayerResult]:
        """Return what was found, layer by layer in the order in which they came, the organisations of each as given."""
        names = list(dict.fromkeys(name for name, _ in self._entries))
        shared = {key: _Shared(entry) for key, entry in self._entries.items()}
        modes = {o.name: self._modes(names, o) for o in organisations}
        return [
            shared[name, o.data_bits].result(o, modes[o.name][index]) for index, name in enumerate(names) for o in organisations
        ]

    def _modes(self, names: Sequence[str], organisation: Organisation) -> list[RunMode]:
        """Return the mode in which each layer runs."""
        timed = []
        for name in names:
            entry = self._entries[name, organisation.data_bits]
            mode = entry.timings[organisation.name][0].mode
            asked: tuple[RunMode, ...] = ("skip", "dense") if mode == "auto" else (mode,)
            cycles = {each: entry.timing(organisation, each).cycles for each in asked}
            timed.append(TimedLayer(entry.geometry, entry.tensor, mode, cycles))
        return settle_modes(timed, organisation)


class _Shared:
    """The batches of a layer joined, once for all organisations that share them."""

    def __init__(self, entry: _Entry) -> None:
        self._entry = entry
        self._macs, self._densities = _joined(entry.effectual_macs), _joined(entry.densities)
        self._bits = {sizes: {n: _joined([f[n] for f in some]) for n in some[0]} for sizes, some in entry.footprints.items()}

    def result(self, organisation: Organisation, mode: RunMode) -> LayerResult:
        """Return what the layer takes under an organisation, in the mode in which it runs."""
        entry, name = self._entry, organisation.name
        timing, dense_cycles = entry.timing(organisation, mode), entry.timings[name][0].dense_cycles
        bits = self._bits[entry.sizes[name]]
        return LayerResult(
            entry.info, name, mode, timing.cycles, self._macs, dense_cycles, PackedRows(timing.slots.T), self._densities, bits
        )


def _joined(parts: Sequence[NDArray[Scalar]]) -> NDArray[Scalar]:
    """Return arrays one after another; a single one as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _info(observed: ObservedLayer) -> LayerInfo:
    layer = observed.layer
    return LayerInfo(
        name=layer.name,
        kind=layer.kind,
        input_shape=(layer.activations.shape[1], *layer.input_size),
        output_shape=(layer.filters, *layer.output_size),
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        pads=layer.pads,
        dilations=layer.dilations,
        groups=layer.groups,
        threshold=layer.threshold,
        weight_threshold=layer.weight_threshold,
        first=layer.first,
        macs=layer.macs,
        weight_density=observed.weights.effectual / layer.weights.size,
        synthetic=layer.synthetic,
    )
