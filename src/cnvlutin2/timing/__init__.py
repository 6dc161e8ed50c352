"""The seam: engines take layers and organisations, and say what each takes; what observers may see of layers.

`plain` is NumPy, to be read beside docs/model.md; `compiled` is quick. `make_engine` returns the one that is asked for.
"""

from cnvlutin2.timing.engine import Engine, LayerTimings, OrganisationTiming, RunMode, Timing
from cnvlutin2.timing.engines import make_engine
from cnvlutin2.timing.observed import ObservedLayer, ObservedWeights
from cnvlutin2.timing.slots import SLOT_KINDS

__all__ = [
    "SLOT_KINDS",
    "Engine",
    "LayerTimings",
    "ObservedLayer",
    "ObservedWeights",
    "OrganisationTiming",
    "RunMode",
    "Timing",
    "make_engine",
]
