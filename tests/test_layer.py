"""Layers and the networks that hold them: geometry against plain loops, refusals, thresholds of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from cnvlutin2.errors import (
    Cnvlutin2Error,
    ConfigError,
    FormatError,
    NetworkError,
    OutputError,
    SimulatorError,
    ToolMissing,
    UnsupportedLayer,
)
from cnvlutin2.layer import Layer
from cnvlutin2.network import ArrayNetwork, Inputs, Numeric, Threshold, Thresholds
from cnvlutin2.network.quantisation import rethreshold
from cnvlutin2.testing import integer_arrays, layers


def layer(**changes: Any) -> Layer:
    """A layer of 4 channels in 2 groups, 6 filters of 3x2, changed."""
    values: dict[str, Any] = {
        "name": "conv",
        "activations": np.arange(2 * 4 * 5 * 6, dtype=np.int16).reshape(2, 4, 5, 6),
        "weights": np.ones((6, 2, 3, 2), np.int16),
        "strides": (2, 1),
        "pads": (0, 1, 2, 0),
        "dilations": (1, 2),
        "groups": 2,
    }
    return Layer(**{**values, **changes})


class TestGeometry:
    def test_by_hand(self) -> None:
        found = layer()
        assert (found.images, found.input_size, found.kernel_size) == (2, (5, 6), (3, 2))
        assert (found.filters, found.group_filters, found.group_channels) == (6, 3, 2)
        assert found.output_size == ((5 + 2 - 3) // 2 + 1, 6 + 1 - 3 + 1)  # the kernel spans 3 across
        assert found.windows == 3 * 5
        assert found.macs == 15 * 6 * 2 * 3 * 2

    @given(layers())
    def test_windows_are_those_that_can_be_walked(self, found: Layer) -> None:
        windows = list(reference.Machine(found, reference.Options()).windows())
        assert len(windows) == found.windows
        assert len({y for y, _ in windows}) == found.output_size[0]
        assert found.macs == found.windows * found.weights.size

    def test_rows_are_packed_where_bricks_would_be_part_empty(self) -> None:
        shallow = layer(dilations=(2, 1))
        assert shallow.geometry.is_row_packed(16, "row")
        assert shallow.geometry.is_row_packed(3, "row")
        assert not shallow.geometry.is_row_packed(2, "row")  # a brick a position
        assert not shallow.geometry.is_row_packed(16, "brick")
        assert not layer(dilations=(1, 2)).geometry.is_row_packed(16, "row")

    def test_one_image_is_a_view(self) -> None:
        whole = layer(first_image=7, threshold=5)
        second = whole.image(1)
        assert second.activations.base is not None
        assert np.array_equal(second.activations, whole.activations[1:])
        assert (second.images, second.first_image, second.threshold) == (1, 8, 5)

    def test_integers_of_any_kind_become_python_ones(self) -> None:
        found = layer(strides=np.array([2, 1]), pads=[0, 1, 2, 0], groups=np.int64(2), threshold=np.uint8(3))
        assert found.strides == (2, 1)
        assert all(type(n) is int for n in (*found.strides, *found.pads, found.groups, found.threshold))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "list": ({"activations": [[[[1]]]]}, "activations must be a 4-dimensional int16 array, got list"),
    "rank": ({"weights": np.ones((2, 2), np.int16)}, r"weights must be a 4-dimensional int16 array, got int16 \[2, 2\]"),
    "float": (
        {"activations": np.ones((1, 4, 5, 6))},
        r"activations must be a 4-dimensional int16 array, got float64 \[1, 4, 5, 6\]",
    ),
    "int32": ({"weights": np.ones((6, 2, 3, 2), np.int32)}, "got int32"),
    "no images": ({"activations": np.ones((0, 4, 5, 6), np.int16)}, r"activations are empty: \[0, 4, 5, 6\]"),
    "no filters": ({"weights": np.ones((0, 2, 3, 2), np.int16)}, "weights are empty"),
    "channels": ({"groups": 1}, "4 channels are not 1 groups of the weights' 2"),
    "filters": ({"weights": np.ones((7, 2, 3, 2), np.int16)}, "7 filters cannot be divided into 2 groups"),
    "kernel": ({"dilations": (4, 1)}, r"a \(3, 2\) kernel does not fit the padded \(5, 6\) map"),
    "stride 0": ({"strides": (0, 1)}, r"strides must be 2 integer\(s\) of at least 1, got \(0, 1\)"),
    "one stride": ({"strides": (1,)}, "strides must be 2 integer"),
    "a number": ({"strides": 1}, "strides must be 2 integer"),
    "negative pad": ({"pads": (0, 0, 0, -1)}, r"pads must be 4 integer\(s\) of at least 0"),
    "two pads": ({"pads": (1, 1)}, "pads must be 4 integer"),
    "huge pad": ({"pads": (0, 0, 0, 1 << 31)}, "pads must be 4 integer"),
    "dilation 0": ({"dilations": (1, 0)}, "dilations must be 2 integer"),
    "text": ({"dilations": "ab"}, "dilations must be 2 integer"),
    "none": ({"pads": None}, "pads must be 4 integer"),
    "groups 0": ({"groups": 0}, r"groups must be 1 integer\(s\) of at least 1"),
    "threshold 0": ({"threshold": 0}, "threshold must be 1 integer"),
    "no threshold": ({"threshold": None}, "threshold must be 1 integer"),
    "weight threshold": ({"weight_threshold": -1}, "weight_threshold must be 1 integer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(NetworkError, match=message) as caught:
        layer(**changes)
    assert str(caught.value).startswith("layer 'conv': ")
    assert "\n" not in str(caught.value)


class TestValues:
    @given(st.data(), st.sampled_from((1, 2, 300, 32767, 32768)))
    def test_effectual(self, data: st.DataObject, threshold: int) -> None:
        found = layer(
            activations=data.draw(integer_arrays((1, 4, 5, 6), threshold=threshold)),
            weights=data.draw(integer_arrays((6, 2, 3, 2), threshold=threshold)),
            threshold=threshold,
            weight_threshold=threshold,
        )
        for mask, values in ((found.effectual_activations(), found.activations), (found.effectual_weights(), found.weights)):
            assert mask.tolist() == (np.abs(values.astype(int)) >= threshold).tolist()

    @pytest.mark.parametrize("bits", [2, 8, 15])
    def test_values_must_fit_the_width(self, bits: int) -> None:
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        fits = np.array([low, high, 0, 0] * 30, np.int16).reshape(1, 4, 5, 6)
        layer(activations=fits).check_fits(bits)
        for extreme in (low - 1, high + 1):
            message = rf"activations reach {extreme}, .*data_bits={bits}; quantise them to {low}\.\.{high}"
            with pytest.raises(NetworkError, match=message):
                layer(activations=np.where(fits == low, extreme, fits).astype(np.int16)).check_fits(bits)
            with pytest.raises(NetworkError, match=f"weights reach {extreme}"):
                layer(activations=fits, weights=np.full((6, 2, 3, 2), extreme, np.int16)).check_fits(bits)

    def test_all_integers_fit_16_bits(self) -> None:
        layer(activations=np.full((1, 4, 5, 6), -32768, np.int16)).check_fits(16)


class TestRethreshold:
    def test_nothing_asked_changes_nothing(self) -> None:
        found = layer(threshold=4, weight_threshold=2)
        assert rethreshold(found, Numeric()) is found

    def test_lsbs(self) -> None:
        numeric = Numeric(
            thresholds=Thresholds(Threshold(8), {"conv": Threshold(16)}), weight_thresholds=Thresholds(Threshold(3))
        )
        found = rethreshold(layer(threshold=4), numeric)
        assert (found.threshold, found.weight_threshold) == (16, 3)
        assert rethreshold(layer(name="fc"), numeric).threshold == 8

    def test_real_units_need_the_scale(self) -> None:
        quarter = Thresholds(Threshold(0.25, real=True))
        found = rethreshold(layer(activation_frac=4, weight_frac=10), Numeric(thresholds=quarter, weight_thresholds=quarter))
        assert (found.threshold, found.weight_threshold) == (4, 256)
        with pytest.raises(ConfigError, match="'conv' holds integers of no known scale; give its threshold in LSBs at threshold"):
            rethreshold(layer(), Numeric(thresholds=quarter))
        with pytest.raises(ConfigError, match="at weight_threshold"):
            rethreshold(layer(activation_frac=4), Numeric(weight_thresholds=quarter))

    def test_the_width_is_checked(self) -> None:
        with pytest.raises(NetworkError, match="activations reach 239"):
            rethreshold(layer(), Numeric(data_bits=8))

    def test_names_are_checked(self) -> None:
        thresholds = Thresholds(layers={"conv1": Threshold(1), "conv9": Threshold(2)})
        thresholds.check_names(["conv1", "conv9"])
        with pytest.raises(ConfigError, match="no layer is called 'conv9'; the layers are conv1, conv2 at weight threshold"):
            thresholds.check_names(["conv1", "conv2"], "weight threshold")


class TestArrayNetwork:
    def test_layers_come_in_order(self) -> None:
        network = ArrayNetwork([layer(name="a", first=True), layer(name="b")], "mine")
        assert network.layer_names() == ["a", "b"]
        assert network.name == "mine"
        found = list(network.run(None, Numeric(thresholds=Thresholds(layers={"b": Threshold(9)}))))
        assert [(item.name, item.first, item.threshold) for item in found] == [("a", True, 1), ("b", False, 9)]

    def test_refused(self) -> None:
        with pytest.raises(NetworkError, match="'empty' has no layers"):
            ArrayNetwork([], "empty")
        with pytest.raises(NetworkError, match="'network' holds its activations and takes no inputs"):
            next(ArrayNetwork([layer()]).run(Inputs(np.zeros(1), ["x"]), Numeric()))


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "builtin"),
        [
            (ConfigError, ValueError),
            (NetworkError, ValueError),
            (UnsupportedLayer, NetworkError),
            (FormatError, ValueError),
            (OutputError, OSError),
            (ToolMissing, ImportError),
            (SimulatorError, RuntimeError),
        ],
    )
    def test_each_is_ours_and_the_nearest_builtin(self, error: type[Exception], builtin: type[Exception]) -> None:
        assert issubclass(error, (Cnvlutin2Error,))
        assert issubclass(error, builtin)
        assert str(error("one line")) == "one line"

    def test_a_config_error_ends_with_its_place(self) -> None:
        error = ConfigError("0 is not allowed", where="tiles", source="my.yaml")
        assert str(error) == "0 is not allowed at tiles (my.yaml)"
        assert (error.where, error.source) == ("tiles", "my.yaml")
