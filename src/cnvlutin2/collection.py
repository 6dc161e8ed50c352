"""What layers stream by with, gathered batch by batch into their results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Packing, image_footprints
from cnvlutin2.organisation import Organisation
from cnvlutin2.results.model import Counts, LayerInfo, LayerResult
from cnvlutin2.timing import LayerTiming, PreparedLayer, Timing

Scalar = TypeVar("Scalar", bound=np.generic)
Sizes = tuple[Packing, int, int, int]
"""What footprints depend on: how a layer is stored, values a brick, bits a value, bricks a pointer."""


@dataclass
class _Entry:
    """A layer at one width: what does not depend on the organisation, then what does, all of it batch by batch."""

    info: LayerInfo
    effectual_macs: list[Counts] = field(default_factory=list)
    densities: list[NDArray[np.float64]] = field(default_factory=list)
    footprints: dict[Sizes, list[dict[str, Counts]]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, Sizes] = field(default_factory=dict)  # by organisation
    timings: dict[str, list[LayerTiming]] = field(default_factory=lambda: defaultdict(list))


class Collection:
    """The layers that have been timed."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], _Entry] = {}

    def add(self, prepared: PreparedLayer, organisations: Sequence[Organisation], timings: Sequence[LayerTiming]) -> None:
        """Add one batch of one layer under organisations of one width."""
        layer = prepared.layer
        key = layer.name, organisations[0].data_bits
        if key not in self._entries:
            self._entries[key] = _Entry(_info(prepared))
        entry = self._entries[key]
        entry.effectual_macs.append(prepared.effectual_macs)
        entry.densities.append(prepared.activation_counts / layer.activations[0].size)
        for organisation, timing in zip(organisations, timings, strict=True):
            entry.sizes[organisation.name] = _sizes(prepared, organisation)
            entry.timings[organisation.name].append(timing)
        for packing, brick, data_bits, pointer_group in dict.fromkeys(entry.sizes.values()):
            histograms = prepared.brick_histograms(brick, packing)
            found = image_footprints(layer, histograms, brick, data_bits, pointer_group)
            entry.footprints[packing, brick, data_bits, pointer_group].append(found)

    def results(self, organisations: Sequence[Organisation]) -> list[LayerResult]:
        """Return what was found, layer by layer in the order in which they came, the organisations of each as given."""
        by_width: dict[int, list[Organisation]] = defaultdict(list)
        for o in organisations:
            by_width[o.data_bits].append(o)
        found = {
            (name, result.arch): result
            for (name, data_bits), entry in self._entries.items()
            for result in _results(entry, by_width[data_bits])
        }
        return [found[name, o.name] for name in dict.fromkeys(name for name, _ in self._entries) for o in organisations]


def _results(entry: _Entry, organisations: Sequence[Organisation]) -> list[LayerResult]:
    """Join the batches of a layer; what organisations share is joined once."""
    macs, densities = joined(entry.effectual_macs), joined(entry.densities)
    footprints = {sizes: {n: joined([f[n] for f in some]) for n in some[0]} for sizes, some in entry.footprints.items()}
    results = []
    for o in organisations:
        timings = entry.timings[o.name]
        mode = _mode(timings)
        ran = _of(timings, mode)
        cycles, slots = joined([t.cycles for t in ran]), joined([t.slots for t in ran])
        bits = footprints[entry.sizes[o.name]]
        results.append(LayerResult(entry.info, o.name, mode, cycles, macs, timings[0].dense_cycles, slots, densities, bits))
    return results


def joined(parts: Sequence[NDArray[Scalar]]) -> NDArray[Scalar]:
    """Return arrays one after another; a single one as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _mode(timings: Sequence[LayerTiming]) -> str:
    """Return how a layer runs; `auto` is settled, one flag a layer, for all images together."""
    mode = timings[0].mode
    if mode != "auto":
        return mode
    cycles = {m: sum(int(t.cycles.sum()) for t in _of(timings, m)) for m in ("dense", "skip")}
    return "skip" if cycles["skip"] < cycles["dense"] else "dense"


def _of(timings: Sequence[LayerTiming], mode: str) -> list[Timing]:
    return [t for t in ((t.skip if mode == "skip" else t.dense) for t in timings) if t is not None]


def _sizes(prepared: PreparedLayer, o: Organisation) -> Sizes:
    return prepared.packing(o), o.brick, o.data_bits, o.pointer_group


def _info(prepared: PreparedLayer) -> LayerInfo:
    layer = prepared.layer
    return LayerInfo(
        name=layer.name,
        kind=layer.kind,
        input_shape=(layer.activations.shape[1], *layer.input_size),
        weight_shape=(layer.filters, layer.group_channels, *layer.kernel_size),
        output_shape=(layer.filters, *layer.output_size),
        groups=layer.groups,
        strides=layer.strides,
        pads=layer.pads,
        dilations=layer.dilations,
        threshold=layer.threshold,
        weight_threshold=layer.weight_threshold,
        first=layer.first,
        macs=layer.macs,
        weight_density=prepared.weights.effectual / layer.weights.size,
    )
