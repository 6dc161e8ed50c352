"""A network on some images, calibrated once: executed, judged and counted under thresholds, quickly and in the ordinary way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cnvlutin2.errors import Cnvlutin2Error, NetworkError, VerificationError
from cnvlutin2.network import Inputs, Network, Predictions, Threshold, Thresholds
from cnvlutin2.organisation import Organisation
from cnvlutin2.results import NetworkResult
from cnvlutin2.simulation import simulate
from cnvlutin2.simulation.simulator import versions
from cnvlutin2.tuning.answers import FloatAnswers, Verdict
from cnvlutin2.tuning.tuning_result import Measured

if TYPE_CHECKING:
    from cnvlutin2.network.onnx.calibrated_network import CalibratedNetwork
    from cnvlutin2.network.onnx.executed_model import OnnxNetwork

LSBs = Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network on some images.

    Parameters
    ----------
    source : Network
        As it is executed in the ordinary way.
    network : CalibratedNetwork
        The same at the scales of these images.
    inputs : Inputs
    organisation : Organisation
    answers : FloatAnswers
    made_of : mapping
        Versions, files and parameters.
    jobs : int or None
    """

    source: Network
    network: CalibratedNetwork
    inputs: Inputs
    organisation: Organisation
    answers: FloatAnswers
    made_of: Mapping[str, Any]
    jobs: int | None

    def real(self, lsbs: LSBs, weight_lsbs: LSBs) -> tuple[Thresholds, Thresholds]:
        """Return thresholds in LSBs of these images as thresholds in real units, those above 1."""
        fracs = {layer.name: (layer.frac, layer.weight_frac) for layer in self.network.scales}
        activations, weights = (
            {name: Threshold(float(np.ldexp(lsb, -fracs[name][which])), real=True) for name, lsb in values.items() if lsb > 1}
            for which, values in enumerate((lsbs, weight_lsbs))
        )
        return Thresholds(None, activations), Thresholds(None, weights)

    def count(self, lsbs: LSBs, weight_lsbs: LSBs, verdict: Verdict) -> Measured:
        """Count these images with what is kept; the verdict is what executing them has found."""
        thresholds, weights = self.real(lsbs, weight_lsbs)
        results = simulate(
            self.network, None, self.organisation, thresholds=thresholds, weight_thresholds=weights, jobs=self.jobs, cost=False
        )
        return self._measured(results.networks[0], verdict)

    def measure_ordinarily(self, thresholds: Thresholds, weights: Thresholds) -> Measured:
        """Execute and count these images as `cnvlutin2 run --threshold` does; what is kept serves to judge the scores alone.

        Raises
        ------
        VerificationError
            If the two execute differently.
        """
        results = simulate(
            self.source,
            self.inputs,
            self.organisation,
            thresholds=thresholds,
            weight_thresholds=weights,
            quantised=True,
            jobs=self.jobs,
        )
        found = results.networks[0]
        layers = {layer.name: layer.layer for layer in found.layers}
        lsbs, weight_lsbs = ({name: getattr(at, key) for name, at in layers.items()} for key in ("threshold", "weight_threshold"))
        scores = self.network.scores(lsbs, weight_lsbs)
        verdict = self.answers.judge(scores)
        measured = self._measured(found, verdict)
        if found.predictions is not None and _counts(found.predictions) != (verdict.agree, verdict.lost, verdict.won):
            raise VerificationError(
                f"network {self.network.name!r} answers otherwise in a run than in the search: {_counts(found.predictions)} and "
                f"{(verdict.agree, verdict.lost, verdict.won)} images agree, are lost and won; please report it"
            )
        return measured

    def _measured(self, found: NetworkResult, verdict: Verdict) -> Measured:
        name = self.organisation.name
        return Measured(
            images=verdict.images,
            cycles=int(found.image_cycles(name).sum()),
            speedup=found.speedup(name),
            speedup_with_waiting=found.speedup_with_waiting(name),
            loss=verdict.loss,
            agree=verdict.agree,
            correct=verdict.correct,
            float_correct=self.answers.correct,
            lost=verdict.lost,
            won=verdict.won,
        )


def _counts(found: Predictions) -> tuple[int, int, int]:
    """Return how many answers are those in floating point, how many right ones are lost, and how many are won."""
    executed, floating = np.array(found.classes), np.array(found.float_classes)
    right = floating if found.labels is None else np.array(found.labels)
    was, is_now = floating == right, executed == right
    agree, lost, won = (int(which.sum()) for which in (executed == floating, was & ~is_now, is_now & ~was))
    return agree, lost, won


def prepare(source: Network, inputs: Inputs, organisation: Organisation, jobs: int | None) -> Prepared:
    """Calibrate a network on some images.

    Raises
    ------
    NetworkError
        If it cannot be executed on them.
    """
    network = cast("OnnxNetwork", source).calibrated(inputs, organisation.data_bits)
    try:
        answers = FloatAnswers(network.float_scores, inputs.labels)
    except Cnvlutin2Error as error:
        raise NetworkError(f"network {source.name!r}: {error}") from None
    made_of = {
        **versions(),
        "network": dict(getattr(source, "hashes", {})),
        "organisation": {k: v for k, v in organisation.model_dump().items() if k != "description"},
    }
    return Prepared(source, network, inputs, organisation, answers, made_of, jobs)
