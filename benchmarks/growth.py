"""How time grows with images, bricks and filters: a straight line, or not.

Each row times one layer of growing size under ``cnv2-weights`` on one core. `exponent` is the slope of a line through the
logarithms (1 is linear growth; less, a constant part that larger sizes share), `worst` the largest deviation of a time from the
best line through all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.timing import medians
from cnvlutin2.network import Layer
from cnvlutin2.organisation import preset
from cnvlutin2.timing import make_engine

LEAST = {"images": 1, "bricks": 16, "filters": 256}
SIZES = {"images": (2, 4, 8, 16), "bricks": (16, 32, 64, 128), "filters": (256, 512, 1024, 2048)}


def main() -> None:
    print(__doc__)
    for what, sizes in SIZES.items():
        seconds = medians({str(size): _work(what, size) for size in sizes}, seconds=6)
        times = np.array([seconds[str(size)] for size in sizes])
        exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        line = np.polyval(np.polyfit(sizes, times, 1, w=1 / times), sizes)
        shown = ", ".join(f"{size}: {1e3 * t:.1f} ms" for size, t in zip(sizes, times, strict=True))
        print(f"{what:<8} exponent {exponent:.2f}, worst {np.abs(times / line - 1).max():.0%}  ({shown})", flush=True)


def _work(what: str, size: int) -> Callable[[], object]:
    """Return what times one layer, its weights' masks made beforehand."""
    images, bricks, filters = (size if what == name else least for name, least in LEAST.items())
    rng = np.random.default_rng(0)
    activations = (rng.random((images, 16 * bricks, 28, 28)) < 0.5).astype(np.int16)
    weights = (rng.random((filters, 16 * bricks, 3, 3)) < 0.3).astype(np.int16)
    layer = Layer("conv", activations, weights, pads=(1, 1, 1, 1))
    engine, organisations = make_engine(jobs=1), [preset("cnv2-weights")]
    return lambda: engine.time([layer], organisations)
