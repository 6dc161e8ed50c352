"""What a message says beside what is wrong: the word that was meant, and what to do with another tool's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import load_inputs


def said(*arguments: object) -> str:
    result = CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnvlutin2")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("run", "--arch", "cnv2-wieghts"), "cnv2-weights"),
        (("run", "--arch", "CNV2-dispach"), "cnv2-dispatch"),
        (("run", "digit"), "digits"),
        (("run", "Alexnet"), "alexnet"),
        (("run", "--set", "tile=8"), "tiles"),
        (("archs", "dadianao"), "dadiannao"),
        (("run", "digits", "-i", __file__, "--preprocess", "imagenet-troch"), "imagenet-torch"),
    ],
)
def test_the_word_that_was_meant(arguments: tuple[str, ...], meant: str) -> None:
    assert f"; did you mean {meant!r}?" in said(*arguments)


def test_nothing_is_guessed_that_is_far() -> None:
    assert "did you mean" not in said("run", "--arch", "systolic")


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("ending", "remedy"),
    [
        *((e, "from_torch") for e in ("pth", "pt", "PT", "ckpt", "safetensors")),
        *((e, "tf2onnx") for e in ("tflite", "pb", "h5", "keras")),
        ("prototxt", "Caffe"),
        ("engine", "ONNX model that it was made of"),
    ],
)
def test_files_of_other_tools(ending: str, remedy: str, there: bool, tmp_path: Path) -> None:
    file = tmp_path / f"model.{ending}"
    if there:
        file.write_bytes(b"x")
    line = said("run", file)
    assert str(file) in line
    assert remedy in line


def test_wrong_kinds_of_arguments() -> None:
    network: Any = "digits"
    with pytest.raises(ConfigError, match="'digits' is no network; open it first"):
        load_inputs(network, ["x.png"])
    for organisations in (3, [3], None):
        wrong: Any = organisations
        with pytest.raises(ConfigError, match="is no organisation"):
            cnvlutin2.simulate("digits", organisations=wrong)


def test_labels_outside_of_the_classes() -> None:
    network = cnvlutin2.open_network("digits")
    images = np.asarray(cnvlutin2.network.load_inputs(network, limit=2).values)
    good = cnvlutin2.network.Inputs(images, ["a", "b"], labels=np.array([0, 9]))
    cnvlutin2.simulate(network, good, "cnv", cost=False)
    bad = cnvlutin2.network.Inputs(images, ["a", "b"], labels=np.array([0, 10]))
    with pytest.raises(NetworkError, match="labels hold 10, but the network has 10 classes, 0 to 9"):
        cnvlutin2.simulate(network, bad, "cnv", cost=False)


def test_help_has_every_exit_code() -> None:
    text = CliRunner().invoke(group, ["--help"]).stdout
    for code in ("0  ", "1  ", "2  ", "3  ", "130 ", "143", "129"):
        assert code in text
