"""How many groups of a convolution are set side by side (docs/model.md, "Groups")."""

from __future__ import annotations

from cnvlutin2.layer import Geometry
from cnvlutin2.mapping.steps import StepMap
from cnvlutin2.organisation import Organisation


def groups_together(geometry: Geometry, organisation: Organisation) -> int:
    """Return how many groups are computed at a time: those that take the fewest dense cycles, the most of them on a tie.

    With ``group_map = serial`` it is one. Else a number that divides the groups and is 1, or whose channels are no more than all
    lanes' bricks and whose filters are no more than a pass.
    """
    o = organisation
    if o.group_map == "serial":
        return 1
    possible = [k for k in range(1, geometry.groups + 1) if geometry.groups % k == 0]
    fitting = [
        k
        for k in possible
        if k == 1 or (k * geometry.group_channels <= o.lanes * o.brick and k * geometry.group_filters <= o.filters)
    ]
    return min(fitting, key=lambda k: (dense_cycles(geometry.side_by_side(k), o), -k))


def dense_cycles(geometry: Geometry, organisation: Organisation) -> int:
    """Return the cycles of an image in dense mode without overheads: ``ceil(n / L)`` a step of every window of every pass."""
    o, steps = organisation, StepMap.of(geometry, organisation.brick, organisation.packing)
    passes = -(-geometry.group_filters // o.filters)
    return steps.steps * -(-steps.values // o.lanes) * steps.windows * geometry.groups * passes
