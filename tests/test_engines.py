"""The contract of engines, in two parts: cycles by window, pass and layer; and slots.

An engine that joins names itself in `ENGINES`; one that counts no slots (the hardware), in `CYCLES_ONLY` instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference_engine import ReferenceEngine

from cnvlutin2.encodings import Counts, get_format
from cnvlutin2.encodings.formats.dense import Dense
from cnvlutin2.encodings.registry import all_formats
from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, parameter, with_overrides
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import Engine, LayerTimings, RunMode
from cnvlutin2.timing.engines import make_engine
from cnvlutin2.timing.plain import PlainEngine
from cnvlutin2.timing.slots import SLOT_KINDS

ENGINES: Mapping[str, Callable[[], Engine]] = {
    "reference": ReferenceEngine,
    "plain": PlainEngine,
    "compiled": lambda: make_engine(2, "numba"),
}


def the_hardware() -> Engine:
    pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")
    from hardware_engine import HardwareEngine

    return HardwareEngine()


CYCLES_ONLY: Mapping[str, Callable[[], Engine]] = {"hardware": the_hardware}
MODES: tuple[RunMode, ...] = ("skip", "dense")

EXPECTED = {
    "vectors": (10, ("expected", "expected_drift", "expected_spread")),
    "grouped": (7, ("expected_groups",)),
}
"""Shared folder: so many traces, and the files that say what they take."""
TRACES = [(folder, f"{folder[0].replace('v', 't')}{i:02}") for folder, (traces, _) in EXPECTED.items() for i in range(traces)]


def made(engines: Mapping[str, Callable[[], Engine]]) -> Any:
    return pytest.fixture(scope="module", params=engines)(lambda request: engines[request.param]())


every_engine = made({**ENGINES, **CYCLES_ONLY})
counting_engine = made(ENGINES)
REFERENCE = ReferenceEngine()
"""It is held against hand-made cases here, and against the shared vectors in tests of its own."""
compared_engine = made({name: engine for name, engine in ENGINES.items() if name != "reference"})


def machine(**options: object) -> Organisation:
    """One multiplier, bricks of 2, unless told otherwise."""
    return Organisation.parse({"tiles": 1, "filters_per_tile": 1, "lanes": 1, "brick": 2, **options}, "a test")


def fully_connected(weights: list[list[int]]) -> Layer:
    """A layer of one window, all activations effectual; `weights` has a row a filter."""
    w = np.array(weights, np.int16)[:, :, None, None]
    return Layer("fc", np.ones((1, w.shape[1], 1, 1), np.int16), w)


def slots(**counts: int) -> list[list[int]]:
    return [[counts.get(kind, 0) for kind in SLOT_KINDS]]


def three_windows() -> Layer:
    """Three windows of two bricks, which cost, tile 0 / tile 1:  (2,1)/(1,2)   (2,1)/(1,1)   (1,1)/(1,2)."""
    maps = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]], np.int16)  # [C, W]
    weights = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], np.int16)[:, :, None, None]
    return Layer("tiles", maps[None, :, None, :], weights)


# Two filters of a lane, three runs of up to 3 values: filter 0 takes 3, 1, 1 cycles, filter 1 takes 1, 1, 3.
TWO_FILTERS = fully_connected([[1, 1, 1, 1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0, 1, 1, 1]])
DRIFTS: list[tuple[str | int, int, int]] = [
    ("brick", 3 + 1 + 3, 2 + 2),
    (1, 6, 1 + 1),  # filter 1 begins run 2 when filter 0 has ended run 0, at 3, though it has ended run 1 at 2
    (2, 5, 0),
    ("window", 5, 0),
]


def drifting(sync: str | int) -> Organisation:
    return machine(filters_per_tile=2, brick=3, skip_weights="per_filter", filter_sync=sync)


def same(found: LayerTimings, expected: LayerTimings) -> None:
    assert found.effectual_activations.tolist() == expected.effectual_activations.tolist()
    assert found.effectual_macs.tolist() == expected.effectual_macs.tolist()
    for a, b in zip(found.organisations, expected.organisations, strict=True):
        assert (a.mode, a.dense_cycles) == (b.mode, b.dense_cycles)
        for one, other in ((a.skip, b.skip), (a.dense, b.dense)):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert one.cycles.tolist() == other.cycles.tolist()
                assert one.slots.tolist() == other.slots.tolist()


def load_trace(path: Path) -> Layer:
    with np.load(path, allow_pickle=False) as file:
        given = {key: file[key] if file[key].ndim == 4 else file[key].tolist() for key in file.files}
    # t09 has 17 filters for 4 groups; the odd one belongs to no group, and nothing is expected of it.
    given["weights"] = given["weights"][: len(given["weights"]) // given["groups"] * given["groups"]]
    return Layer(path.stem, **given)


class MadeUp(Organisation):
    """An organisation with an option that no engine knows, and one of an unknown kind of barrier."""

    lane_dance: str = parameter("none", "timing", "how lanes dance")
    tile_sync: Literal["brick", "window", "layer", "never"] = parameter("window", "timing", "when tiles wait")  # type: ignore[assignment]


class TestCycles:
    """The first part: cycles by window, pass and layer, and what an engine refuses."""

    def test_it_is_an_engine(self, every_engine: Engine) -> None:
        assert isinstance(every_engine, Engine)
        assert every_engine.unknown(Organisation()) == ()

    @pytest.mark.parametrize(("option", "said"), [("lane_dance", "lane_dance=waltz"), ("tile_sync", "tile_sync=never")])
    def test_what_it_does_not_know_is_refused_by_name(self, every_engine: Engine, option: str, said: str) -> None:
        odd = MadeUp.model_validate({option: said.split("=")[1], "name": "odd"})
        assert every_engine.unknown(MadeUp()) == ()
        assert every_engine.unknown(odd) == (said,)
        message = f"{every_engine.name} engine does not know {said}"
        with pytest.raises(ConfigError, match=message):
            every_engine.time([TWO_FILTERS], [Organisation(), odd])
        with pytest.raises(ConfigError, match=message):
            every_engine.window_ends(TWO_FILTERS, odd, "skip")

    @pytest.mark.parametrize(("sync", "ends"), [("window", [3, 6, 9]), ("brick", [4, 7, 10]), ("layer", [3, 6, 8])])
    def test_windows_end_by_hand(self, every_engine: Engine, sync: str, ends: list[int]) -> None:
        organisation = machine(tiles=2, skip_weights="per_filter", tile_sync=sync)
        if (every_engine.name, sync) == ("hardware", "layer"):
            assert every_engine.unknown(organisation) == ("tile_sync=layer",)
            pytest.skip("the hardware has no buffers for tiles that run apart without limit")
        assert every_engine.window_ends(three_windows(), organisation, "skip").tolist() == [[[ends]]]
        assert every_engine.window_ends(three_windows(), organisation, "dense").tolist() == [[[[4, 8, 12]]]]

    @pytest.mark.parametrize(("sync", "cycles", "waiting"), DRIFTS)
    def test_filters_drift_by_hand(self, every_engine: Engine, sync: str | int, cycles: int, waiting: int) -> None:
        (timings,) = every_engine.time([TWO_FILTERS], [drifting(sync)])
        assert timings.organisations[0].of("skip").cycles.tolist() == [cycles]

    def test_passes_and_groups_by_hand(self, every_engine: Engine) -> None:
        """Two groups of one channel and three filters; a pass of two filters, which wait a window's overhead of 4."""
        layer = Layer("groups", np.ones((2, 2, 1, 2), np.int16), np.ones((6, 1, 1, 1), np.int16), groups=2)
        organisation = machine(filters_per_tile=2, window_overhead=4)
        ends = every_engine.window_ends(layer, organisation, "skip")
        assert ends.tolist() == [[[[5, 10], [5, 10]], [[5, 10], [5, 10]]]] * 2
        (timings,) = every_engine.time([layer], [organisation])
        assert timings.organisations[0].of("skip").cycles.tolist() == [40, 40]
        assert timings.organisations[0].dense_cycles == 8

    @settings(max_examples=150)
    @given(layers(max_images=2, max_channels=12, max_filters=6), organisations(), st.sampled_from(MODES))
    def test_windows_end_as_in_the_reference(
        self, compared_engine: Engine, layer: Layer, organisation: Organisation, mode: RunMode
    ) -> None:
        """The hardware has this test for machines that are built once: `tests/hardware/test_contract.py`."""
        organisation = with_overrides(organisation, {"layer_mode": mode})
        ends = compared_engine.window_ends(layer, organisation, mode)
        assert ends.dtype == np.int64
        assert ends.tolist() == REFERENCE.window_ends(layer, organisation, mode).tolist()
        (timings,) = compared_engine.time([layer], [organisation])
        assert ends[..., -1].sum(axis=(1, 2)).tolist() == timings.organisations[0].of(mode).cycles.tolist()


class TestSlots:
    """The second part: cycles and slots of whole layers."""

    @pytest.mark.parametrize(("sync", "cycles", "waiting"), DRIFTS)
    def test_filters_drift_by_hand(self, counting_engine: Engine, sync: str | int, cycles: int, waiting: int) -> None:
        (timings,) = counting_engine.time([TWO_FILTERS], [drifting(sync)])
        assert timings.organisations[0].of("skip").slots.tolist() == slots(effectual=10, filter_sync=waiting)

    @settings(max_examples=400)
    @given(st.lists(layers(max_images=2), min_size=1, max_size=2), st.lists(organisations(), min_size=1, max_size=2))
    def test_layers_and_organisations_as_in_the_reference(
        self, compared_engine: Engine, some: list[Layer], chosen: list[Organisation]
    ) -> None:
        found = compared_engine.time(some, chosen)
        expected = REFERENCE.time(some, chosen)
        for one, other in zip(found, expected, strict=True):
            same(one, other)

    @pytest.mark.parametrize(
        "options", [{}, {"filter_sync": 1, "run_overhead": 1}, {"filter_map": "spread", "tile_sync": "layer"}]
    )
    def test_the_published_size_as_in_the_reference(self, compared_engine: Engine, options: dict[str, object]) -> None:
        """300 filters are a pass of 256 and one of 44, which with 16 filters a tile end in the middle of a tile."""
        rng = np.random.default_rng(5)
        activations = rng.integers(1, 9, (2, 40, 2, 3)) * (rng.random((2, 40, 2, 3)) < 0.5)
        weights = rng.integers(1, 9, (300, 40, 2, 2)) * (rng.random((300, 40, 2, 2)) < 0.3)
        layer = Layer("conv", activations.astype(np.int16), weights.astype(np.int16), pads=(0, 1, 0, 0))
        kinds = ("none", "shared", "per_filter")
        chosen = [Organisation.parse({"skip_weights": kind, "layer_mode": "auto", **options}) for kind in kinds]
        same(*compared_engine.time([layer], chosen), *REFERENCE.time([layer], chosen))

    @pytest.mark.parametrize(("folder", "trace"), TRACES)
    def test_shared_vectors(self, compared_engine: Engine, shared: Path, folder: str, trace: str) -> None:
        layer = load_trace(shared / folder / f"{trace}.npz")
        every_slot = json.loads((shared / folder / "expected_slots.json").read_text("utf-8"))
        for file in EXPECTED[folder][1]:
            expected = json.loads((shared / folder / f"{file}.json").read_text("utf-8"))[trace]
            cases = expected["organisations"]
            chosen = [Organisation.parse({**case["config"], "name": name}) for name, case in cases.items()]
            (timings,) = compared_engine.time([layer], chosen)
            assert timings.effectual_macs.tolist() == [expected["effectual_macs"]]
            for (name, case), timing in zip(cases.items(), timings.organisations, strict=True):
                found = timing.of("dense" if timing.mode == "dense" else "skip")
                assert (found.cycles.tolist(), timing.dense_cycles) == ([case["cycles"]], expected["dense_cycles"]), name
                if f"{trace}/{name}" in every_slot:
                    assert found.slots.tolist() == slots(**every_slot[f"{trace}/{name}"]["slots"]), name


class TestFormats:
    """What formats say of rows and raw bricks reaches the lanes, also of those that the reference does not know."""

    class FarRows(Dense):
        name: ClassVar[str] = "far_rows"
        indirect: ClassVar[bool] = True

        def rows_touched(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.uint8]:
            return (1 + np.arange(counts.size) % 3).astype(np.uint8).reshape(counts.shape)  # 1, 2, 3, 1, 2, 3 in storage order

    class HalfMarked(Dense):
        name: ClassVar[str] = "half_marked"
        marks: ClassVar[bool] = True
        mixed: ClassVar[bool] = True

        def raw_bricks(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.bool_]:
            return np.asarray(counts == 1)

    @pytest.fixture(autouse=True)
    def registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for form in (self.FarRows(), self.HalfMarked()):
            monkeypatch.setitem(all_formats(), form.name, form)

    def test_rows_of_its_own(self, compared_engine: Engine) -> None:
        """Six bricks of 1, 2, 3, 1, 2, 3 rows, of which two hold two effectual values."""
        layer = fully_connected([[1] * 12])
        layer.activations[0, 2:10] = 0
        (timings,) = compared_engine.time([layer], [machine(format="far_rows")])
        found = timings.organisations[0].of("skip")
        assert found.cycles.tolist() == [2 + 2 + 3 + 1 + 2 + 3]
        assert found.slots.tolist() == slots(effectual=4, fetch=9)
        assert get_format("far_rows").own_rows

    def test_bricks_without_marks(self, compared_engine: Engine) -> None:
        """Of the bricks (1, 1), (1, 0), (0, 0) the second is stored raw: its zero is multiplied unless it is found at fetch."""
        layer = fully_connected([[1] * 6])
        layer.activations[0, 3:] = 0
        marked = [machine(format="half_marked", detect=detect) for detect in ("output", "dispatch")]
        (timings,) = compared_engine.time([layer], marked)
        found = [timing.of("skip") for timing in timings.organisations]
        assert [timing.cycles.tolist() for timing in found] == [[2 + 2 + 1], [2 + 1 + 1]]
        assert found[0].slots.tolist() == slots(effectual=3, ineffectual_activation=1, fetch=1)
        assert found[1].slots.tolist() == slots(effectual=3, fetch=1)
