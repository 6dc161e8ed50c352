"""What a layer's activations take under every format, the reference codecs and the entropy bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, brick_sizes, pointer_widths
from cnvlutin2.encodings.references import reference_bits
from cnvlutin2.encodings.registry import all_formats
from cnvlutin2.encodings.storage import Packing, Storage, brick_counts
from cnvlutin2.numeric import effectual
from cnvlutin2.simd import Kernels

if TYPE_CHECKING:
    from cnvlutin2.layer import Layer

POINTERS = "pointers"


@dataclass(frozen=True)
class Footprint:
    """Sizes of some activations, in bits; footprints add.

    Attributes
    ----------
    values, effectual : int
        Values (without fill) and how many of them are effectual.
    bits : mapping of str to int
        Under each format (pointers included), reference codec and the bound.
    parts : mapping of str to mapping of str to int
        What the bits of each format are spent on: values, vectors, offsets, flags, unused, pointers.
    """

    values: int = 0
    effectual: int = 0
    bits: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def density(self) -> float:
        """The fraction of values that are effectual."""
        return self.effectual / self.values

    def __add__(self, other: Footprint) -> Footprint:
        parts = {name: _add(self.parts.get(name, {}), parts) for name, parts in other.parts.items()}
        values, count = self.values + other.values, self.effectual + other.effectual
        return Footprint(values, count, _add(self.bits, other.bits), parts)


def _add(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def footprint(
    maps: NDArray[np.int16],
    threshold: int = 1,
    brick: int = 16,
    data_bits: int = 16,
    packing: Packing = "brick",
    groups: int = 1,
    pointer_group: int = 1,
    kernels: Kernels | None = None,
) -> Footprint:
    """Measure an array ``[C, H, W]`` under every format; parameters as of `encode`."""
    mask = effectual(maps, threshold)
    counts = brick_counts(mask, brick, groups, packing)
    parts = {name: _parts(name, counts, brick, data_bits, pointer_group) for name in all_formats()}
    bits = {name: sum(found.values()) for name, found in parts.items()}
    references = reference_bits(mask[None], groups, data_bits, kernels)
    bits.update({name: int(found[0]) for name, found in references.items()})
    return Footprint(maps.size, int(counts.sum(dtype=np.int64)), bits, parts)


def _parts(name: str, counts: Counts, brick: int, data_bits: int, pointer_group: int) -> dict[str, int]:
    form = all_formats()[name]
    parts = form.parts(counts, brick, data_bits)
    if form.indirect:
        pointers = form.pointer_count(counts.size, pointer_group)
        parts[POINTERS] = pointers * form.pointer_bits(counts, brick, data_bits)
    return parts


def layer_footprint(layer: Layer, image: int, brick: int, data_bits: int, packing: Packing, pointer_group: int) -> Footprint:
    """Measure one image of a layer's input, packed by rows where the layer is shallow and `packing` is row."""
    stored: Packing = "row" if layer.geometry.is_row_packed(brick, packing) else "brick"
    maps = layer.activations[image]
    return footprint(maps, layer.threshold, brick, data_bits, stored, layer.groups, pointer_group)


def footprints(layer: Layer, image: int, brick: int, data_bits: int, packing: str, pointer_group: int) -> dict[str, int]:
    """Return the bits of one image of a layer's input by format name, pointers included.

    Parameters
    ----------
    layer : Layer
    image : int
        Index in the layer's batch.
    brick, data_bits : int
    packing : {"brick", "row"}
        Rows are packed only where the layer is shallow (`Geometry.is_row_packed`).
    pointer_group : int

    Returns
    -------
    dict
        All formats, then ``run_length``, ``relative_index`` and ``entropy``.
    """
    return dict(layer_footprint(layer, image, brick, data_bits, "row" if packing == "row" else "brick", pointer_group).bits)


def image_footprints(
    effectual_values: NDArray[np.bool_], histograms: NDArray[np.int64], storage: Storage, data_bits: int, pointer_group: int
) -> dict[str, NDArray[np.int64]]:
    """Return what `footprints` returns for each image of a layer's batch, for all of them at once.

    Parameters
    ----------
    effectual_values : bool ``[N, C, H, W]``
    histograms : int64 ``[N, brick + 1]``
        How many of an image's bricks have so many effectual values (`brick_histograms`): sizes follow from that alone.
    storage : Storage
        How an image is cut into bricks; groups that are set side by side are one.
    data_bits, pointer_group : int

    Returns
    -------
    dict of str to int64 ``[N]``
    """
    sizes = np.stack([brick_sizes(form, storage.brick, data_bits) for form in all_formats().values()])
    bits = dict(zip(all_formats(), sizes @ histograms.T, strict=True))
    for name, form in all_formats().items():
        if form.indirect:
            bits[name] += form.pointer_count(storage.bricks, pointer_group) * pointer_widths(bits[name])
    return {**bits, **reference_bits(effectual_values, storage.groups, data_bits)}
