"""The slow reference against hand-computed layers, published cycles and the model's own laws."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.testing import layers, organisations


def fully_connected(activations: list[int], weights: list[list[int]], **changes: int) -> Layer:
    """A layer with one window; `weights` has a row a filter."""
    a = np.array(activations, dtype=np.int16).reshape(1, -1, 1, 1)
    w = np.array(weights, dtype=np.int16)[:, :, None, None]
    return Layer("fc", a, w, **changes)  # type: ignore[arg-type]


def machine(**options: object) -> dict[str, object]:
    """One multiplier, bricks of 2, unless told otherwise."""
    return {"tiles": 1, "filters_per_tile": 1, "lanes": 1, "brick": 2, **options}


def slots(**counts: int) -> dict[str, int]:
    return dict.fromkeys(reference.CLASSES, 0) | counts


class TestByHand:
    def test_two_sliced_lanes(self) -> None:
        # 8 values, S = 8/2 = 4 a lane. Lane 0: (1, 2), (0, 0) cost 2 + 1; lane 1: (0, 3), (0, 0) cost 1 + 1: 3 cycles.
        # Lane 0 multiplies 1 by 1 and 2 by 0, fetches a cycle; lane 1 multiplies 3, fetches a cycle, waits a cycle.
        layer = fully_connected([1, 2, 0, 0, 0, 3, 0, 0], [[1, 0, 1, 1, 1, 1, 1, 1]])
        (result,) = reference.simulate(layer, machine(lanes=2))
        assert result.cycles == 3
        assert result.slots == slots(effectual=2, ineffectual_weight=1, fetch=2, lane_sync=1)
        assert result.dense_cycles == 4
        assert result.effectual_macs == 2

    def test_interleaved_lanes(self) -> None:
        # Bricks (1, 2), (0, 0), (0, 3) go to lanes 0, 1, 0: lane 0 takes 2 + 1, lane 1 fetches once and waits twice.
        layer = fully_connected([1, 2, 0, 0, 0, 3], [[1] * 6])
        (result,) = reference.simulate(layer, machine(lanes=2, lane_map="interleaved"))
        assert result.cycles == 3
        assert result.slots == slots(effectual=3, fetch=1, lane_sync=2)

    def test_filters_wait_at_each_brick_or_at_the_end(self) -> None:
        # Filter 0 has work in the first brick only, filter 1 in the second only; a third filter slot is empty.
        layer = fully_connected([1, 1, 1, 1], [[1, 1, 0, 0], [0, 0, 1, 1]])
        together = machine(filters_per_tile=3, skip_weights="per_filter")
        (result,) = reference.simulate(layer, together)
        assert result.cycles == 2 + 2
        assert result.slots == slots(effectual=4, filter_sync=4, unused_filters=4)
        # Apart, each takes 2 cycles for its products and one to fetch the brick in which it has none.
        (result,) = reference.simulate(layer, together | {"filter_sync": "window"})
        assert result.cycles == 2 + 1
        assert result.slots == slots(effectual=4, fetch=2, unused_filters=3)

    def test_shared_offsets_skip_what_no_filter_of_the_tile_wants(self) -> None:
        # Value 1 has no weight in either filter; value 0 has one in filter 0 only; 2 and 3 in both but 3 is zero.
        layer = fully_connected([5, 5, 5, 0], [[1, 0, 1, 1], [0, 0, 1, 1]])
        (result,) = reference.simulate(layer, machine(filters_per_tile=2, skip_weights="shared"))
        assert result.cycles == 1 + 1
        assert result.slots == slots(effectual=3, ineffectual_weight=1)

    # Three windows of two bricks; filter 0 (tile 0) has weights in the first, filter 1 (tile 1) in the second.
    # Costs of the bricks, by window, tile 0 / tile 1:  (2,1)/(1,2)   (2,1)/(1,1)   (1,1)/(1,2)
    @pytest.mark.parametrize(
        ("sync", "cycles", "waiting"),
        [
            ("window", 3 + 3 + 3, 0 + 1 + 1),
            ("brick", 4 + 3 + 3, 2 + 1 + 1),
            ("layer", 3 + 3 + 2, 0),  # tile 1: 3 + 2 + 3
        ],
    )
    def test_tiles_wait(self, sync: str, cycles: int, waiting: int) -> None:
        maps = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]], dtype=np.int16)  # [C, W]
        weights = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=np.int16)[:, :, None, None]
        layer = Layer("tiles", maps[None, :, None, :], weights)
        (result,) = reference.simulate(layer, machine(tiles=2, skip_weights="per_filter", tile_sync=sync))
        assert result.cycles == cycles
        assert result.slots == slots(effectual=8, fetch=2 + 3 + 3, lane_sync=waiting)

    def test_rows_of_packed_records(self) -> None:
        # Rows of 2*16 + 2 = 34 bits. Records: 2 + 2*16 -> 48 bits at 0 (rows 0, 1), 2 -> 16 bits at 48 (row 1),
        # 2 + 16 -> 32 bits at 64 (rows 1, 2): the bricks cost max(2, 2), max(0, 1), max(1, 2).
        layer = fully_connected([1, 1, 0, 0, 1, 0], [[1] * 6])
        (packed,) = reference.simulate(layer, machine(format="packed_viai", detect="output"))
        assert packed.cycles == 2 + 1 + 2
        assert packed.slots == slots(effectual=3, fetch=2)
        assert reference.simulate(layer, machine())[0].cycles == 2 + 1 + 1

    def test_raw_bricks_carry_no_offsets(self) -> None:
        # Bricks of 8: offsets take 3 bits, and 7 * (16 + 3) > 8 * 16, so the brick is stored raw and its zero costs a cycle
        # unless it is found at fetch.
        layer = fully_connected([1, 2, 3, 0, 5, 6, 7, 8], [[1] * 8])
        (output,) = reference.simulate(layer, machine(brick=8, format="roe", detect="output"))
        assert output.slots == slots(effectual=7, ineffectual_activation=1)
        assert reference.simulate(layer, machine(brick=8, format="roe", detect="dispatch"))[0].cycles == 7
        six = fully_connected([1, 2, 3, 0, 5, 6, 7, 0], [[1] * 8])
        assert reference.simulate(six, machine(brick=8, format="roe", detect="output"))[0].cycles == 6

    def test_overheads_padding_and_unused_lanes(self) -> None:
        # One channel, rows packed: a step is the kernel's row, 2 values on lanes 0 and 1, lanes 2 and 3 have none. Three
        # windows (padding, 2), (2, 0), (0, 3): 1 cycle of work, 1 of the run's overhead, 2 of the window's.
        layer = Layer(
            "row", np.array([2, 0, 3], dtype=np.int16).reshape(1, 1, 1, 3), np.ones((1, 1, 1, 2), np.int16), pads=(0, 1, 0, 0)
        )
        options = machine(lanes=4, brick=4, run_overhead=1, window_overhead=2)
        (result,) = reference.simulate(layer, options)
        assert result.cycles == 3 * (1 + 1 + 2)
        assert result.slots == slots(overhead=3 * (2 * 1 + 4 * 2), unused_lanes=3 * 2 * 2, effectual=3, fetch=3)
        (dense,) = reference.simulate(layer, options | {"layer_mode": "dense"})
        assert dense.cycles == 3 * (1 + 2)
        assert dense.slots == slots(overhead=3 * 4 * 2, unused_lanes=3 * 2, effectual=3, ineffectual_activation=3)
        # Without skipping, the padding position is multiplied too, and nothing is left to fetch for.
        (blind,) = reference.simulate(layer, options | {"skip_activations": False})
        assert (blind.slots["ineffectual_activation"], blind.slots["fetch"]) == (3, 0)

    def test_thresholds_make_small_values_ineffectual(self) -> None:
        layer = fully_connected([-32768, 9, 10, -10], [[1, 9, -9, 8]], threshold=10, weight_threshold=9)
        (result,) = reference.simulate(layer, machine(brick=4))
        assert result.slots == slots(effectual=1, ineffectual_weight=2)
        assert reference.convolve(layer).tolist() == [[[[10 * -9]]]]

    def test_groups_have_their_own_passes(self) -> None:
        # Depthwise, 2 channels: two passes of one filter each on a machine of two filters; 2 cycles, half the slots empty.
        layer = Layer("dw", np.ones((1, 2, 1, 1), np.int16), np.ones((2, 1, 1, 1), np.int16), groups=2)
        (result,) = reference.simulate(layer, machine(tiles=2))
        assert (result.cycles, result.slots) == (2, slots(effectual=2, unused_filters=2))

    def test_auto_is_one_choice_for_all_images(self) -> None:
        # Dense: 2 cycles an image (4 values on 2 lanes). Skipping: image 0 costs 1, image 1 costs 1 + 3 overhead each.
        a = np.array([[0, 0, 0, 0], [1, 1, 1, 1]], dtype=np.int16)[:, :, None, None]
        layer = Layer("auto", a, np.ones((1, 4, 1, 1), np.int16))
        options = machine(lanes=2, layer_mode="auto")
        assert [(r.mode, r.cycles) for r in reference.simulate(layer, options)] == [("skip", 1), ("skip", 2)]
        options["run_overhead"] = 1  # (1 + 1) + (2 + 1) against 2 + 2
        assert [(r.mode, r.cycles) for r in reference.simulate(layer, options)] == [("dense", 2), ("dense", 2)]
        assert {r.mode for r in reference.simulate(layer.image(0), options)} == {"dense"}  # a tie, 2 against 2


# Compute cycles that another group's simulator gives for the same layers on DaDianNao.
@pytest.mark.parametrize(
    ("channels", "filters", "size", "kernel", "cycles"),
    [(256, 384, 13, 3, 48672), (96, 256, 27, 5, 109350), (256, 256, 56, 3, 451584)],
)
def test_dense_cycles_of_published_layers(channels: int, filters: int, size: int, kernel: int, cycles: int) -> None:
    activations = np.zeros((1, channels, size, size), np.int16)
    pad = kernel // 2
    layer = Layer("conv", activations, np.zeros((filters, channels, kernel, kernel), np.int16), pads=(pad,) * 4)
    assert reference.Machine(layer, reference.Options()).dense_cycles() == cycles


def total(layer: Layer, organisation: Organisation, **changes: object) -> int:
    return sum(r.cycles for r in reference.simulate(layer, organisation.model_dump() | changes))


@settings(max_examples=60)
@given(layers(max_images=2), organisations())
def test_every_effectual_product_is_executed_once(layer: Layer, organisation: Organisation) -> None:
    # `simulate` itself asserts that the classes of slots add up.
    for result in reference.simulate(layer, organisation.model_dump()):
        assert result.slots["effectual"] == result.effectual_macs
        if result.mode == "dense":
            assert result.executed == layer.macs
        elif organisation.skip_weights == "per_filter":
            assert result.slots["ineffectual_weight"] == 0


@settings(max_examples=30)
@given(layers(max_images=1), organisations())
def test_skipping_more_never_costs_more(layer: Layer, organisation: Organisation) -> None:
    assume(organisation.filter_sync == "brick" or organisation.skip_weights != "per_filter")
    by_weights = [total(layer, organisation, layer_mode="skip", skip_weights=s) for s in ("per_filter", "shared", "none")]
    assert by_weights == sorted(by_weights)
    by_wait = [total(layer, organisation, layer_mode="skip", tile_sync=s) for s in ("layer", "window", "brick")]
    assert by_wait == sorted(by_wait)
    best = total(layer, organisation, layer_mode="auto")
    assert best == min(total(layer, organisation, layer_mode=m) for m in ("skip", "dense"))


@settings(max_examples=30)
@given(layers(max_images=1), organisations())
def test_sliced_lanes_are_never_slower_than_dense(layer: Layer, organisation: Organisation) -> None:
    options = organisation.model_dump() | {
        "lane_map": "sliced",
        "lanes": organisation.brick,
        "run_overhead": 0,
        "layer_mode": "skip",
    }
    options |= {"format": "dense", "detect": "dispatch"}
    (skip,) = reference.simulate(layer, options)
    (dense,) = reference.simulate(layer, options | {"layer_mode": "dense"})
    assert skip.cycles <= dense.cycles


def convolve_by_shifts(layer: Layer) -> NDArray[np.int64]:
    """The convolution again, as a sum over kernel positions of whole maps."""
    a = np.where(np.abs(layer.activations.astype(np.int64)) >= layer.threshold, layer.activations, 0).astype(np.int64)
    w = np.where(np.abs(layer.weights.astype(np.int64)) >= layer.weight_threshold, layer.weights, 0).astype(np.int64)
    top, left, bottom, right = layer.pads
    a = np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (down, across), (sy, sx), (dy, dx) = layer.output_size, layer.strides, layer.dilations
    a = a.reshape(layer.images, layer.groups, layer.group_channels, *a.shape[2:])
    w = w.reshape(layer.groups, layer.group_filters, *w.shape[1:])
    out = np.zeros((layer.images, layer.groups, layer.group_filters, down, across), np.int64)
    for ky in range(w.shape[3]):
        for kx in range(w.shape[4]):
            part = a[..., ky * dy :, kx * dx :][..., : (down - 1) * sy + 1 : sy, : (across - 1) * sx + 1 : sx]
            out += np.einsum("ngchw,gfc->ngfhw", part, w[..., ky, kx])
    return out.reshape(layer.images, layer.filters, down, across)


@settings(max_examples=40)
@given(layers(max_images=2, max_channels=12, max_filters=6))
def test_convolution(layer: Layer) -> None:
    assert (reference.convolve(layer) == convolve_by_shifts(layer)).all()
