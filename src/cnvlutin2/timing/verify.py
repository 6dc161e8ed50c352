"""The functional check: what an organisation multiplies adds up to the convolution, bit for bit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import VerificationError
from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.numeric import effectual
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.timing.engine import Counts, RunMode, Timing
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import Operands, Pass
from cnvlutin2.timing.plain.engine import passes
from cnvlutin2.timing.slots import SLOT_KINDS

Values = NDArray[np.int16]

_EXECUTED = ("ineffectual_activation", "ineffectual_weight", "effectual")
_EXACT = 1 << 53
"""Integers of no larger magnitude are exact in float64."""
_BLOCK_BYTES = 1 << 26


class Executed(NamedTuple):
    """What lanes multiply.

    Parameters
    ----------
    outputs : int64 ``[N, Co, Ho, Wo]``
    products : int64 ``[N, 3]``
        Products with an ineffectual activation; those with an effectual one and an ineffectual weight; effectual ones.
    """

    outputs: Counts
    products: Counts


def verify_layer(observed: ObservedLayer, organisation: Organisation, mode: RunMode, timing: Timing) -> None:
    """Check one layer under one organisation, whatever engine timed it.

    The outputs accumulated from exactly the products that the lanes execute equal the integer convolution of the thresholded
    tensors; there are as many products of each kind as the slots say; and the slots are all that the multipliers had.

    Parameters
    ----------
    observed : ObservedLayer
    organisation : Organisation
    mode : {"skip", "dense"}
    timing : Timing
        As counted.

    Raises
    ------
    VerificationError
        Names the layer, the organisation and what differs.
    """
    layer, slots = observed.layer, timing.slots
    where = f"layer {layer.name!r}, {organisation.name}, {mode}"
    multipliers = timing.cycles * organisation.slots_per_cycle
    if slots.min() < 0 or not np.array_equal(slots.sum(axis=1), multipliers):
        raise VerificationError(f"{where}: the slots are not all of the multipliers' {multipliers.tolist()}")
    executed, expected = execute(observed, organisation, mode), convolve(layer)
    if not np.array_equal(executed.outputs, expected):
        wrong = int(np.count_nonzero(executed.outputs != expected))
        raise VerificationError(f"{where}: {wrong} of {expected.size} outputs differ from the convolution")
    for kind, products in zip(_EXECUTED, executed.products.T, strict=True):
        counted = slots[:, SLOT_KINDS.index(kind)]
        if not np.array_equal(products, counted):
            raise VerificationError(f"{where}: {products.tolist()} {kind} products were executed, {counted.tolist()} counted")


def execute(observed: ObservedLayer, organisation: Organisation, mode: RunMode) -> Executed:
    """Accumulate the products that the lanes of an organisation execute."""
    if mode == "dense":  # every value of every step is multiplied
        organisation = with_overrides(organisation, {"layer_mode": "skip", "skip_activations": False, "skip_weights": "none"})
    operands = Operands(observed, observed.schedule(organisation))
    schedule, layer = operands.schedule, observed.layer
    step, value = _dense_order(schedule) if mode == "dense" else _skip_order(schedule)
    values = operands.by_place(_thresholded(layer.activations, layer.threshold)) * operands.seen
    outputs = np.empty((layer.images, layer.filters, layer.windows), np.int64)
    products = np.zeros((layer.images, 3), np.int64)
    blocks = np.array_split(np.arange(layer.windows), -(-8 * step.size * layer.windows // _BLOCK_BYTES))
    for each in passes(operands):
        weights = _weights(each, schedule.weights_met()[step, value])
        wanted = np.repeat(each.columns.wanted[step, value], each.columns.filters, axis=1).T  # [filters, taken]
        executed = np.stack([wanted, wanted & (weights != 0)]).sum(axis=1)  # filters that multiply a value; effectually
        for image, windows in ((image, block) for image in range(layer.images) for block in blocks):
            places = operands.places(image * layer.windows + windows)[step]
            taken = values[each.group, value[:, None], places]
            outputs[image, each.filters[:, None], windows] = product(weights * wanted, taken)
            seen = np.count_nonzero(operands.seen[each.group, value[:, None], places], axis=1)
            useful = np.count_nonzero(taken, axis=1)
            products[image] += (seen - useful) @ executed[0], useful @ (executed[0] - executed[1]), useful @ executed[1]
    return Executed(outputs.reshape(layer.images, layer.filters, *layer.output_size), products)


def _skip_order(schedule: Schedule) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the step and the value that lanes apart take one after another, lane by lane and run by run."""
    order, runs = schedule.lane_order, schedule.runs
    value = np.concatenate([np.arange(runs.starts[run], runs.stops[run]) for run in order.run_of])
    return np.repeat(order.step_of, runs.lengths[order.run_of]), value


def _dense_order(schedule: Schedule) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the step and the value that lanes together take one after another."""
    step, value = np.broadcast_arrays(np.arange(schedule.steps.steps)[:, None], schedule.dense_values.reshape(1, -1))
    taken = value >= 0
    return step[taken], value[taken]


def _weights(each: Pass, met: NDArray[np.int64]) -> Values:
    """Return the thresholded weights of a pass's filters that some values meet, ``[filters, values]``."""
    layer = each.operands.layer
    return _thresholded(layer.weights[each.filters], layer.weight_threshold).reshape(each.filters.size, -1)[:, met]


def convolve(layer: Layer) -> Counts:
    """Convolve the thresholded integer tensors, ``[N, Co, Ho, Wo]``, one kernel place at a time, with nothing of `mapping`."""
    activations = _thresholded(layer.activations, layer.threshold)
    weights = _thresholded(layer.weights, layer.weight_threshold)
    (top, left, bottom, right), (sy, sx), (dy, dx) = layer.pads, layer.strides, layer.dilations
    (oh, ow), (kh, kw) = layer.output_size, layer.kernel_size
    padded = np.pad(activations, ((0, 0), (0, 0), (top, bottom), (left, right)))
    grouped = padded.reshape(layer.images, layer.groups, layer.group_channels, *padded.shape[2:])
    filters = weights.reshape(layer.groups, layer.group_filters, layer.group_channels, kh, kw)
    out = np.zeros((layer.images, layer.groups, layer.group_filters, oh * ow), np.int64)
    for ky, kx in np.ndindex(kh, kw):
        rows = slice(ky * dy, ky * dy + (oh - 1) * sy + 1, sy)
        columns = slice(kx * dx, kx * dx + (ow - 1) * sx + 1, sx)
        seen = grouped[..., rows, columns].reshape(*grouped.shape[:3], oh * ow)
        out += product(filters[..., ky, kx], seen)
    return out.reshape(layer.images, layer.filters, oh, ow)


def product(left: Values, right: Values) -> Counts:
    """Multiply integer matrices ``[..., I, K]`` and ``[..., K, J]`` exactly.

    No partial sum, in whatever order, is larger than ``K max|left| max|right|``. As long as float64 holds all integers up to
    that (with 16-bit values up to K = 2**23), its fast product is exact.
    """
    bound = left.shape[-1] * _magnitude(left) * _magnitude(right)
    kind = np.float64 if bound <= _EXACT else np.int64
    exact: Counts = np.matmul(left.astype(kind), right.astype(kind)).astype(np.int64)
    return exact


def _magnitude(values: Values) -> int:
    return max(int(values.max()), -int(values.min()))


def _thresholded(values: Values, threshold: int) -> Values:
    """Return values with the ineffectual ones 0."""
    return np.where(effectual(values, threshold), values, np.int16(0))
