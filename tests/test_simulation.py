"""`simulate` from Python: arrays, several widths, modes settled over all images, frames."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import cnvlutin2
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import ArrayNetwork, Findings, Inputs, Layer, Network, Numeric, Threshold, Thresholds, Topology
from cnvlutin2.organisation import Organisation, preset, with_overrides
from cnvlutin2.simulation import session
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.observed import ObservedWeights


def layer(name: str = "conv", seed: int = 1, images: int = 3, most: int = 99, **changes: object) -> Layer:
    rng = np.random.default_rng(seed)
    return Layer(
        name,
        np.maximum(rng.integers(-most, most + 1, (images, 32, 7, 6)), 0).astype(np.int16),
        np.where(rng.random((20, 32, 3, 3)) < 0.3, rng.integers(-most, most + 1, (20, 32, 3, 3)), 0).astype(np.int16),
        **changes,  # type: ignore[arg-type]
    )


class InBatches(Network):
    """A network that streams its layers image by image."""

    name = "streamed"

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def layer_names(self) -> Sequence[str]:
        return [each.name for each in self._layers]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        for image in range(self._layers[0].images):
            for each in self._layers:
                yield each.image(image)
        return Findings()


def test_arrays_need_no_file() -> None:
    results = cnvlutin2.simulate([layer("a", first=True), layer("b", seed=2)], organisations="all")
    frame = results.to_frame()
    assert len(frame) == 2 * 9 * 3
    assert frame.query("arch == 'dadiannao'")["speedup"].eq(1).all()
    assert frame.query("arch == 'cnv' and layer == 'a'")["mode"].eq("dense").all()
    assert frame.query("arch == 'cnv2-weights'")["cycles"].le(frame.query("arch == 'cnv'")["cycles"].to_numpy()).all()
    slots = frame.filter(like="slots_").sum(axis=1)
    assert (slots == frame["cycles"] * 4096).all()


def test_batches_and_order_do_not_matter() -> None:
    both = [layer("a"), layer("b", seed=2)]
    whole = cnvlutin2.simulate(ArrayNetwork(both, "streamed"), organisations="all")
    streamed = cnvlutin2.simulate(InBatches(both), organisations="all", jobs=1)
    assert list(whole.runs()) == list(streamed.runs())


def test_auto_is_one_flag_a_layer_over_all_images() -> None:
    # 18 of 32 channels are busy in image 0 and none in image 1; two lanes of 16 values: 18 busy values in lane 0 or spread.
    activations = np.zeros((2, 32, 1, 1), np.int16)
    activations[0, :16] = 1
    each = Layer("fc", activations, np.ones((1, 32, 1, 1), np.int16))
    # Lane 0 has 16 products in image 0 and fetches a cycle in image 1: with 9 cycles an overhead a window, 25 and 10.
    options = {"lanes": 2, "window_overhead": 9}
    cycles = {}
    for mode in ("skip", "dense", "auto"):
        organisation = Organisation.parse({"name": mode, "layer_mode": mode, **options})
        (found,) = cnvlutin2.simulate(each, organisations=organisation).networks[0].layers
        cycles[mode] = found.cycles.tolist()
        assert found.mode == ("skip" if mode == "auto" else mode)
    assert cycles == {"skip": [16 + 9, 1 + 9], "dense": [16 + 9, 16 + 9], "auto": [25, 10]}


def test_auto_is_dense_on_a_tie() -> None:
    each = Layer("fc", np.ones((1, 32, 1, 1), np.int16), np.ones((1, 32, 1, 1), np.int16))
    (found,) = cnvlutin2.simulate(each, organisations=Organisation(name="x", layer_mode="auto")).networks[0].layers
    assert found.mode == "dense"


def test_organisations_of_several_widths() -> None:
    narrow = with_overrides(preset("cnv"), {"data_bits": 8, "name": "cnv-8"})
    results = cnvlutin2.simulate(layer(), organisations=[preset("cnv"), narrow])
    wide, eight = results.networks[0].layers
    assert wide.cycles.tolist() == eight.cycles.tolist()
    assert (wide.footprint_bits["dense"] == 2 * eight.footprint_bits["dense"]).all()
    with pytest.raises(NetworkError, match="does not fit data_bits=4"):
        cnvlutin2.simulate(layer(), organisations=with_overrides(narrow, {"data_bits": 4}))


def test_thresholds_by_number() -> None:
    (plain,) = cnvlutin2.simulate(layer(), organisations="cnv").networks[0].layers
    (pruned,) = cnvlutin2.simulate(layer(), organisations="cnv", thresholds=50, weight_thresholds=30).networks[0].layers
    assert (pruned.cycles < plain.cycles).all()
    assert pruned.layer.weight_density < plain.layer.weight_density
    assert (pruned.layer.threshold, pruned.layer.weight_threshold) == (50, 30)


def test_the_json_is_plain_and_complete() -> None:
    results = cnvlutin2.simulate(layer(), organisations="cnv,cnv2-weights", verify=True)
    found = json.loads(json.dumps(results.to_dict()))
    (summary,) = found["networks"]
    for total in summary["totals"]:
        runs = [run for run in found["runs"] if run["arch"] == total["arch"]]
        assert total["cycles"] == [run["cycles"] for run in runs]
        assert sum(total["slots"].values()) == sum(run["cycles"] for run in runs) * 4096
    assert found["provenance"]["verified"] is True
    assert found["provenance"]["cnvlutin2"] == "0.1.0"


def test_what_is_asked_of_results_must_be_there() -> None:
    results = cnvlutin2.simulate(layer(), organisations="cnv")
    with pytest.raises(ConfigError, match="there are cnv"):
        results.networks[0].of("dadiannao")


def test_inputs_for_what_takes_none() -> None:
    with pytest.raises(NetworkError, match="takes no inputs"):
        cnvlutin2.simulate(layer(), inputs=np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize("name", ["digits", "digits-pruned"])
def test_quantised_digits_are_still_read(name: str) -> None:
    network = cnvlutin2.open_network(name)
    inputs = cnvlutin2.load_inputs(network, limit=60)
    accuracy = cnvlutin2.simulate(network, inputs, "cnv", quantised=True).networks[0].accuracy
    assert accuracy is not None
    assert accuracy.agree == accuracy.images == 60


@pytest.mark.parametrize(
    ("options", "quantised"),
    [
        ({}, False),
        ({"quantised": True}, True),
        ({"thresholds": 1}, False),
        ({"thresholds": 2}, True),
        ({"weight_thresholds": Thresholds(layers={"fc5": Threshold(3)})}, True),
        ({"thresholds": Thresholds(Threshold(1e-9, real=True))}, False),  # less than one LSB
        ({"thresholds": Thresholds(Threshold(0.5, real=True))}, True),
    ],
)
def test_the_record_says_whether_the_network_was_executed_quantised(options: dict[str, Any], quantised: bool) -> None:
    network = cnvlutin2.open_network("digits")
    inputs = cnvlutin2.load_inputs(network, limit=2)
    found = cnvlutin2.simulate(network, inputs, "cnv", cost=False, **options)
    assert found.to_dict()["provenance"]["quantised"] is quantised


def test_what_is_not_executed_is_not_executed_quantised() -> None:
    found = cnvlutin2.simulate(layer(), thresholds=3, quantised=True, organisations="cnv", cost=False)
    assert found.provenance["quantised"] is False


def test_what_a_run_leaves_serves_those_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ObservedWeights] = []

    class Noted(ObservedWeights):
        def __init__(self, layer: Layer) -> None:
            super().__init__(layer)
            made.append(self)

    monkeypatch.setattr(session, "ObservedWeights", Noted)
    rng = np.random.default_rng(4)
    activations, weights = (rng.integers(-3, 4, shape).astype(np.int16) for shape in ((2, 8, 5, 5), (6, 8, 3, 3)))
    network = ArrayNetwork([Layer("conv", activations, weights)])
    pruned = [[Layer("conv", activations, weights, weight_threshold=least)] for least in (1, 3)]
    expected = [cnvlutin2.simulate(layers, None, "all") for layers in pruned]
    made.clear()
    for least, number in ((1, 1), (1, 1), (3, 2), (3, 2), (1, 3)):  # the weights of another threshold are others
        thresholds = Thresholds(Threshold(least))
        found = cnvlutin2.simulate(network, None, "all", weight_thresholds=thresholds)
        assert found.to_dict()["networks"] == expected[least // 3].to_dict()["networks"]
        assert len(made) == number
    cnvlutin2.simulate(network, None, "cnv", weight_thresholds=1)
    assert len(made) == 4  # made for other organisations


def test_progress_is_told() -> None:
    seen: list[tuple[str, int, int]] = []
    cnvlutin2.simulate([layer("a"), layer("b")], organisations="cnv", progress=lambda *told: seen.append(told))
    assert seen == [("a", 1, 2), ("b", 2, 2)]


def test_layers_of_one_name_or_of_different_images_are_refused() -> None:
    with pytest.raises(NetworkError, match="two layers are called 'a'"):
        cnvlutin2.simulate([layer("a"), layer("a")])
    with pytest.raises(NetworkError, match="layer 'b' holds 2 images, 'a' 3"):
        cnvlutin2.simulate([layer("a"), layer("b", images=2)])


@given(layers(max_images=1), organisations())
def test_organisations_that_are_drawn_suit_any_network(drawn: Layer, organisation: Organisation) -> None:
    (network,) = cnvlutin2.simulate(drawn, organisations=organisation, jobs=1).networks
    (found,) = network.of(organisation.name)
    assert found.slots.sum() == found.cycles.sum() * organisation.slots_per_cycle


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True])
def test_threads_are_a_whole_number(jobs: int) -> None:
    with pytest.raises(ConfigError, match="at jobs"):
        cnvlutin2.simulate(layer(), jobs=jobs)


@pytest.mark.parametrize("inputs", [np.float32(3), np.array(3.0), np.zeros((2, 8, 8)), np.zeros((0, 1, 8, 8))])
def test_arrays_that_do_not_fit(inputs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(NetworkError, match=r"inputs: .*\[N, 1, 8, 8\]|inputs: holds no values"):
        cnvlutin2.simulate("digits", np.asarray(inputs))


def test_arrays_of_another_width_are_converted() -> None:
    images = cnvlutin2.load_inputs(cnvlutin2.open_network("digits"), limit=2).values
    runs = [list(cnvlutin2.simulate("digits", images.astype(d), "cnv", cost=False).runs()) for d in ("<f4", ">f4", "<f8")]
    assert runs[0] == runs[1] == runs[2]


def test_the_record_names_every_file_and_setting() -> None:
    (network,) = cnvlutin2.simulate("digits", organisations="cnv", cost=False).networks
    assert set(network.hashes) == {"digits.onnx", "digits-test.npz"}
    drawn = Topology("nin", 0.5, 0.25, seed=7, conv_only=True)
    (network,) = cnvlutin2.simulate(drawn, organisations="cnv2-dispatch", cost=False).networks
    settings = json.loads(json.dumps(network.settings))
    assert (settings["seed"], settings["images"], settings["weight_density"]["conv1"]) == (7, 1, 0.25)
    found = cnvlutin2.simulate(layer(), thresholds=3, organisations="cnv", cost=False)
    assert found.provenance["thresholds"] == {"default": "3"}


def test_a_result_shows_itself_on_one_line() -> None:
    found = cnvlutin2.simulate([layer("a"), layer("b", seed=2)], organisations="dadiannao,cnv", cost=False)
    assert repr(found) == f"<Results: network (dadiannao 1.00x; cnv {found.speedup('cnv'):.2f}x)>"
