"""How many pairs of an activation run and a filter the kernels count a second, on one core, beside what the processor can do.

The bound is measured: the same operations (looking up or counting digits, adding, comparing) on vectors of the processor's full
width, over data that stays in the first-level cache, with nothing gathered, waited for or added up around them. Masks are a byte
or two wide: what a lane owns of 128 and of 256 channels. Weights are 30% dense. `walked` is the part of the pairs that the kernel
looks at; of the others it knows that their filter is never its tile's busiest.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.mapping import Schedule
from cnvlutin2.network import Layer
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.lookups import DIGIT_BITS, most_products
from cnvlutin2.simd.narrow import larger
from cnvlutin2.simd.vectors import load, store
from cnvlutin2.timing import make_engine
from cnvlutin2.timing.compiled.packing import walk_record

WINDOWS, FILTERS = 512, 16  # of the bound's block: 512 bytes a digit
ROUNDS = 20_000
NONE: Mapping[str, object] = {}


@njit(nogil=True)
def _pairs(weights: NDArray[np.uint8], a: NDArray[np.uint8], most: NDArray[np.uint8], rounds: int) -> None:
    digits = a.shape[1]
    for _ in range(rounds):
        for x in range(0, most.size, VECTOR):
            found = most_products(weights, 0, weights.shape[0], a, x * digits, digits)
            store(most, x, larger(found, load(most, x)))


def main() -> None:
    print(__doc__)
    print(f"{'mask':<9}{'kernel':<22}{'G pairs/s':>10}{'bound':>8}{'reached':>9}{'walked':>9}")
    for planes in (1, 2):
        bound = _bound(planes)
        for name, changes in (("filter_sync=brick", NONE), ("filter_sync=window", {"filter_sync": "window"})):
            rate, walked = _kernel(planes, changes)
            figures = f"{rate / 1e9:>10.1f}{bound / 1e9:>8.1f}{rate / bound:>9.0%}{walked:>9.0%}"
            print(f"{8 * planes:>2} bits  {name:<22}{figures}", flush=True)


def _bound(planes: int) -> float:
    rng = np.random.default_rng(0)
    digits = 8 // DIGIT_BITS * planes
    a = rng.integers(0, 1 << DIGIT_BITS, (WINDOWS // VECTOR, digits, VECTOR), np.uint8)
    weights = rng.integers(0, 1 << DIGIT_BITS, (FILTERS, digits), np.uint8) * np.uint8(1 << (8 - DIGIT_BITS))
    most = np.zeros(WINDOWS, np.uint8)
    _pairs(weights, a, most, 1)
    return ROUNDS * WINDOWS * FILTERS / _best(lambda: _pairs(weights, a, most, ROUNDS))


def _kernel(planes: int, changes: Mapping[str, object]) -> tuple[float, float]:
    """Return the pairs a second of a 3x3 layer, and the part of them that are walked."""
    rng = np.random.default_rng(1)
    channels = 128 * planes
    activations = (rng.random((1, channels, 56, 56)) < 0.5).astype(np.int16)
    weights = (rng.random((256, channels, 3, 3)) < 0.3).astype(np.int16)
    layer = Layer("conv", activations, weights, pads=(1, 1, 1, 1))
    organisation = with_overrides(preset("cnv2-weights"), changes)
    schedule, engine = Schedule.of(layer.geometry, organisation), make_engine(jobs=1)
    pairs = layer.macs / schedule.runs.longest
    leaders = walk_record(schedule, layer, layer.windows).leaders
    walked = float(leaders.mean()) / organisation.filters_per_tile if leaders.size else 1.0
    return pairs / _best(lambda: engine.time([layer], [organisation])), walked


def _best(work: Callable[[], object], rounds: int = 7) -> float:
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
