"""Throughput of the encodings, in GB/s of raw activations on one core, beside general compressors, in one run.

    python -m benchmarks.encodings
    python -m benchmarks.encodings --shape 64 224 224 --density 0.3 --data-bits 8

The array holds independent rectified Gaussian values of the asked density. Encoding takes the array `[C, H, W]` and includes its
transposition to bricks; decoding returns such an array and includes all checks. Times are the best of several runs.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import encode, footprint, format_names
from cnvlutin2.encodings.references import REFERENCE_NAMES


def activations(shape: tuple[int, int, int], density: float, data_bits: int, seed: int = 0) -> NDArray[np.int16]:
    """Return rectified Gaussian values, a fraction `density` of them not 0, the largest at full scale."""
    rng = np.random.default_rng(seed)
    values = np.abs(rng.standard_normal(shape))
    top = (1 << (data_bits - 1)) - 1
    integers = np.maximum(np.rint(values * (top / values.max())), 1)
    return np.where(rng.random(shape) < density, integers, 0).astype(np.int16)


def bitmask_encode(array: NDArray[np.int16]) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Return a bit a value and the values that are not 0, all in NumPy."""
    mask = array != 0
    return np.packbits(mask), array[mask]


def bitmask_decode(encoded: tuple[NDArray[np.uint8], NDArray[np.int16]], shape: tuple[int, ...]) -> NDArray[np.int16]:
    vectors, values = encoded
    array = np.zeros(shape, np.int16)
    array[np.unpackbits(vectors, count=array.size).astype(bool).reshape(shape)] = values
    return array


@dataclass(frozen=True)
class Method:
    """One way to encode the array: `bits` says how large its result is."""

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    bits: Callable[[Any], int]


def methods(array: NDArray[np.int16], brick: int, data_bits: int) -> Iterator[Method]:
    """Yield the formats, the bit mask, and general compressors at their fastest levels (zstd where it is installed)."""
    for name in format_names():
        encoder = partial(encode, format=name, brick=brick, data_bits=data_bits)
        yield Method(name, encoder, lambda encoded: encoded.decode(), lambda encoded: encoded.total_bits)
    unmask = partial(bitmask_decode, shape=array.shape)
    yield Method("numpy bitmask", bitmask_encode, unmask, lambda parts: 8 * sum(part.nbytes for part in parts))
    compressors: list[tuple[str, Callable[[Any], bytes], Callable[[bytes], bytes]]]
    compressors = [("zlib level 1", partial(zlib.compress, level=1), zlib.decompress)]
    try:
        zstandard = import_module("zstandard")
    except ImportError:
        print("(zstandard is not installed: no zstd)")
    else:
        for level in (1, -7):
            packer, unpacker = zstandard.ZstdCompressor(level=level), zstandard.ZstdDecompressor()
            compressors.append((f"zstd level {level}", packer.compress, unpacker.decompress))
    for name, compress, decompress in compressors:
        yield Method(name, compress, partial(_from_bytes, decompress, array.shape), lambda data: 8 * len(data))
    yield Method("copy", np.copy, np.copy, lambda data: 8 * data.nbytes)


def _from_bytes(decompress: Callable[[bytes], bytes], shape: tuple[int, ...], data: bytes) -> NDArray[np.int16]:
    return np.frombuffer(decompress(data), np.int16).reshape(shape)


def best_seconds(work: Callable[[], Any], budget_seconds: float) -> float:
    """Return the best time of at least three runs, more if there is time."""
    best, start, runs = float("inf"), time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - start < budget_seconds:
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
        runs += 1
    return best


def main(options: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 56, 56), metavar=("C", "H", "W"))
    parser.add_argument("--density", type=float, default=0.5)
    parser.add_argument("--data-bits", type=int, default=16)
    parser.add_argument("--brick", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    chosen = parser.parse_args(options)
    array = activations((chosen.shape[0], chosen.shape[1], chosen.shape[2]), chosen.density, chosen.data_bits)
    density = np.count_nonzero(array) / array.size
    print(f"int16 {list(array.shape)}, {array.nbytes / 1e6:.1f} MB, density {density:.3f}, ", end="")
    print(f"bricks of {chosen.brick} values of {chosen.data_bits} bits; one core, best of several runs")
    print(f"{'':16}{'encode GB/s':>12}{'decode GB/s':>12}{'bits/value':>12}")
    for method in methods(array, chosen.brick, chosen.data_bits):
        encoded = method.encode(array)
        if not np.array_equal(method.decode(encoded), array):
            raise SystemExit(f"{method.name} does not decode to what was encoded")
        seconds = (
            best_seconds(partial(work, what), chosen.seconds) for work, what in ((method.encode, array), (method.decode, encoded))
        )
        speeds = "".join(f"{array.nbytes / s / 1e9:12.2f}" for s in seconds)
        print(f"{method.name:16}{speeds}{method.bits(encoded) / array.size:12.2f}", flush=True)
    bounds = footprint(array, 1, chosen.brick, chosen.data_bits).bits
    for name in REFERENCE_NAMES:
        print(f"{name:16}{'':24}{bounds[name] / array.size:12.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
