"""The paper's networks: their shapes against the sources, and the synthetic values against what they promise."""

from __future__ import annotations

import json
import math
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Inputs, Numeric, Threshold, Thresholds, synthetic
from cnvlutin2.network.topologies import Topology
from cnvlutin2.network.topology_shapes import is_topology, load_shapes, topology_names

MIB = 1 << 20
IN_THE_SOURCE = {
    "alexnet": "alexnet",
    "nin": "nin_imagenet",
    "googlenet": "googlenet",
    "vgg_cnn_m": "vgg_cnn_m_2048",
    "vgg_cnn_s": "vgg_cnn_s",
    "vgg19": "vgg_19layers",
}


def generate(topology: Topology, numeric: Numeric | None = None) -> dict[str, Layer]:
    return {layer.name: layer for layer in topology.run(None, numeric or Numeric())}


def density(values: np.ndarray[Any, Any]) -> float:
    return np.count_nonzero(values) / values.size


class TestShapes:
    def test_names(self) -> None:
        assert topology_names() == tuple(IN_THE_SOURCE)
        known = [name for name in (*IN_THE_SOURCE, *IN_THE_SOURCE.values(), "alexnet_bvlc", "lenet", "") if is_topology(name)]
        assert known == [*IN_THE_SOURCE, *IN_THE_SOURCE.values(), "alexnet_bvlc"]

    @pytest.mark.parametrize("name", IN_THE_SOURCE)
    def test_shapes_are_those_of_the_authors_files(self, name: str, shared: Path) -> None:
        source = json.loads((shared / "networks.json").read_text("utf-8"))[IN_THE_SOURCE[name]]["layers"]
        found = []
        for s in load_shapes(name).layers:
            channels, height, width = (math.prod(s.input), 1, 1) if s.kind == "fc" else s.input
            entry = {"name": s.name, "type": s.kind, "Ci": channels, "H": height, "W": width, "Co": s.filters, "K": s.kernel}
            entry |= {"stride": s.stride, "pad": s.pad, "groups": s.groups, "Ho": s.output_size[0], "Wo": s.output_size[1]}
            found.append(entry | {"macs": s.macs, "weights": math.prod(s.weight_shape)})
        assert found == source
        assert load_shapes(IN_THE_SOURCE[name]) is load_shapes(name)

    def test_published_sizes(self) -> None:
        convolutions = {name: Topology(name, conv_only=True).macs for name in topology_names()}
        assert f"{min(convolutions.values()) / 1e6:.1f}" == "665.8"
        assert min(convolutions, key=convolutions.__getitem__) == "alexnet"
        assert f"{max(convolutions.values()) / 1e9:.1f}" == "19.5"
        assert max(convolutions, key=convolutions.__getitem__) == "vgg19"
        by_name = {name: {s.name: s for s in load_shapes(name).layers} for name in topology_names()}
        for name, mebibytes in (("alexnet", 72), ("vgg19", 196)):
            assert 2 * math.prod(by_name[name]["fc6"].weight_shape) == mebibytes * MIB
        assert round(2 * math.prod(by_name["vgg19"]["conv1_2"].input) / MIB, 1) == 6.1
        for shapes in by_name.values():  # every convolution's weights fit 16 tiles of 2 MiB
            assert all(2 * math.prod(s.weight_shape) <= 32 * MIB for s in shapes.values() if s.kind == "conv")

    def test_chains_fit(self) -> None:
        """What a layer puts out has the next one's channels, and pooling never enlarges it (GoogLeNet is no chain)."""
        for name in set(topology_names()) - {"googlenet"}:
            layers = load_shapes(name).layers
            for before, after in pairwise(layers):
                assert before.filters == after.input[0]
                assert before.output_size >= after.input[1:]

    def test_layers_have_the_shapes(self) -> None:
        for name in ("alexnet", "googlenet"):
            topology = Topology(name, conv_only=True)
            layers = generate(topology)
            assert list(layers) == topology.layer_names()
            for shape in topology.shapes:
                layer = layers[shape.name]
                assert (layer.macs, layer.output_size) == (shape.macs, shape.output_size)
            assert [layer.name for layer in layers.values() if layer.first] == [topology.shapes[0].name]

    def test_fully_connected_layers(self) -> None:
        topology = Topology("googlenet")
        assert topology.left_out == ()
        assert topology.layer_names()[-1] == "loss3/classifier"
        only = Topology("googlenet", conv_only=True)
        assert [(out.name, out.operator, out.macs) for out in only.left_out] == [("loss3/classifier", "fc", 1024 * 1000)]
        assert topology.macs - only.macs == 1024 * 1000
        layer = generate(topology)["loss3/classifier"]
        assert (layer.kind, layer.activations.shape, layer.weights.shape) == ("fc", (1, 1024, 1, 1), (1000, 1024, 1, 1))


class TestDensities:
    def test_defaults(self) -> None:
        """44% of the activations are zero, the image's are not, weights are dense."""
        for layer in generate(Topology("nin")).values():
            wanted = 1.0 if layer.first else 0.56
            assert np.count_nonzero(layer.activations) == round(wanted * layer.activations.size)
            assert layer.weights.all()

    def test_given_for_all_and_by_layer(self) -> None:
        layers = generate(
            Topology(
                "alexnet",
                {"default": 0.25, "conv3": 0, "conv1": 0.999},
                {"conv2": 0.1, "conv5": 1, "default": 0.5},
                conv_only=True,
            )
        )
        counts = {name: (int(np.count_nonzero(v.activations)), int(np.count_nonzero(v.weights))) for name, v in layers.items()}
        sizes = {name: (v.activations.size, v.weights.size) for name, v in layers.items()}
        wanted = {"conv1": (0.999, 0.5), "conv2": (0.25, 0.1), "conv3": (0, 0.5), "conv4": (0.25, 0.5), "conv5": (0.25, 1)}
        assert counts == {n: (round(a * sizes[n][0]), round(w * sizes[n][1])) for n, (a, w) in wanted.items()}

    def test_a_number_leaves_the_image_alone(self) -> None:
        topology = Topology("alexnet", 0.3, 0.2)
        assert topology.activation_density == {"conv1": 1.0} | dict.fromkeys(topology.layer_names()[1:], 0.3)
        assert topology.weight_density == dict.fromkeys(topology.layer_names(), 0.2)

    def test_published_outputs_are_the_next_layers_inputs(self) -> None:
        topology = Topology("alexnet", profile="deep-compression")
        wanted = [1.0, 0.88, 0.52, 0.37, 0.40, 0.34, 0.36, 0.40]  # conv1 to conv5, fc6 to fc8
        assert topology.activation_density == dict(zip(topology.layer_names(), wanted, strict=True))
        assert topology.weight_density["conv2"] == 0.38
        # The publication takes them so: its share of operations is a layer's weights times the output before it (Han et al.,
        # NIPS 2015, table 4; recalled).
        operations = {n: topology.activation_density[n] * topology.weight_density[n] for n in topology.layer_names()}
        assert {n: round(100 * operations[n]) for n in ("conv2", "conv3", "fc6", "fc7")} == {
            "conv2": 33,
            "conv3": 18,
            "fc6": 3,
            "fc7": 3,
        }

    def test_profiles_give_way_and_fall_back(self) -> None:
        topology = Topology("alexnet", {"conv2": 0.5}, profile="sparseloop")
        found = [topology.activation_density[n] for n in ("conv1", "conv2", "conv3", "fc6")]
        assert found == [0.999, 0.5, 0.275, 0.56]
        assert topology.weight_density["fc6"] == 1.0
        vgg = Topology("vgg19", profile="deep-compression")
        assert [vgg.activation_density[n] for n in ("conv1_1", "conv1_2", "conv4_1", "fc6")] == [1.0, 0.53, 0.64, 0.19]
        assert set(vgg.activation_density) == set(vgg.weight_density) == set(vgg.layer_names())

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"name": "lenet"}, "unknown topology 'lenet'; the topologies are alexnet, nin, googlenet, vgg_cnn_m"),
            ({"name": "../alexnet"}, "unknown topology"),
            ({"activation_density": 1.5}, "1.5 is not a density; give a number from 0 to 1 at activation_density"),
            ({"weight_density": -0.1}, "from 0 to 1 at weight_density"),
            ({"weight_density": math.nan}, "nan is not a density"),
            ({"activation_density": True}, "True is not a density"),
            ({"weight_density": {"conv2": "half"}}, "'half' is not a density"),
            (
                {"activation_density": {"conv9": 0.5}},
                "no layer is called 'conv9'; the layers are conv1, conv2, .* at activation_density",
            ),
            ({"profile": "mine"}, "no density profile 'mine': one of deep-compression, sparseloop at profile"),
            ({"name": "nin", "profile": "deep-compression"}, "'nin' has no density profile .*: none is published"),
            ({"seed": -1}, "whole number of at least 0 at seed"),
            ({"images": 0}, "whole number of at least 1 at images"),
            ({"images": 1.5}, "1.5 is not allowed"),
        ],
    )
    def test_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message) as caught:
            Topology(**{"name": "alexnet", **options})
        assert "\n" not in str(caught.value)

    def test_inputs_are_refused(self) -> None:
        with pytest.raises(NetworkError, match="takes no inputs"):
            next(Topology("nin").run(Inputs(np.zeros(1), ["x"]), Numeric()))


class TestSeeds:
    def test_the_same_seed_the_same_values(self) -> None:
        first, again, other = (generate(Topology("nin", 0.5, 0.5, seed=seed)) for seed in (3, 3, 4))
        for name, layer in first.items():
            assert np.array_equal(layer.activations, again[name].activations)
            assert np.array_equal(layer.weights, again[name].weights)
            assert not np.array_equal(layer.activations, other[name].activations)
            assert not np.array_equal(layer.weights, other[name].weights)

    def test_no_layer_depends_on_another(self) -> None:
        """Neither on its being generated nor on its density."""
        some = islice(Topology("alexnet", {"conv2": 0.1}, seed=1).run(None, Numeric()), 5)
        for layer, other in zip(some, generate(Topology("alexnet", seed=1, conv_only=True)).values(), strict=True):
            assert np.array_equal(layer.weights, other.weights)
            assert np.array_equal(layer.activations, other.activations) == (layer.name != "conv2")

    def test_an_image_does_not_depend_on_their_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        alone = generate(Topology("nin"))
        monkeypatch.setattr("cnvlutin2.network.topologies._BATCH_BYTES", 1 << 20)  # makes batches of 1 and of several
        batches: dict[str, list[Layer]] = {}
        for layer in Topology("nin", images=3).run(None, Numeric()):
            batches.setdefault(layer.name, []).append(layer)
        assert len(batches["cccp1"]) == 3
        assert [layer.images for layer in batches["cccp8-1024"]] == [3]
        for name, parts in batches.items():
            images = np.concatenate([part.activations for part in parts])
            assert [part.first_image for part in parts] == list(np.cumsum([0, *(part.images for part in parts)])[:-1])
            assert np.array_equal(images[:1], alone[name].activations)
            assert len({image.tobytes() for image in images}) == 3
            # Channels keep their character from image to image.
            if images.shape[2] > 20:
                a, b = (np.count_nonzero(image, axis=(1, 2)) for image in images[:2])
                assert name == "conv1" or np.corrcoef(a, b)[0, 1] > 0.9

    def test_thresholds_and_widths(self) -> None:
        numeric = Numeric(
            data_bits=8, thresholds=Thresholds(Threshold(0.5, real=True)), weight_thresholds=Thresholds(Threshold(3))
        )
        for layer in generate(Topology("alexnet", weight_density=0.4, conv_only=True), numeric).values():
            layer.check_fits(8)
            assert (layer.threshold, layer.weight_threshold) == (8, 3)  # 4 fraction bits
            assert 0.01 < layer.effectual_activations().mean() < density(layer.activations)
            assert np.count_nonzero(layer.weights) == round(0.4 * layer.weights.size)


class TestActivations:
    @given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.integers(2, 16))
    def test_density_is_exact(self, seed: int, channels: int, height: int, width: int, wanted: float, bits: int) -> None:
        rng = np.random.default_rng(seed)
        densities = synthetic.channel_densities(rng, channels, wanted)
        values = synthetic.feature_map(rng, densities, (height, width), wanted, bits)
        assert values.dtype == np.int16
        assert values.shape == (channels, height, width)
        assert np.count_nonzero(values) == round(wanted * values.size)
        assert values.min() >= 0
        assert values.max() < 1 << (bits - 1)

    def test_channels_differ_as_the_beta_distribution_says(self) -> None:
        rng = synthetic.generator(0, "test")
        densities = synthetic.channel_densities(rng, 2000, 0.4)
        found = np.count_nonzero(synthetic.feature_map(rng, densities, (24, 24), 0.4), axis=(1, 2)) / 24**2
        spread = math.sqrt(0.4 * 0.6 / (synthetic.CONCENTRATION + 1))
        assert abs(found.std() - spread) < 0.02
        assert np.corrcoef(found, densities)[0, 1] > 0.97
        independent = math.sqrt(0.4 * 0.6 / 24**2)
        assert found.std() > 5 * independent

    def test_neighbours_agree(self) -> None:
        values = synthetic.feature_map(synthetic.generator(1, "test"), np.full(200, 0.5), (40, 40), 0.5)
        zero = (values == 0) - 0.5
        correlation = [float((zero[:, :, d:] * zero[:, :, : 40 - d]).mean() / 0.25) for d in (1, 2, 3)]
        # Sign of a Gaussian field of correlation rho: 2/pi asin(rho), rho = 6/9, 3/9, 0.
        assert np.allclose(correlation, [2 / math.pi * math.asin(rho) for rho in (2 / 3, 1 / 3, 0)], atol=0.02)
        assert np.allclose(correlation, [0.47, 0.25, 0.16], atol=0.17)  # measured on SqueezeNet

    def test_half_of_a_normal_distribution_is_left(self) -> None:
        values = synthetic.feature_map(synthetic.generator(2, "test"), np.full(200, 0.5), (40, 40), 0.5)
        real = values[values > 0] / 2 ** synthetic.synthetic_fraction_bits(16)
        assert abs(real.mean() - math.sqrt(2 / math.pi)) < 0.02
        assert abs((real**2).mean() - 1) < 0.03

    def test_images_have_both_signs_and_the_wanted_zeros(self) -> None:
        image = synthetic.synthetic_image(synthetic.generator(0, "image"), (3, 50, 50))
        assert image.all()
        assert abs((image > 0).mean() - 0.5) < 0.1
        assert np.count_nonzero(synthetic.synthetic_image(synthetic.generator(0, "image"), (3, 50, 50), 0.9)) == 6750


class TestWeights:
    @given(
        st.integers(0, 99), st.integers(1, 20), st.integers(1, 30), st.sampled_from((1, 3)), st.floats(0, 1), st.integers(2, 16)
    )
    def test_the_smallest_go_and_density_is_exact(
        self, seed: int, filters: int, channels: int, kernel: int, wanted: float, bits: int
    ) -> None:
        shape = (filters, channels, kernel, kernel)
        dense = synthetic.synthetic_weights(np.random.default_rng(seed), shape, 1.0, bits)
        pruned = synthetic.synthetic_weights(np.random.default_rng(seed), shape, wanted, bits)
        assert dense.shape == shape
        assert dense.all()
        kept = pruned != 0
        assert np.count_nonzero(kept) == round(wanted * pruned.size)
        assert np.array_equal(pruned[kept], dense[kept])
        largest = (1 << (bits - 1)) - 1
        assert np.abs(dense).max() <= largest
        assert np.abs(dense[~kept]).max(initial=0) <= np.abs(dense[kept]).min(initial=largest)

    def test_they_are_symmetric(self) -> None:
        values = synthetic.synthetic_weights(synthetic.generator(0, "w"), (64, 64, 3, 3), 0.5)
        assert abs(float(np.sign(values).mean())) < 0.01

    def test_filters_and_channels_differ(self) -> None:
        kept = synthetic.synthetic_weights(synthetic.generator(0, "w"), (256, 256, 3, 3), 1 / 3) != 0
        independent = math.sqrt(2 / 9 / (256 * 9))
        assert 3 * independent < kept.mean((1, 2, 3)).std() < 0.08
        assert 4 * independent < kept.mean((0, 2, 3)).std() < 0.12

    def test_parts_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = synthetic.synthetic_weights(synthetic.generator(0, "w"), (31, 17, 3, 3), 0.4, 6)
        monkeypatch.setattr(synthetic, "_CHUNK", 1000)
        assert np.array_equal(synthetic.synthetic_weights(synthetic.generator(0, "w"), (31, 17, 3, 3), 0.4, 6), whole)

    @given(st.lists(st.integers(-4, 4), min_size=1, max_size=60), st.data())
    def test_keep_largest(self, values: list[int], data: st.DataObject) -> None:
        count = data.draw(st.integers(0, int(np.count_nonzero(values))))
        before, after = np.array(values, np.int16), np.array(values, np.int16)
        synthetic.keep_largest(after, count)
        kept = after != 0
        assert np.count_nonzero(kept) == count
        assert np.array_equal(after[kept], before[kept])
        assert sorted(np.abs(after)) == [0] * (len(values) - count) + sorted(np.abs(before))[len(values) - count :]

    def test_ties_are_spread_evenly(self) -> None:
        values = np.ones(1000, np.int16)
        synthetic.keep_largest(values, 300)
        assert set(values.reshape(10, 100).sum(1).tolist()) == {30}
        extreme = np.array([-32768, 32767, 1], np.int16)
        synthetic.keep_largest(extreme, 1)
        assert extreme.tolist() == [-32768, 0, 0]
