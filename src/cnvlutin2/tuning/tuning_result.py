"""`TuningResult`: the thresholds that were found, what they gain, what they cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cnvlutin2.network import Thresholds
from cnvlutin2.tuning.answers import LossKind
from cnvlutin2.tuning.limits import Limit
from cnvlutin2.tuning.proportions import lost_text, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "cnvlutin2/tuning/1"


@dataclass(frozen=True)
class Measured:
    """What a network takes and answers on some images; counted exactly, as `cnvlutin2.simulate` counts.

    Parameters
    ----------
    images : int
    cycles : int
        Of the datapath, over all images.
    speedup : float
        Over the dense baseline, of the datapath.
    speedup_with_waiting : float or None
        In total cycles; None where these were not accounted for.
    loss : float
        Mean KL divergence of the scores from the floating-point network's, in nats; or relative error of the output.
    agree : int or None
        Images whose class is the floating-point network's.
    correct, float_correct : int or None
        Images whose class is the label, of this network and of the floating-point one; None without labels.
    lost, won : int or None
        Pairs: right in floating point and wrong now, and the other way round. Without labels, what floating point says is right.
    """

    images: int
    cycles: int
    speedup: float
    speedup_with_waiting: float | None
    loss: float
    agree: int | None = None
    correct: int | None = None
    float_correct: int | None = None
    lost: int | None = None
    won: int | None = None

    @property
    def right(self) -> int | None:
        """Images that are right: by their labels, or where there are none as in floating point."""
        return self.agree if self.correct is None else self.correct

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of the part of all images that is right."""
        return None if self.right is None else wilson_interval(self.right, self.images)


@dataclass(frozen=True)
class PathPoint:
    """A point of the path: thresholds after some moves.

    Parameters
    ----------
    step : int
        How many moves; 0: nothing is pruned.
    moved : str
        The group that moved last.
    lsbs, weight_lsbs : mapping of str to int
        Thresholds of activations and weights by layer, those above 1.
    loss : float
        On all tuning images, as the others.
    agree, correct, lost, won : int or None
    speedup : float or None
        Counted exactly; None where the point was not counted.
    """

    step: int
    moved: str
    lsbs: Mapping[str, int]
    weight_lsbs: Mapping[str, int]
    loss: float
    agree: int | None
    correct: int | None
    lost: int | None
    won: int | None
    speedup: float | None = None


@dataclass(frozen=True)
class TunedPoint:
    """The point of the path that a limit chooses.

    Parameters
    ----------
    limit : Limit or None
        None: nothing is pruned.
    step : int
        Of the path.
    thresholds, weight_thresholds : Thresholds
        In real units.
    tuning : Measured
        On the images that it was chosen on.
    validation : Measured or None
        On others.
    """

    limit: Limit | None
    step: int
    thresholds: Thresholds
    weight_thresholds: Thresholds
    tuning: Measured
    validation: Measured | None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return "nothing pruned" if self.limit is None else str(self.limit)


@dataclass(frozen=True, eq=False)
class TuningResult:
    """What `tune` found.

    Parameters
    ----------
    network, arch : str
    loss_kind : {"kl", "error"}
    labelled : bool
        Whether the images have labels.
    baseline : TunedPoint
        Executed on quantised values, nothing pruned.
    tuned : sequence of TunedPoint
        One a limit.
    path : sequence of PathPoint
        In order; several moves that gain little lead from one to the next.
    frozen : mapping of str to str
        Layers that cannot gain, and why.
    ceiling : float
        The speed-up on the path's images if every value of every layer were pruned.
    scales : mapping of str to (int, int)
        Fraction bits of activations and weights by layer, on the tuning images.
    evaluations : int
        How often the network was executed to find the order of moves.
    made_of : mapping
        What the result depends on: versions, files, images, organisation, seed.
    """

    network: str
    arch: str
    loss_kind: LossKind
    labelled: bool
    baseline: TunedPoint
    tuned: Sequence[TunedPoint]
    path: Sequence[PathPoint]
    frozen: Mapping[str, str]
    ceiling: float
    scales: Mapping[str, tuple[int, int]]
    evaluations: int
    made_of: Mapping[str, Any]

    def __repr__(self) -> str:
        """Say on one line what was gained."""
        found = "; ".join(f"{p.name}: {p.tuning.speedup:.2f}x" for p in (self.baseline, *self.tuned))
        return f"<TuningResult: {self.network} under {self.arch} ({found})>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from cnvlutin2.results.notebook_html import html_table

        return html_table(["", *(p.name for p in (self.baseline, *self.tuned))], self.rows(), "; ".join(self.cautions()))

    def rows(self) -> list[list[str]]:
        """Return what is known of each point as texts: a name, and a cell a point, the unpruned network first."""
        points = [self.baseline, *self.tuned]
        rows: list[list[str]] = []
        for where in ("tuning", "validation"):
            found: list[Measured] = [m for p in points if (m := getattr(p, where)) is not None]
            if len(found) < len(points):
                continue
            n = found[0].images
            rows.append([f"{where}: {n} images", *("" for _ in found)])
            rows.append(["  speed-up", *(f"{m.speedup:.3f}x" for m in found)])
            if found[0].speedup_with_waiting is not None:
                rows.append(["  with waiting", *(f"{m.speedup_with_waiting:.3f}x" for m in found)])
            rows.append([f"  {'KL, nats' if self.loss_kind == 'kl' else 'relative error'}", *(f"{m.loss:.2g}" for m in found)])
            if found[0].right is None:
                continue
            rows.append(["  correct" if self.labelled else "  as in floating point", *(str(m.right) for m in found)])
            rows.append(["  95% interval", *(f"{m.interval[0]:.1%}..{m.interval[1]:.1%}" if m.interval else "" for m in found)])
            rows.append(["  lost / won", *(f"{m.lost} / {m.won}" if self.labelled else str(m.lost) for m in found)])
        return rows

    def cautions(self) -> list[str]:
        """Say of each point what the count of images that were lost is compatible with."""
        found = []
        for point in self.tuned:
            measured = point.validation or point.tuning
            if measured.lost is not None:
                where = "validation" if point.validation else "tuning (no validation: these images chose the point)"
                found.append(f"{point.name}, {where}: {lost_text(measured.lost, measured.images)}")
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return the path as a pandas frame: a row a point; ``speedup`` is NaN where it was not counted."""
        import pandas as pd

        columns = ("step", "moved", "loss", "agree", "correct", "lost", "won", "speedup")
        return pd.DataFrame([{key: getattr(point, key) for key in columns} for point in self.path])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, as in the file of the curve."""
        return {
            "network": self.network,
            "arch": self.arch,
            "loss_kind": self.loss_kind,
            "labelled": self.labelled,
            "points": [_plain(point) for point in (self.baseline, *self.tuned)],
            "path": [asdict(point) for point in self.path],
            "frozen": dict(self.frozen),
            "ceiling": self.ceiling,
            "scales": {name: list(fracs) for name, fracs in self.scales.items()},
            "evaluations": self.evaluations,
        }


def _plain(point: TunedPoint) -> dict[str, Any]:
    return {
        "limit": asdict(point.limit) if point.limit else None,
        "step": point.step,
        "thresholds": {name: str(threshold) for name, threshold in point.thresholds.layers.items()},
        "weight_thresholds": {name: str(threshold) for name, threshold in point.weight_thresholds.layers.items()},
        "tuning": asdict(point.tuning),
        "validation": asdict(point.validation) if point.validation else None,
    }
