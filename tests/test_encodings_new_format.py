"""Adding a format is adding a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cnvlutin2 import Organisation, preset, simulate
from cnvlutin2.cli.main import group
from cnvlutin2.cost import area_mm2, load_table
from cnvlutin2.encodings import encode, footprint, format_names, formats, get_format, load
from cnvlutin2.encodings.registry import all_formats
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Layer
from cnvlutin2.network.trace_file import save_trace
from cnvlutin2.organisation import with_overrides

TABLE = load_table("45nm")
SOURCE = '''
from cnvlutin2.encodings.formats.dense import Dense


class Inverted(Dense):
    """The values, every bit inverted."""

    name = "{name}"
    rank = 50

    def parts(self, counts, brick, data_bits):
        return {{"inverses": super().parts(counts, brick, data_bits)["values"]}}

    def to_records(self, bricks, effectual, data_bits):
        return 1 - super().to_records(bricks, effectual, data_bits)

    def from_records(self, records, brick, data_bits, threshold):
        return super().from_records(1 - records, brick, data_bits, threshold)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    formats.__path__.append(str(tmp_path))
    all_formats.cache_clear()
    yield tmp_path
    formats.__path__.remove(str(tmp_path))
    all_formats.cache_clear()
    for name in [m for m in sys.modules if m.startswith("cnvlutin2.encodings.formats.extra")]:
        del sys.modules[name]


def test_a_new_file_is_a_new_format(folder: Path) -> None:
    assert "inverted" not in format_names()
    all_formats.cache_clear()
    (folder / "extra_inverted.py").write_text(SOURCE.format(name="inverted"))
    assert format_names() == ["dense", "zfnaf", "roe", "viai", "packed_viai", "inverted"]
    array = np.arange(-60, 60, dtype=np.int16).reshape(20, 2, 3)
    encoded = encode(array, "inverted", data_bits=9, threshold=5)
    dense = encode(array, "dense", data_bits=9, threshold=5)
    assert bytes(255 - byte for byte in encoded.stream) == dense.stream
    encoded.save(folder / "x.cnv2")
    found = load(folder / "x.cnv2")
    np.testing.assert_array_equal(found.decode(), dense.decode())
    np.testing.assert_array_equal(found.window(0, 1, 2, 2), dense.window(0, 1, 2, 2))
    assert footprint(array).bits["inverted"] == 2 * 2 * 3 * 256


def test_commands_and_results_know_a_new_format(folder: Path) -> None:
    """Without a line elsewhere that names it."""
    (folder / "extra_inverted.py").write_text(SOURCE.format(name="inverted"))
    all_formats.cache_clear()
    array = np.arange(-60, 60, dtype=np.int16).reshape(20, 2, 3)
    np.save(folder / "in.npy", array)
    save_trace(Layer("conv", array[None], np.ones((4, 20, 1, 1), np.int16)), folder / "conv.npz")

    def call(*arguments: object) -> str:
        done = CliRunner().invoke(group, [str(a) for a in arguments])
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    call("encode", folder / "in.npy", "-f", "inverted", "-o", folder / "x.cnv2")
    facts = json.loads(call("inspect", folder / "x.cnv2", "--json", "-"))
    assert (facts["format"], facts["parts"]) == ("inverted", {"inverses": 12 * 256})
    call("decode", folder / "x.cnv2", "-o", folder / "out.npy")
    np.testing.assert_array_equal(np.load(folder / "out.npy"), array)
    table = call("formats", folder / "conv.npz")
    assert "inverted" in table
    assert "inverses" in table
    results = json.loads(call("run", folder / "conv.npz", "--arch", "cnv", "--json", "-"))
    assert {run["footprint_bits"]["inverted"] for run in results["runs"]} == {12 * 256}


def test_organisations_store_with_a_new_format(folder: Path) -> None:
    """By flag, by file and in Python; nothing needs to be said elsewhere."""
    with pytest.raises(ConfigError, match=r"'inverted' is not allowed: should be 'dense', .* or 'packed_viai' at format"):
        with_overrides(preset("cnv2-dispatch"), ["format=inverted"])
    (folder / "extra_inverted.py").write_text(SOURCE.format(name="inverted"))
    all_formats.cache_clear()
    with pytest.raises(ConfigError, match=r"'zip' is not allowed: should be 'dense', .* or 'inverted' at format"):
        with_overrides(preset("cnv2-dispatch"), ["format=zip"])
    # It says as little as dense about which values are effectual.
    with pytest.raises(ConfigError, match=r"\(zfnaf, roe, viai, packed_viai\); use detect=dispatch with format=inverted"):
        with_overrides(preset("cnv"), ["format=inverted"])
    (folder / "mine.yaml").write_text("base: cnv2-dispatch\nformat: inverted\n")
    files = {kind: folder / f"results.{kind}" for kind in ("json", "csv", "html")}
    arguments = ["run", "digits", "--limit", "3", "--verify", "--arch", f"cnv2-dispatch,{folder / 'mine.yaml'}"]
    arguments += ["--json", str(files["json"]), "--csv", str(files["csv"]), "--report", str(files["html"])]
    done = CliRunner().invoke(group, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    results = json.loads(files["json"].read_text())
    assert results["organisations"]["mine"]["format"] == "inverted"
    of = {arch: [run for run in results["runs"] if run["arch"] == arch] for arch in ("cnv2-dispatch", "mine")}
    assert of["mine"]
    for mine, plain in zip(of["mine"], of["cnv2-dispatch"], strict=True):
        assert {**mine, "arch": "cnv2-dispatch"} == plain
    assert "inverted" in files["html"].read_text()


@pytest.mark.parametrize(("detect", "offsets"), [("output", 5), ("dispatch", 5 + 14)])
@pytest.mark.parametrize("packing", ["brick", "row"])
def test_raw_bricks_beside_vectors(folder: Path, detect: str, offsets: int, packing: str) -> None:
    """Values that are marked in a vector need offsets; those of raw bricks only where they are looked for."""
    (folder / "extra_mixed.py").write_text(
        "from cnvlutin2.encodings.formats.roe import RawOrEncoded\n\n\n"
        "class Mixed(RawOrEncoded):\n    name = 'mixed'\n    lists_offsets = False\n"
    )
    all_formats.cache_clear()
    machine = {"name": "machine", "format": "mixed", "detect": detect, "packing": packing}
    values = np.zeros((1, 32, 1, 1), np.int16)
    values[0, :14] = values[0, 16:21] = 1  # a raw brick of 14 effectual values, and one of 5 that are marked
    if packing == "row":
        values = np.ascontiguousarray(values.reshape(1, 4, 8).swapaxes(1, 2)).reshape(1, 8, 1, 4)  # the same, x first
    layer = Layer("layer", values, np.ones((1, values.shape[1], 1, 1), np.int16))
    (run,) = simulate(layer, organisations=[Organisation.parse(machine)]).networks[0].layers
    assert run.cost is not None
    assert run.cost.events["offsets_generated"].tolist() == [offsets]


@pytest.mark.parametrize("name", ["dense", "zfnaf", "roe", "viai", "packed_viai"])
def test_a_name_decides_nothing(folder: Path, name: str) -> None:
    """A format under another name has the same cycles, events, sizes and area."""
    kind = type(get_format(name))
    twin_name = f"twin_{name}"  # what is known of an organisation is kept: no two formats of a process have one name
    (folder / "extra_twin.py").write_text(
        f"from {kind.__module__} import {kind.__name__} as Kind\n\n\nclass Twin(Kind):\n    name = {twin_name!r}\n"
    )
    all_formats.cache_clear()
    machines = [
        Organisation.parse({"name": f"{stored} {detect} {skip}", "format": stored, "detect": detect, "skip_weights": skip})
        for stored in (name, twin_name)
        for detect in (("output", "dispatch") if kind.marks else ("dispatch",))
        for skip in ("none", "shared", "per_filter")
    ]
    rng = np.random.default_rng(3)
    network = [
        Layer(
            layer,
            (rng.integers(-9, 9, (2, channels, 5, 5)) * (rng.random((2, channels, 5, 5)) < 0.7)).astype(np.int16),
            rng.integers(-1, 2, (filters, channels, 3, 3), np.int16),
            pads=(1, 1, 1, 1),
        )
        for layer, channels, filters in (("shallow", 3, 40), ("deep", 40, 12))
    ]
    runs: dict[str, list[object]] = {}
    for run in simulate(network, organisations=machines).to_dict()["runs"]:
        runs.setdefault(run.pop("arch"), []).append(run)
    half = len(machines) // 2
    for one, twin in zip(machines[:half], machines[half:], strict=True):
        assert runs[one.name] == runs[twin.name]
        assert area_mm2(one, TABLE) == area_mm2(twin, TABLE)


@pytest.mark.parametrize("rows", [1, 3, 255])
def test_a_format_says_which_rows_its_bricks_lie_in(folder: Path, rows: int) -> None:
    """Lanes fetch a row a cycle: bricks that lie in many rows hold the lanes up for as long, whatever is in them."""
    (folder / "extra_rows.py").write_text(
        "import numpy as np\n\nfrom cnvlutin2.encodings.formats.packed_viai import PackedViai\n\n\n"
        "class Rows(PackedViai):\n    name = 'rows'\n\n"
        "    def rows_touched(self, counts, brick, data_bits):\n"
        f"        return np.full(counts.shape, {rows}, np.uint8)\n"
    )
    all_formats.cache_clear()
    layer = Layer("conv", np.ones((1, 64, 4, 4), np.int16), np.ones((3, 64, 1, 1), np.int16))
    machine = Organisation.parse({"name": "mine", "format": "rows", "lanes": 4, "tiles": 1})
    cycles = simulate([layer], organisations=[machine]).to_dict()["runs"][0]["cycles"]
    assert cycles == layer.windows * max(16, rows)


def test_two_formats_of_one_name_are_refused(folder: Path) -> None:
    (folder / "extra_twin.py").write_text(SOURCE.format(name="dense"))
    with pytest.raises(ConfigError, match="two formats are called 'dense'"):
        format_names()
