"""The functional check: what an organisation multiplies adds up to the convolution, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import VerificationError
from cnvlutin2.layer import Layer
from cnvlutin2.numeric import effectual
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.slots import SLOT_KINDS, Counts
from cnvlutin2.timing.steps import StepMap
from cnvlutin2.timing.workers import split

_EXECUTED = [SLOT_KINDS.index(kind) for kind in ("ineffectual_activation", "ineffectual_weight", "effectual")]


def verify_layer(prepared: PreparedLayer, organisation: Organisation, mode: str, slots: Counts) -> None:
    """Check one layer under one organisation.

    The outputs accumulated in 64 bits from exactly the products that the lanes execute equal the integer convolution of the
    thresholded tensors, and there are as many products as the slot accounting says.

    Parameters
    ----------
    prepared : PreparedLayer
    organisation : Organisation
    mode : {"skip", "dense"}
    slots : int64 ``[N, len(SLOT_KINDS)]``
        As counted by the timing model.

    Raises
    ------
    VerificationError
        Names the layer, the organisation and what differs.
    """
    layer = prepared.layer
    outputs, products = execute(prepared, organisation, mode)
    expected = convolve(layer)
    if not np.array_equal(outputs, expected):
        wrong = int(np.count_nonzero(outputs != expected))
        raise VerificationError(
            f"layer {layer.name!r}, {organisation.name}: {wrong} of {expected.size} outputs differ from the convolution"
        )
    counted = slots[:, _EXECUTED].sum(axis=1)
    if not np.array_equal(products, counted):
        raise VerificationError(
            f"layer {layer.name!r}, {organisation.name}: {products.tolist()} products were executed, {counted.tolist()} counted"
        )


def execute(prepared: PreparedLayer, organisation: Organisation, mode: str) -> tuple[Counts, Counts]:
    """Accumulate the products that an organisation executes.

    Returns
    -------
    outputs : int64 ``[N, Co, Ho, Wo]``
    products : int64 ``[N]``
        How many there were.
    """
    if mode == "dense":  # every value of every step is multiplied
        organisation = with_overrides(organisation, {"layer_mode": "skip", "skip_activations": False, "skip_weights": "none"})
    layer, steps, runs = prepared.layer, prepared.steps(organisation), prepared.runs(organisation)
    masks = prepared.run_masks(organisation)
    skipped = organisation.skip_weights != "none"
    weight_masks = prepared.weight_masks(organisation) if skipped else np.zeros((0,) * 6, np.uint8)
    values, weights = _step_values(layer, steps), _step_weights(layer, steps)
    source = _sources(layer.images, steps)
    out = np.zeros((layer.groups, layer.images * steps.windows, layer.group_filters), np.int64)
    order = runs.lane_order(steps.steps)

    def task(first: int, last: int) -> Counts:
        products = np.zeros(layer.images, np.int64)
        where = (runs.starts, values, weights, source, steps.windows, first, last, out, products)
        prepared.kernels.execute(masks, weight_masks, organisation.filters_per_tile, *order, *where)
        return products

    products: Counts = np.sum(split(task, layer.images * steps.windows, prepared.jobs), axis=0)
    by_image = out.reshape(layer.groups, layer.images, steps.windows, layer.group_filters)
    return by_image.transpose(1, 0, 3, 2).reshape(layer.images, layer.filters, *layer.output_size), products


def convolve(layer: Layer) -> Counts:
    """Convolve the thresholded integer tensors in 64 bits, ``[N, Co, Ho, Wo]``, one kernel place at a time."""
    activations, weights = _thresholded(layer)
    (top, left, bottom, right), (sy, sx), (dy, dx) = layer.pads, layer.strides, layer.dilations
    (oh, ow), (kh, kw) = layer.output_size, layer.kernel_size
    padded = np.pad(activations.astype(np.int64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    grouped = padded.reshape(layer.images, layer.groups, layer.group_channels, *padded.shape[2:])
    filters = weights.astype(np.int64).reshape(layer.groups, layer.group_filters, layer.group_channels, kh, kw)
    out = np.zeros((layer.images, layer.groups, layer.group_filters, oh * ow), np.int64)
    for ky, kx in np.ndindex(kh, kw):
        rows = slice(ky * dy, ky * dy + (oh - 1) * sy + 1, sy)
        columns = slice(kx * dx, kx * dx + (ow - 1) * sx + 1, sx)
        seen = grouped[..., rows, columns].reshape(*grouped.shape[:3], oh * ow)
        out += np.matmul(filters[..., ky, kx], seen)
    return out.reshape(layer.images, layer.filters, oh, ow)


def _thresholded(layer: Layer) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return activations and weights with the ineffectual ones 0."""
    a, w = layer.activations, layer.weights
    return a * effectual(a, layer.threshold), w * effectual(w, layer.weight_threshold)


def _step_values(layer: Layer, steps: StepMap) -> NDArray[np.int16]:
    """Return the activations by step, ``[groups, step values, images * places + 1]``; the last place is the padding."""
    activations, _ = _thresholded(layer)
    maps = activations.reshape(layer.images, layer.groups, layer.group_channels, *layer.input_size)
    if steps.row_packed:  # a place holds the window's row: x first, channel inside
        left, kw = layer.pads[1], layer.kernel_size[1]
        column = np.arange(steps.width)[:, None] * layer.strides[1] - left + np.arange(kw)
        inside = (column >= 0) & (column < layer.input_size[1])
        rows = maps[..., np.clip(column, 0, layer.input_size[1] - 1)] * inside  # [N, G, C, H, Wo, Kw]
        maps = rows.transpose(0, 1, 5, 2, 3, 4).reshape(layer.images, layer.groups, steps.values, steps.height, steps.width)
    places = layer.images * steps.height * steps.width
    out = np.zeros((layer.groups, steps.values, places + 1), np.int16)
    out[..., :-1] = np.moveaxis(maps, 0, 2).reshape(layer.groups, steps.values, places)
    return out


def _step_weights(layer: Layer, steps: StepMap) -> NDArray[np.int16]:
    """Return the weights by step, ``[groups, steps, step values, filters]``."""
    _, weights = _thresholded(layer)
    grouped = weights.reshape(layer.groups, layer.group_filters, *weights.shape[1:])
    by_place = grouped.transpose(0, 3, 4, 2, 1)  # [groups, ky, kx, channel, filter]
    return np.ascontiguousarray(by_place.reshape(layer.groups, steps.steps, steps.values, layer.group_filters))


def _sources(images: int, steps: StepMap) -> NDArray[np.int32]:
    """Return the place that each step reads, ``[steps, images * windows]``; the place after the last is the padding."""
    axes = []
    for axis in (0, 1):
        window = np.arange(steps.outputs[axis]) * steps.strides[axis] - steps.pads[axis]
        axes.append(window + np.arange(steps.kernel[axis])[:, None] * steps.dilations[axis])
    y, x = axes[0][:, None, :, None], axes[1][None, :, None, :]  # [ky, kx, oy, ox]
    inside = (y >= 0) & (y < steps.height) & (x >= 0) & (x < steps.width)
    place = np.where(inside, y * steps.width + x, -1).reshape(steps.steps, 1, steps.windows)
    base = np.arange(images)[:, None] * (steps.height * steps.width)
    whole = np.where(place < 0, images * steps.height * steps.width, place + base)
    return np.ascontiguousarray(whole.reshape(steps.steps, -1), np.int32)
