"""Layer traces: what is written is read back, the shared ones load, and no hostile file does harm."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from cnvlutin2.errors import ConfigError, NetworkError, OutputError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Inputs, Numeric, Threshold, Thresholds, npz, trace_file
from cnvlutin2.network.traces import TraceNetwork, TraceWriter, save_trace, save_traces
from cnvlutin2.testing import layers

ACTIVATIONS = np.arange(-6, 18, dtype=np.int16).reshape(1, 4, 2, 3)
WEIGHTS = np.arange(-8, 8, dtype=np.int16).reshape(2, 2, 2, 2)
GEOMETRY: dict[str, Any] = {
    "strides": [1, 2],
    "pads": [0, 1, 1, 0],
    "dilations": [1, 1],
    "groups": 2,
    "threshold": 3,
    "name": "conv/1",
}


def write(path: Path, **changes: Any) -> Path:
    """Write a valid trace with some keys changed, or left out (None)."""
    values = {"activations": ACTIVATIONS, "weights": WEIGHTS, **GEOMETRY, **changes}
    np.savez(path, allow_pickle=True, **{key: value for key, value in values.items() if value is not None})
    return path


def write_raw(path: Path, members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def npy(shape: tuple[int, ...], data: bytes, descr: str = "<i2") -> bytes:
    """An array's bytes whose header claims any shape."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


def only_layer(path: Path, numeric: Numeric | None = None) -> Layer:
    (layer,) = TraceNetwork.open(path).run(None, numeric or Numeric())
    return layer


def assert_same(found: Layer, expected: Layer) -> None:
    for key in ("name", "strides", "pads", "dilations", "groups", "threshold", "weight_threshold"):
        assert getattr(found, key) == getattr(expected, key), key
    for array, other in ((found.activations, expected.activations), (found.weights, expected.weights)):
        assert array.dtype == np.int16
        assert np.array_equal(array, other)


class TestReading:
    def test_a_trace_with_all_keys(self, tmp_path: Path) -> None:
        layer = only_layer(write(tmp_path / "a.npz"))
        assert_same(layer, Layer("conv/1", ACTIVATIONS, WEIGHTS, (1, 2), (0, 1, 1, 0), (1, 1), groups=2, threshold=3))
        assert (layer.first, layer.kind, layer.images) == (False, "conv", 1)

    def test_defaults(self, tmp_path: Path) -> None:
        a, w = np.ones((2, 5, 1, 1), np.int16), np.ones((3, 5, 1, 1), np.int16)
        np.savez_compressed(tmp_path / "fc6.npz", activations=a, weights=w)
        layer = only_layer(tmp_path / "fc6.npz")
        assert_same(layer, Layer("fc6", a, w))
        assert layer.kind == "fc"

    def test_big_endian_and_fortran_order_are_the_same_numbers(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.npz", activations=ACTIVATIONS.astype(">i2"), weights=np.asfortranarray(WEIGHTS))
        layer = only_layer(path)
        assert np.array_equal(layer.activations, ACTIVATIONS)
        assert np.array_equal(layer.weights, WEIGHTS)
        assert layer.weights.flags.c_contiguous

    def test_a_directory_is_a_network_in_the_order_of_file_names(self, tmp_path: Path) -> None:
        for file, name in (("b.npz", "one"), ("a.npz", "two"), ("B.npz", "three")):
            write(tmp_path / file, name=name)
        (tmp_path / "README.txt").write_text("not a trace", "utf-8")
        network = TraceNetwork.open(tmp_path)
        assert network.name == tmp_path.name
        assert network.layer_names() == ["three", "two", "one"]
        assert [(layer.name, layer.first) for layer in network.run(None, Numeric())] == [
            ("three", True),
            ("two", False),
            ("one", False),
        ]

    def test_names_are_read_without_the_arrays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path / "a.npz")
        read: list[str] = []
        real = npz.CheckedArchive.array

        def noting(archive: npz.CheckedArchive, key: str) -> Any:
            read.append(key)
            return real(archive, key)

        monkeypatch.setattr(npz.CheckedArchive, "array", noting)
        network = TraceNetwork.open(tmp_path)
        assert network.layer_names() == ["conv/1"]
        assert "name" in read
        assert not {"activations", "weights"} & set(read)

    def test_layers_come_one_at_a_time(self, tmp_path: Path) -> None:
        write(tmp_path / "a.npz", name="one")
        second = write(tmp_path / "b.npz", name="two")
        stream = TraceNetwork.open(tmp_path).run(None, Numeric())
        assert next(stream).name == "one"
        second.unlink()
        with pytest.raises(NetworkError, match=r"b\.npz: no such file"):
            next(stream)

    def test_thresholds_of_the_run_rule(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.npz")
        changed = only_layer(path, Numeric(thresholds=Thresholds(Threshold(7)), weight_thresholds=Thresholds(Threshold(2))))
        assert (changed.threshold, changed.weight_threshold) == (7, 2)
        other = Thresholds(layers={"another": Threshold(9)})
        assert only_layer(path, Numeric(thresholds=other)).threshold == 3
        with pytest.raises(ConfigError, match="no known scale"):
            only_layer(path, Numeric(thresholds=Thresholds(Threshold(0.5, real=True))))

    def test_values_must_fit_the_width(self, tmp_path: Path) -> None:
        with pytest.raises(NetworkError, match=r"a\.npz.*17.*data_bits=5.*-16\.\.15"):
            only_layer(write(tmp_path / "a.npz"), Numeric(data_bits=5))

    def test_inputs_are_refused(self, tmp_path: Path) -> None:
        network = TraceNetwork.open(write(tmp_path / "a.npz"))
        with pytest.raises(NetworkError, match="takes no inputs"):
            next(network.run(Inputs(np.zeros(1), ["x"]), Numeric()))

    def test_filters_outside_all_groups_are_left_out_and_listed(self, tmp_path: Path) -> None:
        network = TraceNetwork.open(write(tmp_path / "a.npz", weights=np.concatenate([WEIGHTS, WEIGHTS[:1]])))
        stream = network.run(None, Numeric())
        (layer,) = stream
        assert np.array_equal(layer.weights, WEIGHTS)
        (left_out,) = network.left_out
        assert stream.left_out == network.left_out
        assert left_out.name == "conv/1"
        assert "1 of 3 filters" in left_out.reason
        assert left_out.macs == layer.macs // 2  # of the two filters that are simulated, each as many as this one

    @pytest.mark.parametrize("trace", [f"t{i:02}" for i in range(10)])
    def test_shared_vectors(self, trace: str, shared: Path) -> None:
        expected = json.loads((shared / "vectors" / "expected.json").read_text("utf-8"))[trace]
        layer = only_layer(shared / "vectors" / f"{trace}.npz")
        assert (layer.name, layer.first) == (trace, False)
        (result,) = reference.simulate(layer, expected["organisations"]["dadiannao"]["config"])
        assert (result.cycles, result.effectual_macs) == (expected["dense_cycles"], expected["effectual_macs"])


class TestWriting:
    @settings(max_examples=40)
    @given(layers())
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, layer: Layer) -> None:
        path = tmp_path_factory.mktemp("traces") / "layer.npz"
        assert save_trace(layer, path) == path
        assert_same(only_layer(path), layer)
        with np.load(path, allow_pickle=False) as file:
            common = {"activations", "weights", "strides", "pads", "dilations", "groups", "threshold", "name"}
            assert set(file.files) - {"weight_threshold"} == common
            assert ("weight_threshold" in file.files) == (layer.weight_threshold > 1)

    def test_a_network_keeps_its_order_and_names(self, tmp_path: Path) -> None:
        names = [f"z/{i}" for i in range(12)] + ["..", "a b"]
        files = save_traces((Layer(name, ACTIVATIONS, WEIGHTS, groups=2) for name in names), tmp_path / "new" / "net")
        assert len({file.name for file in files}) == len(names)
        assert {file.parent for file in files} == {tmp_path / "new" / "net"}
        assert TraceNetwork.open(tmp_path / "new" / "net").layer_names() == names

    def test_batches_of_a_layer_become_one_trace(self, tmp_path: Path) -> None:
        whole = Layer("conv", np.arange(5 * 24, dtype=np.int16).reshape(5, 4, 2, 3), WEIGHTS, groups=2)
        other = replace(whole, name="other")
        parts = [replace(whole, activations=whole.activations[i:j], first_image=i) for i, j in ((0, 2), (2, 3), (3, 5))]
        save_traces([parts[0], other, *parts[1:]], tmp_path)
        found = list(TraceNetwork.open(tmp_path).run(None, Numeric()))
        assert [layer.name for layer in found] == ["conv", "other"]
        assert_same(found[0], whole)
        assert_same(found[1], other)

    def test_any_names_are_written_and_read(self, tmp_path: Path) -> None:
        names = [
            "a/b",
            "a_b",
            "A/b",
            "..",
            "",
            "con\x1b[31m",
            "con\\x1b[31m",
            "x" * 300,
            "y" * 3000,
            "y" * 3001,
            "n\0",
            "caf\udce9",
            " ",
        ]
        layers = [Layer(name, ACTIVATIONS, WEIGHTS, groups=2) for name in names]
        files = save_traces(layers, tmp_path / "t")
        assert sorted(tmp_path.rglob("*.npz")) == files  # none has left its folder
        assert len({file.name.lower() for file in files}) == len(names)
        read = TraceNetwork.open(tmp_path / "t").layer_names()
        assert len(set(read)) == len(names)
        for name, found in zip(names, read, strict=True):
            assert found == name if 0 < len(name) <= 1024 and name.isprintable() else found.isprintable()

    def test_more_layers_than_four_digits_stay_in_order(self, tmp_path: Path) -> None:
        writer = TraceWriter(tmp_path)
        with writer:
            writer.add(Layer("0", ACTIVATIONS, WEIGHTS, groups=2))
            (first,) = writer._layers.values()
            for number in range(1, 10_001):  # linked, for the time that so many take to write
                file = first.file.with_name(f"{number}.npz")
                file.hardlink_to(first.file)
                writer._layers[str(number)] = replace(first, file=file, stem=str(number))
        assert [path.stem.partition("-")[2] for path in sorted(tmp_path.iterdir())] == [str(n) for n in range(10_001)]

    @pytest.mark.parametrize("free", [0, 1 << 30])
    def test_layers_of_zeros_are_read_back(self, free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the bound is: beyond it they are not compressed."""
        monkeypatch.setattr(npz, "FREE_BYTES", free)
        layer = Layer("sparse", np.zeros((4, 64, 128, 128), np.int16), np.ones((1, 64, 1, 1), np.int16))
        save_trace(layer, tmp_path / "a.npz")
        assert_same(only_layer(tmp_path / "a.npz"), layer)
        assert ((tmp_path / "a.npz").stat().st_size > layer.activations.nbytes) is (free == 0)

    def test_what_is_too_large_to_be_read_is_not_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trace_file, "MAX_ARRAY_BYTES", 2 * ACTIVATIONS.nbytes)
        batches = [replace(Layer("conv", ACTIVATIONS, WEIGHTS, groups=2), first_image=first) for first in range(3)]
        with pytest.raises(OutputError, match=r"'conv' would have 144 bytes.*use fewer images"):
            save_traces(batches, tmp_path / "t")
        assert list(tmp_path.iterdir()) == []

    def test_all_traces_or_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        moved: list[Path] = []
        real = Path.replace

        def interrupted(file: Path, target: Path) -> Path:
            if target.parent == tmp_path / "made" / "t":
                moved.append(target)
                if len(moved) == 2:
                    raise KeyboardInterrupt
            return real(file, target)

        monkeypatch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save_traces([Layer(name, ACTIVATIONS, WEIGHTS, groups=2) for name in "abc"], tmp_path / "made" / "t")
        assert len(moved) == 2
        assert list(tmp_path.iterdir()) == []  # the folders that were made for it are gone too

    def test_two_layers_of_one_name_are_refused(self, tmp_path: Path) -> None:
        layer = Layer("conv", ACTIVATIONS, WEIGHTS, groups=2)
        for second in (layer, replace(layer, weights=WEIGHTS[:, :, :1], first_image=1)):
            with pytest.raises(NetworkError, match="two layers are called 'conv'"):
                save_traces([layer, second], tmp_path / "net")
        assert not (tmp_path / "net").exists()

    def test_nothing_is_left_of_a_run_that_failed(self, tmp_path: Path) -> None:
        def failing() -> Iterator[Layer]:
            yield Layer("conv", ACTIVATIONS, WEIGHTS, groups=2)
            raise RuntimeError("the model stopped")

        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "notes.txt").write_text("kept", "utf-8")
        with pytest.raises(RuntimeError, match="the model stopped"):
            save_traces(failing(), tmp_path / "net")
        assert [path.name for path in (tmp_path / "net").iterdir()] == ["notes.txt"]

    def test_a_directory_with_traces_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.npz")
        with pytest.raises(OutputError, match="has layer traces already"), TraceWriter(tmp_path):
            pytest.fail("opened")
        assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]

    def test_what_cannot_be_written(self, tmp_path: Path) -> None:
        layer = Layer("conv", ACTIVATIONS, WEIGHTS, groups=2)
        (tmp_path / "file").write_text("", "utf-8")
        for path in (tmp_path / "nowhere" / "a.npz", tmp_path / "file" / "a.npz"):
            with pytest.raises(OutputError, match=r"cannot write .*a\.npz: "):
                save_trace(layer, path)
        with pytest.raises(OutputError, match="cannot be written"):
            save_traces([layer], tmp_path / "file" / "net")
        with pytest.raises(OutputError, match=r"called something\.npz"):
            save_trace(layer, tmp_path / "a.bin")
        with pytest.raises(OutputError, match="printable"):
            save_trace(replace(layer, name="a\nb"), tmp_path / "a.npz")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_an_old_trace_is_replaced_whole(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.npz")
        save_trace(Layer("new", ACTIVATIONS, WEIGHTS, groups=2), path)
        assert only_layer(path).name == "new"
        assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"bias": np.zeros(2)}, "unknown key 'bias'; the keys are activations, weights, strides"),
    "no weights": ({"weights": None}, "has no 'weights'"),
    "no activations": ({"activations": None}, "has no 'activations'"),
    "float": (
        {"activations": ACTIVATIONS.astype(np.float32)},
        "activations must be int16 of 4 dimensions, not float32.*quantise",
    ),
    "int32": ({"weights": WEIGHTS.astype(np.int32)}, "weights must be int16 of 4 dimensions, not int32"),
    "rank": ({"activations": ACTIVATIONS[0]}, "activations must be int16 of 4 dimensions, not int16 of 3"),
    "pickle": ({"weights": np.array([[[[None]]]], dtype=object)}, "'weights' holds Python objects"),
    "pickled name": ({"name": np.array({"a": 1}, dtype=object)}, "'name' holds Python objects"),
    "empty": ({"activations": ACTIVATIONS[:0]}, "activations are empty"),
    "channels": ({"groups": 1}, "4 channels are not 1 groups"),
    "groups 0": ({"groups": 0}, "groups must be 1 integer"),
    "groups many": ({"groups": 9}, "4 channels are not 9 groups"),
    "float strides": ({"strides": [1.0, 2.0]}, "strides must be 2 integers, not float64"),
    "three strides": ({"strides": [1, 1, 1]}, "strides must be 2 integers"),
    "stride 0": ({"strides": [0, 1]}, "strides must be 2 integer"),
    "negative pad": ({"pads": [0, 0, 0, -1]}, "pads must be 4 integer"),
    "huge pad": ({"pads": [0, 0, 0, 1 << 40]}, "pads must be 4 integer"),
    "threshold 0": ({"threshold": 0}, "threshold must be 1 integer"),
    "weight threshold": ({"weight_threshold": [1, 2]}, "weight_threshold must be an integer"),
    "kernel": ({"dilations": [5, 5]}, "does not fit"),
    "number for a name": ({"name": 5}, "name must be a text"),
    "long name": ({"name": "x" * 2000}, "name must be printable"),
    "line break": ({"name": "a\nb"}, "name must be printable"),
    "empty name": ({"name": ""}, "name must be printable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_when_opened(case: str, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(NetworkError, match=message) as caught:
        TraceNetwork.open(write(tmp_path / "trace.npz", **changes))
    assert str(caught.value).startswith(str(tmp_path / "trace.npz"))
    assert "\n" not in str(caught.value)


class TestHostile:
    def refused(self, path: Path, message: str) -> None:
        with pytest.raises(NetworkError, match=message) as caught:
            only_layer(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_no_trace(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "missing.npz", "no such file")
        self.refused(tmp_path, "no layer traces")
        (tmp_path / "text.npz").write_text("hello", "utf-8")
        self.refused(tmp_path / "text.npz", "not an .npz file")
        np.save(tmp_path / "array.npy", ACTIVATIONS)
        self.refused(tmp_path / "array.npy", "not an .npz file")

    def test_two_files_with_one_name(self, tmp_path: Path) -> None:
        write(tmp_path / "a.npz")
        write(tmp_path / "b.npz")
        with pytest.raises(NetworkError, match=r"b\.npz.*'conv/1' like that of a\.npz"):
            TraceNetwork.open(tmp_path)

    def test_a_header_that_claims_a_thousand_billion_elements(self, tmp_path: Path) -> None:
        small = npy((2, 2, 2, 2), WEIGHTS.tobytes())
        for shape in ((10**3, 10**3, 10**3, 10**3), (1, 1, -1, -24), (1, 1, 2**62, 2**62)):
            path = write_raw(tmp_path / "a.npz", [("activations.npy", npy(shape, b"\0" * 48)), ("weights.npy", small)])
            self.refused(path, "'activations' declares .* but has 48 bytes")

    def test_a_decompression_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(npz, "FREE_BYTES", 64 << 20)  # a true one takes long to make
        zeros = npy((1, 1, 8192, 8192), bytes(2 << 26))  # 128 MiB in 128 KiB
        small = npy((1, 1, 1, 1), b"\1\0")
        members = [("activations.npy", zeros), ("weights.npy", small)]
        self.refused(write_raw(tmp_path / "a.npz", members, zipfile.ZIP_DEFLATED), "would grow from .* to 134217728 bytes")

    def test_sizes_that_the_directory_forges(self, tmp_path: Path) -> None:
        """The archive's own directory says that a member is as large as its header claims; the file is not."""
        shape = (1, 1, 1 << 15, 1 << 14)
        members = [("activations.npy", npy(shape, b"\0" * 48)), ("weights.npy", npy((1, 1, 1, 1), b"\1\0"))]
        path = write_raw(tmp_path / "a.npz", members)
        content = bytearray(path.read_bytes())
        entry = content.index(b"PK\1\2")
        claimed = 128 + 2 * (1 << 29)
        content[entry + 20 : entry + 28] = struct.pack("<II", claimed, claimed)
        path.write_bytes(content)
        self.refused(path, "truncated")
        content[entry + 20 : entry + 24] = struct.pack("<I", 176)
        path.write_bytes(content)
        self.refused(path, "would grow from 176|damaged")

    def test_limits_of_an_array(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(npz, "MAX_ARRAY_BYTES", 47)
        self.refused(write(tmp_path / "a.npz"), "'activations' has 48 bytes, more than 47")

    def test_a_header_that_is_code(self, tmp_path: Path) -> None:
        for header in ("__import__('os').getcwd()", "(" * 900, "{'descr': '<i2', 'shape': (1,", "{[]: 1}", "\0" * 50):
            body = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode()
            path = write_raw(tmp_path / "a.npz", [("activations.npy", body), ("weights.npy", body)])
            self.refused(path, "'activations' is damaged")

    def test_a_header_without_end(self, tmp_path: Path) -> None:
        body = b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 30) + b" " * 5000
        self.refused(
            write_raw(tmp_path / "a.npz", [("activations.npy", body), ("weights.npy", body)]), "'activations' is damaged"
        )

    def test_an_unknown_format_version(self, tmp_path: Path) -> None:
        body = b"\x93NUMPY\7\0" + bytes(100)
        self.refused(write_raw(tmp_path / "a.npz", [("activations.npy", body), ("weights.npy", body)]), "version")

    def test_keys_twice(self, tmp_path: Path) -> None:
        body = npy((1, 1, 1, 1), b"\1\0")
        members = [("activations.npy", body), ("weights.npy", body), ("weights.npy", body)]
        with pytest.warns(UserWarning, match="Duplicate name"):
            path = write_raw(tmp_path / "a.npz", members)
        self.refused(path, "has the key 'weights' twice")

    @pytest.mark.parametrize("member", ["../weights.npy", "/etc/passwd", "weights", "weights.npy/", "x" * 500 + ".npy"])
    def test_strange_members(self, member: str, tmp_path: Path) -> None:
        body = npy((1, 1, 1, 1), b"\1\0")
        path = write_raw(tmp_path / "a.npz", [("activations.npy", body), ("weights.npy", body), (member, body)])
        self.refused(path, "unknown key")
        assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]

    def test_strange_compression(self, tmp_path: Path) -> None:
        body = npy((1, 1, 1, 1), b"\1\0")
        members = [("activations.npy", body), ("weights.npy", body)]
        self.refused(write_raw(tmp_path / "a.npz", members, zipfile.ZIP_LZMA), "compressed in a way")

    def test_a_changed_byte_is_noticed(self, tmp_path: Path) -> None:
        activations = np.full((1, 4, 100, 100), 0x1234, np.int16)
        path = write(tmp_path / "a.npz", activations=activations)
        content = bytearray(path.read_bytes())
        content[content.index(activations.tobytes()) + 70_000] ^= 0x10
        path.write_bytes(content)
        network = TraceNetwork.open(path)  # only the headers so far
        with pytest.raises(NetworkError, match=r"'activations' is damaged.*CRC"):
            next(network.run(None, Numeric()))

    def test_a_file_that_changes_while_it_is_in_use(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.npz")
        network = TraceNetwork.open(path)
        write(path, activations=np.concatenate([ACTIVATIONS] * 2))
        with pytest.raises(NetworkError, match="changed while it was in use"):
            next(network.run(None, Numeric()))

    @settings(max_examples=300)
    @given(st.data())
    def test_any_damage_ends_in_one_line(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        path = tmp_path_factory.getbasetemp() / "fuzz.npz"
        if data.draw(st.booleans()):
            save_trace(Layer("conv", ACTIVATIONS, WEIGHTS, groups=2), path)
        else:
            write(path)
        content = bytearray(path.read_bytes())
        if data.draw(st.integers(0, 3)) == 0:
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        else:
            for _ in range(data.draw(st.integers(1, 3))):
                content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            problem = ""
            assert only_layer(path).macs > 0
        except NetworkError as error:
            problem = str(error)
        assert not problem or str(path) in problem
        assert "\n" not in problem
