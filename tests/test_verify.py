"""The functional check: it holds for any layer and organisation, and it can fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given
from numpy.typing import NDArray

from cnvlutin2 import simulate
from cnvlutin2.errors import VerificationError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset, with_overrides
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import LayerTimings, Timing
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import PlainEngine
from cnvlutin2.timing.slots import SLOT_KINDS
from cnvlutin2.timing.verify import convolve, effectual_products, execute, product, verify_layer, verify_timings

KINDS = ("ineffectual_activation", "ineffectual_weight", "effectual")


@given(layers(), organisations())
def test_products_add_up_to_the_convolution(layer: Layer, organisation: Organisation) -> None:
    (found,) = PlainEngine().time([layer], [organisation])
    verify_timings(ObservedLayer(layer), [organisation], found)


@given(layers(), organisations())
def test_what_lanes_execute_is_what_the_reference_counts(layer: Layer, organisation: Organisation) -> None:
    results = reference.simulate(layer, organisation)
    executed = execute(ObservedLayer(layer), organisation, "skip" if results[0].mode == "skip" else "dense")
    assert executed.products.tolist() == [[result.slots[kind] for kind in KINDS] for result in results]


@given(layers())
def test_convolution_equals_the_plain_loops(layer: Layer) -> None:
    assert np.array_equal(convolve(layer), reference.convolve(layer))


@given(layers())
def test_effectual_products_are_those_of_the_reference(layer: Layer) -> None:
    results = reference.simulate(layer, preset("cnv2-weights"))
    assert effectual_products(layer).tolist() == [result.slots["effectual"] for result in results]


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

    @pytest.mark.parametrize("kind", KINDS)
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

    @pytest.mark.parametrize(
        ("key", "message"), [("effectual_activations", "20] effectual activations"), ("effectual_macs", "40] effectual products")]
    )
    def test_a_count_of_the_layer(self, layer: Layer, key: str, message: str) -> None:
        (found,) = PlainEngine().time([layer], [self.organisation])
        damaged = found._replace(**{key: getattr(found, key) + 1})
        with pytest.raises(VerificationError, match=f"layer 'fc': there are .{message}"):
            verify_timings(ObservedLayer(layer), [self.organisation], damaged)

    @pytest.mark.parametrize("mode", ["skip", "dense"])
    def test_cycles_that_have_other_slots(self, layer: Layer, mode: str) -> None:
        organisation = with_overrides(self.organisation, {"layer_mode": mode})
        (found,) = PlainEngine().time([layer], [organisation])
        (one,) = found.organisations
        timing = getattr(one, mode)
        damaged = one._replace(**{mode: timing._replace(cycles=timing.cycles + 1)})
        with pytest.raises(VerificationError, match=f"{mode}: the slots are not all"):
            verify_timings(ObservedLayer(layer), [organisation], found._replace(organisations=[damaged]))

    def test_an_effectual_product_that_all_lanes_lose(self, layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
        """What executes and what counts may be wrong alike: the tensors alone tell."""
        (found,) = PlainEngine().time([layer], [self.organisation])
        timing = found.organisations[0].of("skip")
        timing.slots[0, SLOT_KINDS.index("effectual")] -= 1
        timing.slots[0, SLOT_KINDS.index("ineffectual_weight")] += 1
        observed = ObservedLayer(layer)
        executed = execute(observed, self.organisation, "skip")
        wrong = executed._replace(products=timing.slots[:, [SLOT_KINDS.index(kind) for kind in KINDS]])
        monkeypatch.setattr("cnvlutin2.timing.verify.execute", lambda *_: wrong)
        verify_layer(observed, self.organisation, "skip", timing)
        with pytest.raises(VerificationError, match=r"skip: there are .40. effectual products, .39. were counted"):
            verify_timings(observed, [self.organisation], found)


@pytest.mark.parametrize("key", ["effectual_activations", "effectual_macs"])
def test_the_command_looks_at_all_of_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    time = PlainEngine.time

    def wrong(self: PlainEngine, layers: Any, organisations: Any) -> list[LayerTimings]:
        return [found._replace(**{key: getattr(found, key) + 1}) for found in time(self, layers, organisations)]

    monkeypatch.setattr(PlainEngine, "time", wrong)
    monkeypatch.setenv("CNVLUTIN2_KERNELS", "numpy")
    with pytest.raises(VerificationError, match="were counted"):
        simulate("digits", np.zeros((1, 1, 8, 8), np.float32), "cnv", verify=True)
