"""Readers: the registry asks in its order, others' readers join it, and runs of one network do not disturb each other."""

from __future__ import annotations

import json
import runpy
from collections import UserList
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from onnx_models import inputs, integers, model, node, saved

from cnvlutin2 import simulate
from cnvlutin2.cli.run_command import run_command
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network import (
    Accuracy,
    ArrayNetwork,
    Findings,
    LeftOut,
    Network,
    Numeric,
    OnnxNetwork,
    Reader,
    Threshold,
    Thresholds,
    Topology,
    TraceNetwork,
    open_network,
    register_reader,
    save_traces,
    unregister_reader,
)
from cnvlutin2.network.bundled import bundled_inputs
from cnvlutin2.network.opening import check_exists, takes_inputs
from cnvlutin2.network.reader_registry import all_readers, find_reader, plugged_in_readers


def layer(name: str = "conv", threshold: int = 1) -> Layer:
    return Layer(name, integers(2, 4, 5, 5, dtype="int16"), integers(6, 4, 3, 3, dtype="int16"), threshold=threshold)


class NumbersReader(Reader):
    """Reads a made-up format, a JSON list of numbers: a fully-connected layer of one filter."""

    reads = "a .numbers file"

    def can_read(self, source: object) -> bool:
        return isinstance(source, (str, Path)) and Path(source).suffix == ".numbers"

    def read(self, source: object) -> Network:
        values = np.array(json.loads(Path(str(source)).read_text("utf-8")), np.int16)
        return ArrayNetwork([Layer("fc", values.reshape(1, -1, 1, 1), np.ones((1, len(values), 1, 1), np.int16))], "numbers")


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "three.numbers"
    path.write_text("[5, 0, 7]", "utf-8")
    return path


@pytest.fixture
def registered() -> Iterator[NumbersReader]:
    reader = NumbersReader()
    register_reader(reader)
    yield reader
    unregister_reader(reader)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, for packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    plugged_in_readers.cache_clear()
    yield folder
    plugged_in_readers.cache_clear()


def install(site: Path, name: str, points: dict[str, str], code: str = "") -> None:
    """Lay a package down as an installer does: its module, its metadata with entry points."""
    (site / f"{name}.py").write_text(code, "utf-8")
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    listed = "".join(f"{key} = {value}\n" for key, value in points.items())
    (metadata / "entry_points.txt").write_text(f"[cnvlutin2.readers]\n{listed}", "utf-8")


class TestRegistry:
    def test_the_order_is_the_stated_one(self, site: Path, registered: NumbersReader) -> None:
        install(site, "order_of_two", {"b_second": f"{__name__}:NumbersReader", "a_first": f"{__name__}:OneName"})
        assert [type(reader).__name__ for reader in all_readers()] == [
            *("BundledReader", "TopologyReader", "NumbersReader"),
            *("OneName", "NumbersReader", "TorchReader", "ArrayReader", "TraceReader", "OnnxReader"),
        ]

    def test_a_registered_reader_is_asked(self, numbers: Path) -> None:
        with pytest.raises(NetworkError, match="is not an ONNX model"):
            open_network(numbers)
        reader = NumbersReader()
        register_reader(reader)
        try:
            (found,) = open_network(numbers).run(None, Numeric())
            assert found.activations.tolist() == [[[[5]], [[0]], [[7]]]]
            assert simulate(numbers, organisations="cnv").networks[0].network == "numbers"
            document = CliRunner().invoke(run_command, [str(numbers), "--arch", "cnv", "--json", "-"])
            assert [run["layer"] for run in json.loads(document.stdout)["runs"]] == ["fc"]
            refused = CliRunner().invoke(run_command, [str(numbers), "--limit", "3"])
            assert "is for networks that are executed" in str(refused.exception)
            with pytest.raises(NetworkError, match=r"of traces, a \.numbers file, or one of digits,"):
                open_network("nonesuch")
        finally:
            unregister_reader(reader)
        with pytest.raises(NetworkError, match="is not an ONNX model"):
            open_network(numbers)

    def test_names_of_the_package_come_before_registered_readers(self) -> None:
        reader = OneName("digits")
        register_reader(reader)
        try:
            assert isinstance(open_network("digits"), OnnxNetwork)
        finally:
            unregister_reader(reader)

    def test_names_that_a_reader_knows_need_no_file(self) -> None:
        reader = OneName("hub:net")
        register_reader(reader)
        try:
            check_exists("hub:net")
            assert takes_inputs("hub:net")
            assert open_network("hub:net").layer_names() == ["conv"]
            with pytest.raises(NetworkError, match=r"vgg19, hub:net$"):
                open_network("nonesuch")
        finally:
            unregister_reader(reader)

    def test_what_is_no_reader_is_refused(self) -> None:
        for nothing in (object(), NumbersReader, "reader"):
            with pytest.raises(ConfigError, match="is no reader: it wants can_read, read, takes_inputs, reads and names"):
                register_reader(nothing)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="is not registered"):
            unregister_reader(NumbersReader())


class OneName(Reader):
    """Gives a network to one name."""

    takes_inputs = True

    def __init__(self, name: str = "one") -> None:
        self.name = name

    def names(self) -> list[str]:
        return [self.name]

    def can_read(self, source: object) -> bool:
        return source == self.name

    def read(self, source: object) -> Network:
        return ArrayNetwork([layer()], self.name)


PLUGIN = """
from pathlib import Path
from cnvlutin2.network import ArrayNetwork, Reader, Layer
import numpy as np


class Doubled(Reader):
    reads = "a .doubled file"

    def can_read(self, source):
        return str(source).endswith(".doubled")

    def read(self, source):
        value = 2 * int(Path(source).read_text())
        return ArrayNetwork([Layer("fc", np.full((1, 4, 1, 1), value, np.int16), np.ones((1, 4, 1, 1), np.int16))])
"""


class TestEntryPoints:
    def test_a_package_adds_a_reader(self, site: Path, tmp_path: Path) -> None:
        install(site, "doubled_numbers", {"doubled": "doubled_numbers:Doubled"}, PLUGIN)
        path = tmp_path / "x.doubled"
        path.write_text("21", "utf-8")
        (found,) = open_network(path).run(None, Numeric())
        assert found.activations.max() == 42
        with pytest.raises(NetworkError, match=r"a folder of traces, a \.doubled file, or one of"):
            open_network("nonesuch")

    @pytest.mark.parametrize(
        ("name", "code", "words"),
        [
            ("raising", "raise RuntimeError('two\\nlines')", "cannot be loaded: two lines; repair or remove its package"),
            ("empty", "", "cannot be loaded: .*Broken"),
            ("numeric", "Broken = 3", "cannot be loaded: 'int' object is not callable"),
            ("unfit", "class Broken: pass", "is no reader: it wants can_read"),
        ],
    )
    def test_a_broken_one_is_named_but_spoils_no_known_name(self, name: str, code: str, words: str, site: Path) -> None:
        name = f"broken_reader_{name}"
        install(site, name, {"broken": f"{name}:Broken"}, code)
        assert open_network("digits").name == "digits"
        with pytest.raises(ConfigError, match=rf"broken = {name}:Broken.*{words}"):
            open_network("some.onnx")


class TestSources:
    def test_objects_are_sources(self) -> None:
        network = open_network(layer("own"))
        assert (network.name, network.layer_names()) == ("own", ["own"])
        assert open_network([layer("a"), layer("b")]).layer_names() == ["a", "b"]
        assert open_network(UserList([layer("a"), layer("b")])).layer_names() == ["a", "b"]
        with pytest.raises(NetworkError, match="has no layers"):
            open_network([])
        for nothing in (b"", {"layer": layer()}, None, 3, np.zeros(3), (layer(), 3)):
            with pytest.raises(NetworkError, match="there is no network"):
                open_network(nothing)
        with pytest.raises(NetworkError, match=r"there is no network \[1, 2\]: give an .onnx file"):
            open_network([1, 2])

    def test_unknown_sources_are_refused_in_one_line(self, tmp_path: Path) -> None:
        names = "digits, digits-pruned, alexnet, nin, googlenet, vgg_cnn_m, vgg_cnn_s, vgg19"
        given = f"give an .onnx file, an .npz trace, a folder of traces, or one of {names}"
        with pytest.raises(NetworkError) as refused:
            open_network("nonesuch")
        assert str(refused.value) == f"there is no network 'nonesuch': {given}"
        for missing in ("missing.onnx", "missing.npz", tmp_path / "missing.onnx"):
            with pytest.raises(NetworkError) as refused:
                check_exists(missing)
            assert str(refused.value) == f"there is no network {str(missing)!r}: {given}"
        with pytest.raises(NetworkError, match=r"missing.npz: no such file"):
            open_network("missing.npz")

    @pytest.mark.parametrize(
        ("source", "executed"),
        [
            ("digits", True),
            ("alexnet", False),
            ("x.onnx", True),
            ("x.ONNX", True),
            ("x.npz", False),
            ("x.NPZ", False),
            (".", False),
        ],
    )
    def test_whether_it_takes_inputs_is_known_without_opening(self, source: str, executed: bool) -> None:
        assert takes_inputs(source) is executed

    def test_a_name_comes_before_its_file_and_a_path_is_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        save_traces([layer()], "digits")
        assert isinstance(open_network("digits"), OnnxNetwork)
        for source in (Path("digits"), "./digits"):
            assert isinstance(open_network(source), TraceNetwork)

    @pytest.mark.parametrize("name", ["alexnet", "digits"])
    def test_what_a_reader_says_of_inputs_is_what_its_networks_say(self, name: str) -> None:
        assert find_reader(name).takes_inputs is open_network(name).takes_inputs


def same(one: Layer, other: Layer) -> None:
    assert (one.name, one.threshold, one.first_image) == (other.name, other.threshold, other.first_image)
    np.testing.assert_array_equal(one.activations, other.activations)
    np.testing.assert_array_equal(one.weights, other.weights)


class TestRuns:
    @pytest.mark.parametrize(
        ("what", "words"),
        {
            "accuracy": "accuracy",
            "quantised": "way of execution",
            "hashes": "record of hashes",
            "settings": "record of settings",
            "left_out": "list of what is left out",
            "findings": "outcome",
        }.items(),
    )
    def test_findings_are_known_at_the_end_only(self, what: str, words: str) -> None:
        stream = ArrayNetwork([layer("a"), layer("b")], "mine").run(None, Numeric())
        for _ in range(3):
            with pytest.raises(NetworkError, match=f"^network 'mine': the {words} of a run is known once all"):
                getattr(stream, what)
            next(stream, None)
        getattr(stream, what)
        assert next(stream, None) is None
        assert stream.findings == Findings()

    def test_a_run_that_broke_off_has_none(self, tmp_path: Path) -> None:
        save_traces([layer("a"), layer("b")], tmp_path)
        stream = open_network(tmp_path).run(None, Numeric())
        next(stream)
        (tmp_path / "0001-b.npz").write_bytes(b"damaged")
        with pytest.raises(NetworkError, match=r"not an \.npz file"):
            next(stream)
        assert list(stream) == []
        with pytest.raises(NetworkError, match="the record of hashes of a run is known once all its layers have come"):
            _ = stream.hashes

    def test_interleaved_runs_of_a_model_do_not_mix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cnvlutin2.network.gathering.HOLD_BYTES", 1 << 14)  # so that layers come in batches
        network = open_network("digits")
        numerics = [Numeric(), Numeric(8, Thresholds(Threshold(9))), Numeric(quantised=True)]
        given = [bundled_inputs(30), bundled_inputs(20), bundled_inputs(10)]
        alone = []
        for numeric, images in zip(numerics, given, strict=True):
            stream = open_network("digits").run(images, numeric)
            alone.append((list(stream), stream.findings))
        assert len(alone[0][0]) > len(network.layer_names())
        before = {key: value for key, value in vars(network).items() if key not in ("_file", "kept")}
        streams = [network.run(images, numeric) for images, numeric in zip(given, numerics, strict=True)]
        together: list[list[Layer]] = [[], [], []]
        for row in zip_longest(*streams):
            for some, found in zip(together, row, strict=True):
                if found is not None:
                    some.append(found)
        assert {key: value for key, value in vars(network).items() if key not in ("_file", "kept")} == before
        for (layers, findings), found, stream in zip(alone, together, streams, strict=True):
            assert stream.findings == findings
            for one, other in zip(layers, found, strict=True):
                same(one, other)
        assert [stream.quantised for stream in streams] == [False, True, True]
        assert [stream.accuracy.images for stream in streams if stream.accuracy] == [30, 20, 10]

    def test_a_run_leaves_out_for_itself_alone(self, tmp_path: Path) -> None:
        nodes = [
            node("Conv", "x w", "a", "kept"),
            node("Reshape", "a shape", "b"),
            node("Conv", "b v", "y", "folded"),  # which shows only when it runs
            node("ConvTranspose", "x up", "z", "up"),
        ]
        constants = {
            "w": integers(4, 3, 1, 1),
            "shape": np.array([-1, 2, 4, 4]),
            "v": integers(2, 2, 1, 1),
            "up": integers(3, 3, 1, 1),
        }
        network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y", "z"], constants)))
        for _ in range(2):
            stream = network.run(inputs(integers(3, 3, 4, 4, seed=1)), Numeric())
            assert [found.name for found in stream] == ["kept"]
            assert [out.name for out in stream.left_out] == ["up", "folded"]
        assert [out.name for out in network.left_out] == ["up"]

    def test_interleaved_runs_of_traces_and_topologies_do_not_mix(self, tmp_path: Path) -> None:
        save_traces([layer("a"), layer("b")], tmp_path)
        for network in (open_network(tmp_path), Topology("nin", images=2, conv_only=True)):
            numerics = [Numeric(), Numeric(thresholds=Thresholds(Threshold(3)))]
            streams = [network.run(None, numeric) for numeric in numerics]
            for one, other in zip(*streams, strict=True):
                assert (one.threshold, other.threshold) == (1, 3)
                assert one.name == other.name
                np.testing.assert_array_equal(one.activations, other.activations)
            assert streams[0].findings == streams[1].findings
        assert set(streams[0].settings) >= {"seed", "activation_density"}

    def test_a_trace_has_the_hashes_of_its_files(self, tmp_path: Path) -> None:
        files = save_traces([layer("a"), layer("b")], tmp_path)
        stream = open_network(tmp_path).run(None, Numeric())
        list(stream)
        assert list(stream.hashes) == [file.name for file in files]
        assert not open_network(tmp_path).hashes  # it reads them when it runs

    def test_findings_are_what_the_generator_returns(self) -> None:
        expected = Findings(Accuracy(3, 2), quantised=True, hashes={"file": "0"}, left_out=(LeftOut("x", "LSTM", "recurrent"),))

        class Knowing(ArrayNetwork):
            def generate(self, *_: object):  # type: ignore[no-untyped-def]
                yield layer()
                return expected

        stream = Knowing([layer()]).run(None, Numeric())
        assert [found.name for found in stream] == ["conv"]
        assert stream.findings is expected
        assert (stream.accuracy, stream.quantised) == (expected.accuracy, True)
        assert (stream.hashes, stream.left_out, stream.settings) == (expected.hashes, expected.left_out, {})


class TestOwnReader:
    """The reader of the documentation (`examples/text_reader.py`)."""

    reader: Reader = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "text_reader.py"))["TextReader"]()

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "net.text"
        folder.mkdir()
        for name, lines in {"b.act": "1 2\n", "b.wgt": "3 4\n5 6\n", "a.act": "7\n", "a.wgt": "0\n"}.items():
            (folder / name).write_text(lines, "utf-8")
        return folder

    def test_it_reads_its_folders_alone(self, folder: Path) -> None:
        assert self.reader.can_read(folder)
        assert self.reader.can_read(str(folder))
        assert not self.reader.can_read(folder.parent)
        assert not self.reader.can_read(layer())
        stream = self.reader.read(folder).run(None, Numeric(thresholds=Thresholds(Threshold(2))))
        one, two = stream
        assert (one.name, one.first, one.kind, one.threshold) == ("a", True, "fc", 2)
        assert (two.name, two.first, two.activations.tolist()) == ("b", False, [[[[1]], [[2]]]])
        assert two.weights[:, :, 0, 0].tolist() == [[3, 4], [5, 6]]
        assert set(stream.hashes) == {"a.act", "a.wgt", "b.act", "b.wgt"}

    def test_what_it_cannot_use_is_named(self, folder: Path) -> None:
        network = self.reader.read(folder)
        with pytest.raises(NetworkError, match="takes no inputs"):
            next(network.run(inputs(integers(1, 2)), Numeric()))
        (folder / "a.wgt").write_text("70000\n", "utf-8")
        with pytest.raises(NetworkError, match=r"a\.wgt: is not a table of 16-bit integers"):
            next(network.run(None, Numeric()))
        (folder / "a.wgt").unlink()
        with pytest.raises(NetworkError, match=r"a\.wgt: is not a table of 16-bit integers"):
            next(network.run(None, Numeric()))
        with pytest.raises(NetworkError, match="holds no layer"):
            self.reader.read(folder.parent)
