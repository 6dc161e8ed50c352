"""Published thresholds beside computed speed-ups."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence

import pytest
from click.testing import CliRunner

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.cost.published import published_thresholds
from cnvlutin2.errors import Cnvlutin2Warning
from cnvlutin2.network import Threshold, Thresholds, Topology
from cnvlutin2.tuning.published_thresholds import FACTORS, threshold_figures, tuned_figures


def simulated(name: str, lsbs: dict[str, int]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Cnvlutin2Warning)
        limits = Thresholds(None, {layer: Threshold(lsb) for layer, lsb in lsbs.items()})
        topology = Topology(name, seed=3, conv_only=True)
        return cnvlutin2.simulate(topology, organisations="cnv", thresholds=limits, cost=False).networks[0].speedup("cnv")


def by_hand(name: str, lsbs: Sequence[int], factor: int) -> dict[str, int]:
    """GoogLeNet's are by module: two convolutions, then nine inception modules of six."""
    if name == "alexnet":
        return {f"conv{i + 1}": lsb * factor for i, lsb in enumerate(lsbs)}
    found = {"conv1/7x7_s2": lsbs[0] * factor, "conv2/3x3_reduce": lsbs[1] * factor, "conv2/3x3": lsbs[1] * factor}
    for module, lsb in zip(["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"], lsbs[2:], strict=True):
        for branch in ["1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj"]:
            found[f"inception_{module}/{branch}"] = lsb * factor
    return found


@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_they_are_what_simulations_find(name: str) -> None:
    found = threshold_figures(name, "cnv", 3, None)
    lsbs, published = published_thresholds()[name]
    assert (found.lsbs, found.published) == (tuple(lsbs), published)
    assert found.unpruned == simulated(name, {})
    assert found.computed == {str(factor): simulated(name, by_hand(name, lsbs, factor)) for factor in FACTORS}
    gains = [found.unpruned, *found.computed.values()]
    assert gains == sorted(gains)


def test_every_network_has_a_threshold_a_layer() -> None:
    for name in ("nin", "vgg_cnn_m", "vgg_cnn_s", "vgg19"):
        assert len(published_thresholds()[name][0]) == len(Topology(name, conv_only=True).layer_names())


def test_tuned_ones_are_of_images_that_had_no_say() -> None:
    found, again = tuned_figures("digits", "cnv", None), cnvlutin2.tune("digits", None, "cnv", max_drop=0)
    validation = again.tuned[0].validation
    assert validation is not None
    assert (found.images, found.tuned, found.lost, found.won) == (
        *(validation.images, validation.speedup, validation.lost, validation.won),
    )
    assert found.tuned > 1.15 * found.unpruned


def test_the_command_shows_them() -> None:
    done = CliRunner().invoke(group, ["reproduce", "--json", "-"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [each["network"] for each in document["thresholds"]] == list(published_thresholds())
    assert [each["network"] for each in document["tuned"]] == ["digits", "digits-pruned"]
    shown = CliRunner().invoke(group, ["reproduce"]).stdout
    assert "1 LSB = 16" in shown
    for each in document["thresholds"]:
        assert f"{each['computed']['16']:.3f}x" in shown
