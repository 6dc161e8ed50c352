"""`StepMap`: the places that steps read, said in words, against the one rule of which place a window reads."""

from __future__ import annotations

import numpy as np
import pytest

from cnvlutin2.layer import Geometry
from cnvlutin2.mapping import StepMap

GEOMETRIES = [
    Geometry(3, 20, 19, 4, (3, 2), (2, 1), (1, 0, 2, 1), (1, 2)),
    Geometry(3, 7, 70, 4, (1, 1)),
    Geometry(3, 40, 41, 4, (40, 41)),  # a fully-connected layer written as a convolution
    Geometry(3, 9, 9, 4, (12, 12), pads=(5, 5, 5, 5)),
    Geometry(3, 5, 5, 4, (3, 3), pads=(8, 8, 8, 8), dilations=(6, 6)),
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("packing", ["brick", "row"])
def test_words_hold_the_places_that_steps_read(geometry: Geometry, packing: str) -> None:
    steps = StepMap.of(geometry, 16, packing)
    places, rng = steps.places_read(), np.random.default_rng(5)
    for _ in range(8):
        first, last = sorted(rng.choice(steps.steps + 1, 2, replace=False).tolist())
        word, read = steps.reads_in_words(first, last)
        assert word + read.shape[1] <= -(-steps.places // 64)
        for step, words in zip(range(first, last), read.tolist(), strict=True):
            found = {64 * (word + w) + bit for w, each in enumerate(words) for bit in range(64) if each >> bit & 1}
            assert found == {place for place in places[step].tolist() if place >= 0}


def test_a_kernel_as_large_as_the_map_reads_a_row_at_a_time() -> None:
    steps = StepMap.of(Geometry(3, 224, 224, 4, (224, 224)), 1, "brick")
    sizes = [steps.reads_in_words(line * 224, (line + 1) * 224)[1].shape[1] for line in range(224)]
    assert max(sizes) <= 224 // 64 + 2
