"""Every bit of a container's body that is zero, set: it is refused, or it is what an encoder writes for what is decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_container import sign_body

from cnvlutin2.encodings import Encoded, Packing, encode, format_names, load
from cnvlutin2.encodings.container import FileSource
from cnvlutin2.encodings.header import HEADER_BYTES
from cnvlutin2.errors import FormatError
from cnvlutin2.simd import Kernels

WAYS: tuple[Kernels, ...] = ("numba", "numpy")
ODD = (  # channels of all groups, brick, data_bits, threshold, pointer_group, packing, groups
    (5, 4, 5, 3, 1, "brick", 1),
    (6, 4, 3, 2, 3, "brick", 2),
    (3, 4, 7, 3, 2, "row", 1),
    (17, 16, 16, 4, 1, "brick", 1),
    (3, 16, 8, 4, 1, "row", 1),
)
"""Of which every one has fill."""


def refuses(encoded: Encoded, kernels: Kernels) -> bool:
    try:
        encoded.decode(kernels=kernels)
        encoded.decode(raw=True, kernels=kernels)
    except FormatError:
        return True
    return False


def refused_bricks(encoded: Encoded) -> list[int]:
    """Return which single bricks are refused."""
    found = []
    for number in range(encoded.storage.bricks):
        group, y, x, *cb = (int(i) for i in np.unravel_index(number, encoded.storage.bricks_shape))
        try:
            encoded.brick(y, x, *cb, group=group)
        except FormatError:
            found.append(number)
    return found


@pytest.mark.parametrize("name", format_names())
@pytest.mark.parametrize("how", ODD, ids=str)
@pytest.mark.parametrize("kernels", WAYS)
def test_every_bit_that_is_set(
    name: str,
    how: tuple[int, int, int, int, int, Packing, int],
    kernels: Kernels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels, brick, data_bits, threshold, pointer_group, packing, groups = how
    monkeypatch.setenv("CNVLUTIN2_KERNELS", kernels)
    rng = np.random.default_rng(channels + data_bits)
    most = min(1 << (data_bits - 1), 100)
    shape = (channels, 1, 1 if channels > brick else 2)
    array = np.where(rng.random(shape) < 0.6, rng.integers(-most, most, shape), 0).astype(np.int16)
    parameters = (name, brick, data_bits, threshold, pointer_group, packing, groups)
    path, again = tmp_path / "x.cnv2", tmp_path / "again.cnv2"
    encode(array, *parameters).save(path)
    whole = path.read_bytes()
    source = load(path).source
    assert isinstance(source, FileSource)
    header = source.header
    changed = 0
    for bit in range(header.body_bytes * 8):
        data = bytearray(whole)
        data[HEADER_BYTES + bit // 8] |= 1 << bit % 8
        if data == whole:
            continue
        sign_body(data, header.body_bytes)
        path.write_bytes(data)
        taken = load(path)
        if refuses(taken, kernels):
            assert refused_bricks(taken), f"bit {bit} is refused of the whole, and of no brick"
            changed += 1
            continue
        assert refused_bricks(taken) == []
        encode(taken.decode(raw=True), *parameters).save(again)
        assert again.read_bytes() == bytes(data), f"bit {bit} is taken, and no encoder sets it"
    assert changed > 0
