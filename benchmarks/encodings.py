"""Throughput of the encodings, in GB/s of raw activations on one core, beside general compressors, in one run.

    python -m benchmarks.encodings
    python -m benchmarks.encodings --shape 64x224x224 --density 0.3 0.6 --data-bits 8 --brick 32

The arrays hold independent rectified Gaussian values of the asked densities, as int16 whatever the bits of a value. Encoding
takes the array `[C, H, W]` and includes its transposition to bricks; decoding returns such an array and includes all checks.
Times are the best of several runs, of the processor and not of the clock. zstd is measured where `zstandard` is installed.
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
        pass  # the table then has no such rows
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
    """Return the best processor time of at least three runs, more if there is time."""
    best, start, runs = float("inf"), time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - start < budget_seconds:
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
        runs += 1
    return best


def shape(text: str) -> tuple[int, int, int]:
    """Read a shape as ``64x224x224``."""
    channels, height, width = map(int, text.split("x"))
    return channels, height, width


def measure(method: Method, array: NDArray[np.int16], seconds: float) -> tuple[float, float, float]:
    """Return a method's GB/s when it encodes and when it decodes, and its bits a value."""
    encoded = method.encode(array)
    if not np.array_equal(method.decode(encoded), array):
        raise SystemExit(f"{method.name} does not decode to what was encoded")
    encoding = best_seconds(partial(method.encode, array), seconds)
    decoding = best_seconds(partial(method.decode, encoded), seconds)
    return array.nbytes / encoding / 1e9, array.nbytes / decoding / 1e9, method.bits(encoded) / array.size


def table(size: tuple[int, int, int], densities: Sequence[float], brick: int, data_bits: int, seconds: float) -> None:
    """Print a table of all methods, with a column for each density."""
    arrays = [activations(size, density, data_bits) for density in densities]
    print(f"{'x'.join(map(str, size))}, {arrays[0].nbytes / 1e6:.1f} MB, bricks of {brick} values of {data_bits} bits")
    print(f"{'':16}" + "".join(f"{title:^{8 * len(densities)}}  " for title in ("encode GB/s", "decode GB/s", "bits a value")))
    print(f"{'density':16}" + "  ".join("".join(f"{density:8.2f}" for density in densities) for _ in range(3)))
    for row in zip(*(list(methods(array, brick, data_bits)) for array in arrays), strict=True):
        found = zip(*(measure(method, array, seconds) for method, array in zip(row, arrays, strict=True)), strict=True)
        columns = ["".join(f"{value:8.2f}" for value in column) for column in found]
        print(f"{row[0].name:16}{'  '.join(columns)}", flush=True)
    bounds = [footprint(array, 1, brick, data_bits).bits for array in arrays]
    for name in REFERENCE_NAMES:
        sizes = "".join(f"{bits[name] / array.size:8.2f}" for bits, array in zip(bounds, arrays, strict=True))
        print(f"{name:16}{'':{2 * (8 * len(densities) + 2)}}{sizes}")
    print()


def main(options: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=shape, nargs="+", default=[(256, 56, 56), (64, 224, 224)], metavar="CxHxW")
    parser.add_argument("--density", type=float, nargs="+", default=[0.1, 0.5, 0.9])
    parser.add_argument("--data-bits", type=int, nargs="+", default=[16, 8])
    parser.add_argument("--brick", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.1, help="for each measurement")
    chosen = parser.parse_args(options)
    for size in chosen.shape:
        for data_bits in chosen.data_bits:
            table(size, chosen.density, chosen.brick, data_bits, chosen.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
