"""Adding a format is adding a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cnvlutin2.cli.main import group
from cnvlutin2.encodings import encode, footprint, format_names, formats, load
from cnvlutin2.encodings.registry import all_formats
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Layer
from cnvlutin2.network.trace_file import save_trace

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


def test_two_formats_of_one_name_are_refused(folder: Path) -> None:
    (folder / "extra_twin.py").write_text(SOURCE.format(name="dense"))
    with pytest.raises(ConfigError, match="two formats are called 'dense'"):
        format_names()
