"""`Coverage`: how much of a network is simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cnvlutin2.network import LeftOut

_OPERATORS_NAMED = 4


@dataclass(frozen=True)
class Coverage:
    """What of a network's multiply-accumulates is simulated, and what is left out.

    Parameters
    ----------
    macs : int
        Multiply-accumulates of an image that are simulated, padding included.
    parts : int
        Parts of the network that are left out.
    left_out_macs : int
        Multiply-accumulates of those that could be counted.
    uncounted : int
        Parts whose multiply-accumulates could not be counted.
    """

    macs: int
    parts: int
    left_out_macs: int
    uncounted: int

    @classmethod
    def of(cls, macs: int, left_out: Sequence[LeftOut]) -> Coverage:
        """Return the coverage of a network of which so many multiply-accumulates are simulated."""
        counted = [part.macs for part in left_out if part.macs is not None]
        return cls(macs, len(left_out), sum(counted), len(left_out) - len(counted))

    @property
    def left_out_share(self) -> float | None:
        """Part of the network's multiply-accumulates that is left out; None if a part could not be counted."""
        return None if self.uncounted else self.left_out_macs / (self.macs + self.left_out_macs)

    def left_out_text(self) -> str:
        """Say in some words how much is left out; nothing if nothing is."""
        if not self.parts:
            return ""
        parts = f"{self.parts} part{'s' if self.parts > 1 else ''} left out"
        share = percent(self.left_out_macs / (self.macs + self.left_out_macs))
        if not self.uncounted:
            return f"{parts}, {share} of the multiply-accumulates"
        if not self.left_out_macs:
            return f"{parts}, an unknown share of the multiply-accumulates"
        return f"{parts}, at least {share} of the multiply-accumulates ({self.uncounted} could not be counted)"


def left_out_warning(network: str, macs: int, left_out: Sequence[LeftOut]) -> str:
    """Return the line that warns of what is left out of a network of which so many multiply-accumulates are simulated."""
    operators = Counter(part.operator for part in left_out)
    named = [f"{count} {operator}" for operator, count in operators.most_common(_OPERATORS_NAMED)]
    more = f" and {len(operators) - len(named)} more" if len(operators) > len(named) else ""
    text = Coverage.of(macs, left_out).left_out_text()
    return f"network {network!r}: {text}: {', '.join(named)}{more}; results list why"


def percent(share: float) -> str:
    """Return a share in per cent, with a decimal or, where it is less than that, two digits."""
    return f"{share:.1%}" if share >= 0.001 or not share else f"{100 * share:.2g}%"
