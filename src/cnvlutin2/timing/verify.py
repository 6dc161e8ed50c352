"""The functional check: what an organisation multiplies adds up to the convolution, bit for bit, and counts agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import VerificationError
from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.numeric import effectual
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.timing.engine import Counts, LayerTimings, RunMode, Timing
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import Operands, Pass
from cnvlutin2.timing.plain.engine import passes
from cnvlutin2.timing.slots import SLOT_KINDS

Values = NDArray[np.int16]
Scalar = TypeVar("Scalar", bound=np.generic)

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


def verify_timings(observed: ObservedLayer, organisations: Sequence[Organisation], timings: LayerTimings) -> None:
    """Check a batch of a layer, whatever engine timed it; an observer of `cnvlutin2.simulate`.

    Effectual activations and effectual products, those of every organisation's slots too, are counted once more from the tensors,
    with nothing of `mapping`; then each organisation is checked by `verify_layer`.

    Parameters
    ----------
    observed : ObservedLayer
    organisations : sequence of Organisation
    timings : LayerTimings
        As counted.

    Raises
    ------
    VerificationError
        Names the layer, the organisation and what differs.
    """
    layer = observed.layer
    activations = np.count_nonzero(effectual(layer.activations, layer.threshold), axis=(1, 2, 3))
    products = effectual_products(layer)
    _agree(f"layer {layer.name!r}", "effectual activations", activations, timings.effectual_activations)
    _agree(f"layer {layer.name!r}", "effectual products", products, timings.effectual_macs)
    for organisation, timing in zip(organisations, timings.organisations, strict=True):
        ways: tuple[tuple[RunMode, Timing | None], ...] = ("skip", timing.skip), ("dense", timing.dense)
        for mode, found in ways:
            if found is not None:
                verify_layer(observed, organisation, mode, found)
                slots = found.slots[:, SLOT_KINDS.index("effectual")]
                _agree(f"layer {layer.name!r}, {organisation.name}, {mode}", "effectual products", products, slots)


def _agree(where: str, what: str, there_are: Counts, counted: Counts) -> None:
    if not np.array_equal(there_are, counted):
        raise VerificationError(f"{where}: there are {there_are.tolist()} {what}, {counted.tolist()} were counted")


def verify_layer(observed: ObservedLayer, organisation: Organisation, mode: RunMode, timing: Timing) -> None:
    """Check one layer under one organisation, whatever engine timed it.

    The outputs accumulated from exactly the products that the lanes execute equal the integer convolution of the thresholded
    tensors; there are as many products of each kind as the slots say; and the slots are all that the multipliers had in so many
    cycles.

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
    filters = weights.reshape(layer.groups, layer.group_filters, layer.group_channels, *layer.kernel_size)
    out = np.zeros((layer.images, layer.groups, layer.group_filters, layer.windows), np.int64)
    for (ky, kx), seen in _seen_by_windows(layer, activations):
        out += product(filters[..., ky, kx], seen)
    return out.reshape(layer.images, layer.filters, *layer.output_size)


def effectual_products(layer: Layer) -> Counts:
    """Count the products of an effectual activation and an effectual weight, ``[N]``, with nothing of `mapping`."""
    flags = effectual(layer.activations, layer.threshold)
    weights = effectual(layer.weights, layer.weight_threshold)
    by_group = weights.reshape(layer.groups, layer.group_filters, layer.group_channels, *layer.kernel_size)
    filters = np.count_nonzero(by_group, axis=1)  # [groups, Cg, Kh, Kw]
    found = np.zeros(layer.images, np.int64)
    for (ky, kx), seen in _seen_by_windows(layer, flags):
        found += (np.count_nonzero(seen, axis=-1) * filters[..., ky, kx]).sum(axis=(1, 2))
    return found


def _seen_by_windows(layer: Layer, values: NDArray[Scalar]) -> Iterator[tuple[tuple[int, int], NDArray[Scalar]]]:
    """Yield, for each place of the kernel, what all windows see there, ``[N, groups, Cg, windows]``."""
    (top, left, bottom, right), (sy, sx), (dy, dx) = layer.pads, layer.strides, layer.dilations
    (oh, ow), (kh, kw) = layer.output_size, layer.kernel_size
    padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
    grouped = padded.reshape(layer.images, layer.groups, layer.group_channels, *padded.shape[2:])
    for ky, kx in np.ndindex(kh, kw):
        rows = slice(ky * dy, ky * dy + (oh - 1) * sy + 1, sy)
        columns = slice(kx * dx, kx * dx + (ow - 1) * sx + 1, sx)
        yield (ky, kx), grouped[..., rows, columns].reshape(*grouped.shape[:3], oh * ow)


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
