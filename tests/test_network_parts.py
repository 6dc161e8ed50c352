"""What readers share: batches of inputs, ranges and scales, values held and gathered, answers compared."""

from __future__ import annotations

import platform
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx_models import inputs, integers

from cnvlutin2.errors import ConfigError, NetworkError, UnsupportedLayer
from cnvlutin2.network import Accuracy, Inputs, Numeric, Threshold, Thresholds, gathering, large_memory, reused_memory
from cnvlutin2.network.accuracy import NO_ANSWER, compare_answers, top_classes
from cnvlutin2.network.attribution import ImageRows, RowOwners, probes
from cnvlutin2.network.calibration import Ranges, Scales, executes_quantised
from cnvlutin2.network.gathering import Captured, Gathering, Holding, concatenated, join_small, size_bytes
from cnvlutin2.network.image_batches import image_batches
from cnvlutin2.network.large_memory import LargeMemory
from cnvlutin2.network.reused_memory import give_back, next_room, room_like
from cnvlutin2.numeric import quantise

FEED, OTHER = ("x", "map"), ("y", "rows")


class TestImageBatches:
    @given(st.integers(1, 9), st.integers(1, 4), st.data())
    def test_they_are_copies_of_one_image_after_another(self, images: int, copies: int, data: Any) -> None:
        first = data.draw(st.integers(0, images))
        values = np.arange(3 * images, dtype=np.float32).reshape(images, 3)
        found = list(image_batches(inputs(values), copies, first))
        assert [(batch.index, batch.name) for batch in found] == [(i, f"image{i}") for i in range(first, images)]
        for batch in found:
            np.testing.assert_array_equal(batch.values, [values[batch.index]] * copies)

    @pytest.mark.parametrize("copies", [1, 2, 3])
    @pytest.mark.parametrize("bad", [0, 3, 4])
    def test_what_is_not_finite_is_named(self, copies: int, bad: int) -> None:
        values = integers(5, 2)
        values[bad, 1] = np.nan
        with pytest.raises(NetworkError, match=f"^image{bad}: holds values that are infinite"):
            list(image_batches(inputs(values), copies))

    def test_integers_are_finite(self) -> None:
        (batch,) = image_batches(Inputs(np.array([[1, 2]], np.uint8), ["a"]), 1)
        assert batch.values.dtype == np.uint8


Computation = Callable[[NDArray[Any]], NDArray[Any]]


class TestImageRows:
    """What a network makes of a batch is a function of it here, whose rows are ``[R, ...]``."""

    @staticmethod
    def found(compute: Computation, batch: NDArray[Any]) -> ImageRows:
        owners = RowOwners(compute(batch), len(batch))
        for probe in probes(batch):
            owners.compare(probe, compute(probe.values))
        return owners.image_rows()

    WAYS: ClassVar[dict[str, tuple[Computation, int]]] = {
        # what an image [12, 4] becomes in a batch [N, 12, 4], and how many rows of an image follow one another
        "one after another": (lambda x: x.reshape(-1, 4), 12),
        "interleaved": (lambda x: x.swapaxes(0, 1).reshape(-1, 4), 1),
        "in threes": (lambda x: x.reshape(len(x), 4, 3, 4).swapaxes(0, 1).reshape(-1, 4), 3),
        "flipped": (lambda x: x[::-1].reshape(-1, 4), 12),
        "interleaved and turned": (lambda x: np.roll(x, 1, axis=0).swapaxes(0, 1).reshape(-1, 4), 1),
        "some rows constant": (lambda x: np.concatenate([0 * x[:, :1], x], axis=1).swapaxes(0, 1).reshape(-1, 4), 1),
        "maps": (lambda x: x.reshape(len(x), 3, 4, 4), 1),
    }

    @pytest.mark.parametrize("images", [2, 3, 4, 5, 8, 13])
    @pytest.mark.parametrize("way", WAYS)
    def test_they_are_those_of_one_copy(self, way: str, images: int) -> None:
        compute, inner = self.WAYS[way]
        image = integers(12, 4, seed=1, reach=100)
        copies = np.stack([image] * images)
        rows = self.found(compute, copies)
        assert rows == ImageRows(images, inner)
        np.testing.assert_array_equal(rows.of(compute(copies)), compute(copies[:1]))

    MIXING: ClassVar[dict[str, Computation]] = {
        "a mean of all": lambda x: (x - x.mean(axis=0)).reshape(-1, 4),
        "a neighbour added": lambda x: (x + np.roll(x, 1, axis=0)).reshape(-1, 4),
        "side by side": lambda x: x.transpose(1, 0, 2).reshape(12, -1),
        "one row of another": lambda x: np.concatenate([x[:, :-1], x[::-1, -1:]], axis=1).reshape(-1, 4),
        "as many rows as its values": lambda x: x[x > 0][:, None],
        "nothing of any": lambda x: np.zeros((len(x), 4)),
    }

    @pytest.mark.parametrize("images", [2, 3, 4, 5, 8])
    @pytest.mark.parametrize("way", MIXING)
    def test_rows_of_several_images_are_refused(self, way: str, images: int) -> None:
        copies = np.stack([integers(12, 4, seed=1, reach=100)] * images)
        with pytest.raises(UnsupportedLayer, match="of a batch"):
            self.found(self.MIXING[way], copies)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "uint8", "bool"])
    @pytest.mark.parametrize("value", [-1, 0, 1])
    def test_an_image_of_one_value_is_no_exception(self, value: int, dtype: str) -> None:
        copies = np.full((3, 6, 4), value).astype(dtype)
        rows = self.found(lambda x: np.maximum(x, 0).swapaxes(0, 1).reshape(-1, 4), copies)
        assert rows == ImageRows(3, 1)

    def test_integers_stay_within_the_images_own(self) -> None:
        copies = np.stack([np.array([3, 5, 9])] * 4)
        assert {int(v) for probe in probes(copies) for v in probe.values.reshape(-1)} <= {3, 5, 9}


class TestCalibration:
    def test_a_largest_magnitude_counts_as_positive_whatever_its_sign(self) -> None:
        for sign in (1, -1):
            ranges = Ranges({FEED: "a", OTHER: "b"})
            ranges.widen({FEED: np.array([[sign * 1.0, 0.25]]), OTHER: np.array([[sign * 0.999]])}, ["one"])
            # At 15 bits 1 becomes 32768, which only the negative one holds; 0.999 becomes 32735.
            assert ranges.fracs(16) == {"x": 14, "y": 15}

    def test_ranges_are_the_largest_of_all_images(self) -> None:
        ranges = Ranges({FEED: "a", ("x", "rows"): "b", OTHER: "c"})
        ranges.widen({FEED: np.array([[1.0, -3.5]]), OTHER: np.array([[0.25]])}, ["one"])
        ranges.widen({("x", "rows"): np.array([[2.0]]), OTHER: np.array([[-100.0]])}, ["two"])
        # 15 bits of magnitude: 3.5 needs 2 of them before the point, 100 needs 7.
        assert ranges.fracs(16) == {"x": 13, "y": 8}
        assert ranges.fracs(8) == {"x": 5, "y": 0}

    def test_what_is_not_finite_is_named_by_layer_and_image(self) -> None:
        values = np.zeros((3, 2, 1, 1))
        values[1, 1] = np.inf
        with pytest.raises(NetworkError, match="layer 'c': its input is infinite or not a number for two"):
            Ranges({OTHER: "c"}).widen({OTHER: values}, ["one", "two", "three"])

    def test_scales_have_the_thresholds_of_their_layer(self) -> None:
        numeric = Numeric(
            thresholds=Thresholds(Threshold(3), {"b": Threshold(0.5, real=True)}),
            weight_thresholds=Thresholds(layers={"b": Threshold(7)}),
        )
        assert Scales.of("a", 4, 5, numeric) == Scales(4, 5, 3, 1)
        assert Scales.of("b", 4, 5, numeric) == Scales(4, 5, 8, 7)
        assert Scales.of("b", 4, 5, Numeric()) == Scales(4, 5, 1, 1)

    def test_a_network_is_executed_quantised_if_a_layer_prunes_or_it_was_asked_for(self) -> None:
        plain = Scales(4, 4, 1, 1)
        assert not executes_quantised(Numeric(), [plain, plain])
        assert executes_quantised(Numeric(quantised=True), [plain])
        assert executes_quantised(Numeric(), [plain, Scales(4, 4, 2, 1)])
        assert executes_quantised(Numeric(), [Scales(4, 4, 1, 2), plain])

    @pytest.mark.parametrize(
        ("numeric", "may"),
        [
            (Numeric(), False),
            (Numeric(quantised=True), True),
            (Numeric(thresholds=Thresholds(Threshold(1), {"a": Threshold(1)})), False),
            (Numeric(thresholds=Thresholds(Threshold(1), {"a": Threshold(2)})), True),
            (Numeric(thresholds=Thresholds(Threshold(2))), True),
            (Numeric(weight_thresholds=Thresholds(Threshold(1e-9, real=True))), True),
        ],
    )
    def test_whether_it_may_have_to_be_is_known_before(self, numeric: Numeric, may: bool) -> None:
        assert numeric.may_execute_quantised() is may

    def test_names_are_checked_for_both_kinds(self) -> None:
        for kind in ("thresholds", "weight_thresholds"):
            numeric = Numeric(**{kind: Thresholds(layers={"c": Threshold(2)})})  # type: ignore[arg-type]
            with pytest.raises(ConfigError, match="no layer is called 'c'; the layers are a, b"):
                numeric.check_names(["a", "b"])


def parts(*images: int) -> list[Captured]:
    """What was captured of some images at a time: 16 bytes an image for one feed, 8 for another."""
    every = integers(sum(images), 4, 1, 1, seed=5)
    cuts = np.cumsum(images)[:-1]
    return [{FEED: part, OTHER: part[:, :2] / 2} for part in np.split(every, cuts)]


class TestGathering:
    def test_the_first_that_fit_are_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gathering, "HOLD_BYTES", 3 * 24)
        held = Holding(useful=True)
        one, two, three = parts(2, 2, 1)
        # The second does not fit, so the third, which would, does not follow the first.
        assert [held.offer(part) for part in (one, two, three)] == [True, False, False]
        assert held.images == 2
        (kept,) = held.drain()
        assert kept is one
        assert list(held.drain()) == []
        exactly = Holding(useful=True)
        assert [exactly.offer(part) for part in parts(2, 1, 1)] == [True, True, False]
        assert [len(part[FEED]) for part in exactly.drain()] == [2, 1]

    def test_what_is_of_no_use_is_not_held(self) -> None:
        held = Holding(useful=False)
        assert not held.offer(parts(1)[0])
        assert (held.images, list(held.drain())) == (0, [])

    def test_little_is_joined(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gathering, "JOIN_BYTES", 2 * 24)
        some = parts(1, 1, 1, 1, 1)
        assert size_bytes(some[0]) == 24
        found = list(join_small(some))
        assert [len(part[FEED]) for part in found] == [2, 2, 1]
        for feed in (FEED, OTHER):
            np.testing.assert_array_equal(np.concatenate([p[feed] for p in found]), np.concatenate([p[feed] for p in some]))
        assert next(join_small(parts(2)))[FEED].shape == (2, 4, 1, 1)

    def test_shapes_must_agree(self) -> None:
        with pytest.raises(NetworkError, match=r"tensor 'x': is \[3\] for one image and \[4\] for another"):
            concatenated([{FEED: np.zeros((1, 4))}, {FEED: np.zeros((1, 3))}])
        gathered = Gathering(2, 16)
        gathered.add({FEED: np.zeros((1, 4), np.float32)}, {"x": 0})
        with pytest.raises(NetworkError, match=r"tensor 'x': is \[3\] for one image and \[4\] for another"):
            gathered.add({FEED: np.zeros((1, 3), np.float32)}, {"x": 0})

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize(("room", "batches"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (9, [5])])
    def test_batches_are_quantised_and_as_large_as_fits(
        self, room: int, batches: list[int], dtype: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gathering, "HOLD_BYTES", 2 * room * 12)  # 6 integers an image, half of the memory
        some = [{feed: values.astype(dtype) for feed, values in part.items()} for part in parts(1, 1, 1, 1, 1)]
        gathered = Gathering(5, 8)
        starts: list[int] = []
        found: list[dict[gathering.Feed, NDArray[np.int16]]] = []
        for part in some:
            gathered.add(part, {"x": 2, "y": 4})
            if gathered.full:
                start, values = gathered.take()
                starts.append(start)
                found.append(values)
        assert gathered.images == 0
        assert [len(values[FEED]) for values in found] == batches
        assert starts == [0, *np.cumsum(batches)[:-1]]
        for feed, frac in ((FEED, 2), (OTHER, 4)):
            whole = np.concatenate([part[feed] for part in some]).astype(np.float32)
            np.testing.assert_array_equal(np.concatenate([values[feed] for values in found]), quantise(whole, frac, 8))

    def test_integers_are_taken_as_they_are(self) -> None:
        gathered = Gathering(1, 4)
        gathered.add({FEED: np.array([[1000]], np.int16)}, {})
        assert gathered.take()[1][FEED].tolist() == [[1000]]


class TestReusedMemory:
    def test_there_is_room_for_equal_tensors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reused_memory, "LARGE_BYTES", 40)
        tensors: dict[str, NDArray[Any]] = {"a": np.ones((3, 3), np.float32), "b": np.ones((1, 2), np.int16)}
        room = room_like(tensors, LargeMemory())
        assert room is not None
        for key, like in tensors.items():
            room[key][...] = like
            assert (room[key].shape, room[key].dtype) == (like.shape, like.dtype)
        assert room["b"].ctypes.data - room["a"].ctypes.data == 64  # where a cache line begins
        assert (room["a"] == 1).all()  # not overlapped by what was written last
        assert room_like({"b": tensors["b"]}, LargeMemory()) is None

    def test_large_memory_is_given_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(large_memory, "PIECE_BYTES", 1000)
        memory = LargeMemory()
        shapes = ((3, 5), (1,), (0, 4), (200,), (70, 70), (2, 2))
        given = [memory.empty(shape, np.int16) for shape in shapes]
        for value, array in enumerate(given):
            array[...] = value
        assert [array.shape for array in given] == list(shapes)
        assert all((array == value).all() for value, array in enumerate(given))

    def test_it_is_kept_and_not_taken_where_executions_are_joined(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reused_memory, "LARGE_BYTES", 1)
        monkeypatch.setattr(gathering, "JOIN_BYTES", 16)
        tensors, memory = {"x": np.ones((1, 4), np.float32)}, LargeMemory()
        room = next_room(None, tensors, {FEED: tensors["x"]}, memory)
        assert room is not None
        assert next_room(room, tensors, {FEED: tensors["x"]}, memory) is room
        assert next_room(None, tensors, {FEED: tensors["x"][:, :1]}, memory) is None


class TestAccuracy:
    @pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 1), (2, 3, 1)])
    def test_answers_are_the_largest_scores(self, shape: tuple[int, ...]) -> None:
        scores = np.array([[1, 5, 2], [4, -1, 3]], np.float32).reshape(shape)
        assert top_classes(scores, 2).tolist() == [1, 0]

    @pytest.mark.parametrize(
        "output",
        [
            np.zeros((2, 1)),
            np.zeros(2),
            np.zeros((3, 4)),
            np.zeros((2, 3, 2, 1)),
            np.zeros((2, 3), np.int64),
            [np.zeros((2, 3))],
            None,
        ],
    )
    def test_what_is_no_scores_has_no_answers(self, output: object) -> None:
        assert top_classes(output, 2).tolist() == [NO_ANSWER, NO_ANSWER]

    def test_what_is_compared(self) -> None:
        floats, quantised, labels, none = (np.array(v) for v in ([1, 2, 3, 0], [1, 2, 0, 1], [1, 0, 0, 0], [NO_ANSWER] * 4))
        assert compare_answers(floats, None, None) is None
        assert compare_answers(floats, None, labels) == Accuracy(4, None, 2, 2)
        assert compare_answers(floats, quantised, None) == Accuracy(4, 2, None, None)
        assert compare_answers(floats, np.array([1, 0, 0, 1]), labels) == Accuracy(4, 1, 3, 2)
        assert compare_answers(none, quantised, labels) is None
        assert compare_answers(floats, none, labels) is None


@pytest.mark.skipif(not Path("/proc/self/statm").exists() or platform.libc_ver()[0] != "glibc", reason="of glibc, on Linux")
def test_memory_that_was_freed_is_given_back() -> None:
    """A hundred pieces of a megabyte between others that stay: nothing of them is at the end of the heap."""

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    np.ones(24 << 20, np.uint8)  # from then on glibc keeps pieces up to this size in its heap
    freed, kept = [], []
    for _ in range(100):
        freed.append(np.ones(1 << 20, np.uint8))
        kept.append(np.ones(1 << 13, np.uint8))
    give_back()
    before = resident_bytes()
    freed.clear()
    give_back()
    assert before - resident_bytes() > 50 << 20
    assert len(kept) == 100
