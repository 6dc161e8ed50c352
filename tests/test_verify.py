"""The functional check: it holds for any layer and organisation, and it can fail."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from numpy.typing import NDArray

from cnvlutin2.errors import VerificationError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import Timing
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import PlainEngine
from cnvlutin2.timing.slots import SLOT_KINDS
from cnvlutin2.timing.verify import convolve, execute, product, verify_layer


@given(layers(), organisations())
def test_products_add_up_to_the_convolution(layer: Layer, organisation: Organisation) -> None:
    (found,) = PlainEngine().time([layer], [organisation])[0].organisations
    observed = ObservedLayer(layer)
    if found.skip is not None:
        verify_layer(observed, organisation, "skip", found.skip)
    if found.dense is not None:
        verify_layer(observed, organisation, "dense", found.dense)


@given(layers(), organisations())
def test_what_lanes_execute_is_what_the_reference_counts(layer: Layer, organisation: Organisation) -> None:
    results = reference.simulate(layer, organisation)
    executed = execute(ObservedLayer(layer), organisation, "skip" if results[0].mode == "skip" else "dense")
    kinds = ("ineffectual_activation", "ineffectual_weight", "effectual")
    assert executed.products.tolist() == [[result.slots[kind] for kind in kinds] for result in results]


@given(layers())
def test_convolution_equals_the_plain_loops(layer: Layer) -> None:
    assert np.array_equal(convolve(layer), reference.convolve(layer))


def test_a_product_too_large_for_floating_point_is_exact_too() -> None:
    """2**23 + 2 products of 2**30, less one, are an odd number beyond 2**53, where float64 holds even ones only."""
    size = (1 << 23) + 3
    left, right = np.full((1, size), -(1 << 15), np.int16), np.full((size, 1), -(1 << 15), np.int16)
    left[0, 0], right[0, 0] = 1, -1
    assert product(left, right).tolist() == [[(1 << 53) + (1 << 31) - 1]]


def counted(layer: Layer, organisation: Organisation) -> Timing:
    return PlainEngine().time([layer], [organisation])[0].organisations[0].of("skip")


class TestWhatIsWrongIsNoticed:
    organisation = preset("cnv2-dispatch")

    @pytest.fixture
    def layer(self) -> Layer:
        return Layer("fc", np.full((1, 20, 1, 1), 3, np.int16), np.full((2, 20, 1, 1), 5, np.int16))

    def test_a_lost_activation(self, layer: Layer) -> None:
        timing = counted(layer, self.organisation)
        verify_layer(ObservedLayer(layer), self.organisation, "skip", timing)
        damaged = ObservedLayer(layer)
        damaged.bits[0, 7] = False
        with pytest.raises(VerificationError, match="2 of 2 outputs differ"):
            verify_layer(damaged, self.organisation, "skip", timing)

    @pytest.mark.parametrize("kind", ["ineffectual_activation", "ineffectual_weight", "effectual"])
    def test_a_product_too_many(self, layer: Layer, kind: str) -> None:
        timing = counted(layer, self.organisation)
        timing.slots[0, SLOT_KINDS.index(kind)] += 1
        timing.slots[0, SLOT_KINDS.index("unused_filters")] -= 1
        with pytest.raises(VerificationError, match=f"{kind} products were executed"):
            verify_layer(ObservedLayer(layer), self.organisation, "skip", timing)

    @pytest.mark.parametrize("change", [(0, 1), (SLOT_KINDS.index("fetch"), 1)])
    def test_slots_that_do_not_add_up(self, layer: Layer, change: tuple[int, int]) -> None:
        timing = counted(layer, self.organisation)
        slots: NDArray[np.int64] = timing.slots.copy()
        slots[0, change[0]] += change[1]
        with pytest.raises(VerificationError, match="slots are not all"):
            verify_layer(ObservedLayer(layer), self.organisation, "skip", timing._replace(slots=slots))

    def test_a_negative_count(self, layer: Layer) -> None:
        timing = counted(layer, self.organisation)
        timing.slots[0, SLOT_KINDS.index("unused_filters")] += timing.slots[0, SLOT_KINDS.index("fetch")] + 1
        timing.slots[0, SLOT_KINDS.index("fetch")] = -1
        with pytest.raises(VerificationError, match="slots are not all"):
            verify_layer(ObservedLayer(layer), self.organisation, "skip", timing)
