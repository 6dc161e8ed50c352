"""The commands `encode`, `decode`, `inspect` and `formats`: what they print, write and refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from cnvlutin2.cli.main import group
from cnvlutin2.encodings import encode, footprints, format_names, load
from cnvlutin2.network import Layer
from cnvlutin2.network.trace_file import save_trace


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments])


def refused(*arguments: object) -> str:
    """Run what must fail as the user's mistake, and return its one line."""
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def array() -> NDArray[np.int16]:
    rng = np.random.default_rng(0)
    return np.where(rng.random((20, 5, 6)) < 0.5, rng.integers(-50, 50, (20, 5, 6)), 0).astype(np.int16)


@pytest.fixture
def source(tmp_path: Path, array: NDArray[np.int16]) -> Path:
    np.save(tmp_path / "in.npy", array)
    return tmp_path / "in.npy"


def trace(path: Path, name: str, images: int = 2, channels: int = 20, threshold: int = 1, groups: int = 1) -> Layer:
    rng = np.random.default_rng(len(name))
    shape = (images, channels, 5, 6)
    activations = np.where(rng.random(shape) < 0.4, rng.integers(-50, 50, shape), 0).astype(np.int16)
    weights = rng.integers(-9, 9, (4, channels // groups, 3, 3)).astype(np.int16)
    layer = Layer(name, activations, weights, threshold=threshold, groups=groups)
    save_trace(layer, path)
    return layer


@pytest.mark.parametrize("name", format_names())
def test_round_trip(name: str, source: Path, array: NDArray[np.int16], tmp_path: Path) -> None:
    done = call("encode", source, "-f", name, "-o", tmp_path / "x.cnv2", "--threshold", 3, "--pointer-group", 2, "--brick", 8)
    assert (done.exit_code, done.stderr) == (0, "")
    expected = encode(array, name, 8, 16, 3, 2)
    assert load(tmp_path / "x.cnv2").stream == expected.stream
    assert f"{expected.total_bits:,} bits" in done.stdout
    assert call("decode", tmp_path / "x.cnv2", "-o", tmp_path / "out.npy").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.where(abs(array) >= 3, array, 0))
    assert call("decode", tmp_path / "x.cnv2", "-o", tmp_path / "out.npz", "--raw").exit_code == 0
    raw = np.load(tmp_path / "out.npz")["activations"]
    np.testing.assert_array_equal(raw, expected.decode(raw=True))
    brick = call("decode", tmp_path / "x.cnv2", "--brick", "4,5,2")
    assert [int(v) for v in brick.stdout.split()] == expected.brick(4, 5, 2).tolist()
    assert {p.name for p in tmp_path.iterdir()} == {"in.npy", "x.cnv2", "out.npy", "out.npz"}


def test_names_are_derived_from_the_input(source: Path) -> None:
    assert call("encode", source, "-f", "viai").exit_code == 0
    source.unlink()
    assert call("decode", source.with_suffix(".cnv2")).exit_code == 0
    assert source.is_file()


def test_what_is_read_or_derived_is_not_written_over(source: Path, tmp_path: Path) -> None:
    """Decoding loses what is ineffectual, so it must not take the place of the array that was encoded."""
    before = source.read_bytes()
    assert call("encode", source, "-f", "roe", "--threshold", 20).exit_code == 0
    assert "in.npy exists; name the array to write (--output)" in refused("decode", tmp_path / "in.cnv2")
    assert "is what is read" in refused("encode", source, "-f", "roe", "-o", source)
    assert "is what is read" in refused("decode", tmp_path / "in.cnv2", "-o", tmp_path / "in.cnv2")
    for command in (("encode", source, "-f", "roe"), ("decode", tmp_path / "in.cnv2")):
        assert "standard output" in refused(*command, "-o", "-")
    assert source.read_bytes() == before
    assert load(tmp_path / "in.cnv2").parameters.threshold == 20
    assert call("decode", tmp_path / "in.cnv2", "-o", source).exit_code == 0


def test_a_trace_brings_its_threshold_and_groups(tmp_path: Path) -> None:
    layer = trace(tmp_path / "conv.npz", "conv", threshold=7, groups=2)
    assert call("encode", tmp_path / "conv.npz", "-f", "zfnaf", "--image", 1).exit_code == 0
    found = load(tmp_path / "conv.cnv2")
    assert (found.parameters.threshold, found.storage.groups) == (7, 2)
    np.testing.assert_array_equal(found.decode(), np.where(layer.effectual_activations()[1], layer.activations[1], 0))
    assert call("encode", tmp_path / "conv.npz", "-f", "zfnaf", "--image", 1, "--threshold", 1, "--groups", 1).exit_code == 0
    assert (load(tmp_path / "conv.cnv2").parameters.threshold, load(tmp_path / "conv.cnv2").storage.groups) == (1, 1)


def test_other_archives(tmp_path: Path, array: NDArray[np.int16]) -> None:
    np.savez(tmp_path / "one.npz", anything=array[None])
    assert call("encode", tmp_path / "one.npz", "-f", "roe").exit_code == 0
    np.savez(tmp_path / "named.npz", other=np.zeros(3), activations=array)
    assert call("encode", tmp_path / "named.npz", "-f", "roe").exit_code == 0
    for name in ("one", "named"):
        np.testing.assert_array_equal(load(tmp_path / f"{name}.cnv2").decode(), array)


def test_inspect(source: Path, array: NDArray[np.int16], tmp_path: Path) -> None:
    call("encode", source, "-f", "packed_viai", "-o", tmp_path / "x.cnv2")
    facts = json.loads(call("inspect", tmp_path / "x.cnv2", "--json", "-").stdout)
    encoded = encode(array, "packed_viai")
    assert (facts["format"], facts["shape"], facts["dtype"]) == ("packed_viai", [20, 5, 6], "int16")
    assert facts["density"] == np.count_nonzero(array) / array.size
    assert (facts["stream_bits"], facts["total_bits"]) == (encoded.stream_bits, encoded.total_bits)
    assert sum(facts["parts"].values()) == facts["total_bits"]
    assert sum(int(bits) * count for bits, count in facts["bricks_by_bits"].items()) == facts["stream_bits"]
    assert sum(facts["bricks_by_effectual"]) == facts["bricks"] == 60
    assert sum(n * count for n, count in enumerate(facts["bricks_by_effectual"])) == np.count_nonzero(array)
    text = call("inspect", tmp_path / "x.cnv2").stdout
    assert f"{encoded.total_bits:,} bits" in text
    assert all(f"{count:,}" in text for count in facts["bricks_by_bits"].values())


def test_inspect_counts_raw_bricks(tmp_path: Path) -> None:
    values = np.zeros((16, 1, 4), np.int16)
    values[:, 0, 0] = 1
    values[:12, 0, 1] = 1
    values[:13, 0, 2] = 1
    np.save(tmp_path / "in.npy", values)
    call("encode", tmp_path / "in.npy", "-f", "roe")
    assert json.loads(call("inspect", tmp_path / "in.cnv2", "--json", "-").stdout)["raw_bricks"] == 2


def test_formats_of_traces(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    made = [trace(folder / "a.npz", "first", channels=3), trace(folder / "b.npz", "second", threshold=9, groups=2)]
    document = json.loads(call("formats", folder, "--pointer-group", 3, "--json", "-").stdout)
    assert document["schema"] == "cnvlutin2/formats/1"
    (network,) = document["networks"]
    sums: dict[str, int] = {}
    for layer, entry in zip(made, network["layers"], strict=True):
        assert entry["layer"] == layer.name
        expected = [footprints(layer, image, 16, 16, "row", 3) for image in range(2)]
        assert entry["bits"] == {name: sum(e[name] for e in expected) for name in expected[0]}
        assert entry["density"] == layer.effectual_activations().mean()
        for name in format_names():
            assert sum(entry["parts"][name].values()) == entry["bits"][name]
            assert entry["relative"][name] == entry["bits"][name] / entry["bits"]["dense"]
        sums = {name: sums.get(name, 0) + bits for name, bits in entry["bits"].items()}
    assert network["total"]["bits"] == sums
    text = call("formats", folder, "--pointer-group", 3).stdout
    for word in ("first", "second", "total", "run", "relative", "entropy", "break-even", "never", f"{sums['packed_viai']:,}"):
        assert word in text


def test_formats_of_the_bundled_networks_and_of_thresholds(tmp_path: Path) -> None:
    trace(tmp_path / "a.npz", "first")
    plain, cut = (
        json.loads(call("formats", tmp_path / "a.npz", *more, "--json", "-").stdout)["networks"][0]["total"]
        for more in ((), ("--threshold", 20))
    )
    assert cut["density"] < plain["density"]
    assert cut["bits"]["packed_viai"] < plain["bits"]["packed_viai"]
    text = call("formats", "digits", "--limit", 2)
    assert (text.exit_code, text.stderr) == (0, "")
    assert "conv1_1" in text.stdout


def test_json_files_are_written_beside_the_table(source: Path, tmp_path: Path) -> None:
    done = call("encode", source, "-f", "dense", "--json", tmp_path / "facts.json")
    assert "of dense" in done.stdout
    assert json.loads((tmp_path / "facts.json").read_text())["total_bits"] == 30 * 2 * 256
    trace(tmp_path / "a.npz", "first")
    done = call("formats", tmp_path / "a.npz", "--json", tmp_path / "formats.json")
    assert "break-even" in done.stdout
    assert json.loads((tmp_path / "formats.json").read_text())["networks"][0]["layers"][0]["layer"] == "first"


def test_mistakes(source: Path, tmp_path: Path, array: NDArray[np.int16]) -> None:
    assert "no format 'zip'" in refused("encode", source, "-f", "zip")
    assert "none.npy: cannot be read" in refused("encode", tmp_path / "none.npy", "-f", "dense")
    assert "none.npz: cannot be read" in refused("encode", tmp_path / "none.npz", "-f", "dense")
    os.mkfifo(tmp_path / "pipe.npy")
    assert "pipe.npy: cannot be read (not a file)" in refused("encode", tmp_path / "pipe.npy", "-f", "dense")
    np.save(tmp_path / "nan.npy", np.full((4, 2, 2), np.nan))
    assert "nan.npy: holds float64; quantise it" in refused("encode", tmp_path / "nan.npy", "-f", "dense")
    np.save(tmp_path / "flat.npy", array[0])
    assert "flat.npy: expected the shape [C, H, W]" in refused("encode", tmp_path / "flat.npy", "-f", "dense")
    assert "fit data_bits=4" in refused("encode", source, "-f", "dense", "--data-bits", 4)
    assert "--image" in refused("encode", source, "-f", "dense", "--image", 0)
    batch, objects = tmp_path / "batch.npy", tmp_path / "objects.npy"
    np.save(batch, np.stack([array, array]))
    assert "2 images; choose one with --image" in refused("encode", batch, "-f", "dense")
    assert "no image 2 among 2" in refused("encode", batch, "-f", "dense", "--image", 2)
    np.save(objects, np.array([{}]), allow_pickle=True)
    assert "plain numbers" in refused("encode", objects, "-f", "dense")
    damaged: dict[str, Any] = {"short.npy": source.read_bytes()[:-1], "text.npy": b"text", "empty.npy": b"", "x.npz": b"PK\3\4"}
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        assert name in refused("encode", tmp_path / name, "-f", "dense")
    np.savez(tmp_path / "two.npz", a=array, b=array)
    assert "one called 'activations'" in refused("encode", tmp_path / "two.npz", "-f", "dense")
    assert "make it first" in refused("encode", source, "-f", "dense", "-o", tmp_path / "no" / "x.cnv2")
    assert "make it first" in refused("encode", source, "-f", "dense", "--json", tmp_path / "no" / "x.json")
    assert not source.with_suffix(".cnv2").exists()
    assert "is a folder" in refused("formats", "digits", "--limit", 1, "--json", tmp_path)
    assert "magic" in refused("decode", source)
    assert "magic" in refused("inspect", source)
    call("encode", source, "-f", "dense", "-o", tmp_path / "x.cnv2")
    assert "Y,X,CB" in refused("decode", tmp_path / "x.cnv2", "--brick", "1,2")
    assert "no y 9" in refused("decode", tmp_path / "x.cnv2", "--brick", "9,0,0")
    assert "leave --output out" in refused("decode", tmp_path / "x.cnv2", "--brick", "0,0,0", "-o", tmp_path / "y.npy")
    assert "something.npy" in refused("decode", tmp_path / "x.cnv2", "-o", tmp_path / "y.txt")
    assert "no network" in refused("formats", tmp_path / "nothing")
    assert "takes no inputs" in refused("formats", "alexnet", "--input", "photo.jpg")
