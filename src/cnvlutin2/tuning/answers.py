"""What pruning does to what a network answers: divergence of its scores, and answers lost and won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.accuracy import top_classes

LossKind = Literal["kl", "error"]
"""KL divergence of scores in nats, or the relative error of an output that is no scores."""
_LEAST = 1e-12
"""Below which a probability is taken for this."""


@dataclass(frozen=True)
class Verdict:
    """How a network answers some images beside the floating-point network.

    Parameters
    ----------
    images : int
    loss : float
        Mean over the images: KL divergence in nats, or relative error.
    agree : int or None
        Images whose top-1 class is the floating-point network's; None if the network does not classify.
    correct, lost, won : int or None
        Images whose class is right; of those, and of the others, how many the floating-point network gets otherwise: right and
        lost, wrong and won. Without labels what the floating-point network says is right, and nothing can be won.
    """

    images: int
    loss: float
    agree: int | None = None
    correct: int | None = None
    lost: int | None = None
    won: int | None = None

    @property
    def drop(self) -> float | None:
        """Per cent of the images that are right no more, those that are new taken off; None if the network does not classify."""
        return None if self.lost is None or self.won is None else 100 * (self.lost - self.won) / self.images


class FloatAnswers:
    """What the floating-point network answers to some images.

    Parameters
    ----------
    scores : array, ``[N, ...]``
    labels : int array ``[N]`` or None

    Attributes
    ----------
    kind : {"kl", "error"}
        How what pruning does is measured: by scores, if the network puts any out.
    labelled : bool
    """

    def __init__(self, scores: NDArray[Any], labels: NDArray[np.int64] | None) -> None:
        self._scores = scores
        self._classes = top_classes(scores, len(scores))
        self.kind: LossKind = "kl" if self._classes.min() >= 0 else "error"
        self.labelled = labels is not None and self.kind == "kl"
        self._right = labels if labels is not None and self.kind == "kl" else self._classes
        self._probabilities = self.kind == "kl" and _are_probabilities(scores)
        if scores.dtype.kind != "f":
            raise NetworkError(f"its output is {scores.dtype}, which has no loss; export the model with its scores")
        self._logs = _logs(scores, self._probabilities) if self.kind == "kl" else None

    def images(self, indices: NDArray[np.int64]) -> FloatAnswers:
        """Return what is answered to some of the images."""
        return FloatAnswers(self._scores[indices], self._right[indices] if self.labelled else None)

    @property
    def correct(self) -> int | None:
        """How many are right, where labels are known."""
        return int((self._classes == self._right).sum()) if self.labelled else None

    def loss(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Return what pruning has done to the answer to each image, ``[N]``; 0 if nothing."""
        if self._logs is None:
            exact, found = (values.reshape(len(values), -1).astype(np.float64) for values in (self._scores, scores))
            size = np.linalg.norm(exact, axis=1)
            error: NDArray[np.float64] = np.linalg.norm(found - exact, axis=1) / np.where(size > 0, size, 1)
            return error
        logs = _logs(scores, self._probabilities)
        divergence: NDArray[np.float64] = (np.exp(self._logs) * (self._logs - logs)).sum(axis=1)
        return np.maximum(divergence, 0.0)

    def judge(self, scores: NDArray[Any]) -> Verdict:
        """Return how a network that puts these scores out answers beside the floating-point one."""
        loss = float(self.loss(scores).mean())
        if self.kind == "error":
            return Verdict(len(scores), loss)
        classes = top_classes(scores, len(scores))
        was, is_now = self._classes == self._right, classes == self._right
        agree, lost, won = (int(found.sum()) for found in (classes == self._classes, was & ~is_now, is_now & ~was))
        return Verdict(len(scores), loss, agree, int(is_now.sum()) if self.labelled else None, lost, won)


def _are_probabilities(scores: NDArray[Any]) -> bool:
    flat = scores.reshape(len(scores), -1)
    return bool(flat.min() >= 0 and np.allclose(flat.sum(axis=1, dtype=np.float64), 1, atol=1e-3))


def _logs(scores: NDArray[Any], probabilities: bool) -> NDArray[np.float64]:
    """Return the logarithms of the classes' probabilities, ``[N, K]``."""
    flat = scores.reshape(len(scores), -1).astype(np.float64)
    logs = np.log(np.maximum(flat, _LEAST)) if probabilities else flat
    logs = logs - logs.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return found
