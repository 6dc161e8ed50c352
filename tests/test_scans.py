"""Running sums of bytes that are reduced by the size of a row: where records begin, a vector at a time."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="needs Numba's compiler, which is switched off"
)


def test_plans_know_the_vectors_of_the_kernels() -> None:
    from cnvlutin2.kernels import scans, vectors
    from cnvlutin2.timing import lane_plan

    assert (lane_plan.VECTOR, lane_plan.MOST_UNITS) == (vectors.SIZE, scans.MOST)


@pytest.mark.parametrize("row", [1, 2, 17, 64, 127])
def test_running_sums_are_those_modulo_the_row(row: int) -> None:
    from numba import njit

    from cnvlutin2.kernels.scans import last_of, moved_up, reduced, running_sums
    from cnvlutin2.kernels.vectors import SIZE, load, store

    @njit(nogil=True)
    def scan(values: NDArray[np.uint8], row: np.uint8, out: NDArray[np.uint8]) -> Any:
        sums = running_sums(load(values, 0), row)
        store(out, 0, sums)
        store(out, SIZE, moved_up(sums))
        store(out, 2 * SIZE, reduced(load(values, SIZE), row))
        return last_of(sums)

    rng = np.random.default_rng(row)
    for _ in range(20):
        values = np.concatenate([rng.integers(0, row, SIZE), rng.integers(0, 2 * row, SIZE)]).astype(np.uint8)
        out = np.empty((3, SIZE), np.uint8)
        last = scan(values, np.uint8(row), out)
        sums = values[:SIZE].astype(np.int64).cumsum() % row
        assert out[0].tolist() == sums.tolist()
        assert out[1].tolist() == [0, *sums[:-1].tolist()]
        assert out[2].tolist() == (values[SIZE:] % row).tolist()
        assert last == sums[-1]
