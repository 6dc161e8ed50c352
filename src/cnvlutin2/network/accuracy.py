"""How an executed network classifies: its answers, and how many of them are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError

NO_ANSWER = -1
"""Stands for the class of an image where a network's output is no scores of classes."""


@dataclass(frozen=True)
class Accuracy:
    """How the executed network classified: `images` inputs; counts, so that they add.

    `agree` counts the inputs whose top-1 class equals the float network's (None where the network was executed in floating
    point itself, so that there is nothing to compare); `correct` those that equal the label (None where there is no label),
    `float_correct` the same for the float network.
    """

    images: int
    agree: int | None = None
    correct: int | None = None
    float_correct: int | None = None


@dataclass(frozen=True)
class Predictions:
    """What a network answered to each input: its top-1 class.

    Parameters
    ----------
    classes : tuple of int
        Of the network as it was executed.
    float_classes : tuple of int or None
        Of the network in floating point; None where it was executed so itself.
    labels : tuple of int or None
        The right ones, where they are known.
    """

    classes: tuple[int, ...]
    float_classes: tuple[int, ...] | None = None
    labels: tuple[int, ...] | None = None


def as_predictions(
    float_answers: NDArray[np.int64], quantised_answers: NDArray[np.int64] | None, labels: NDArray[np.int64] | None
) -> Predictions | None:
    """Return what a network answered, from arrays as of `compare_answers`; None if it does not classify."""
    executed = float_answers if quantised_answers is None else quantised_answers
    if min(float_answers.min(), executed.min()) < 0:
        return None
    return Predictions(
        tuple(executed.tolist()),
        None if quantised_answers is None else tuple(float_answers.tolist()),
        None if labels is None else tuple(labels.tolist()),
    )


def top_classes(output: object, images: int) -> NDArray[np.int64]:
    """Return the top-1 class of every image.

    Parameters
    ----------
    output : array of floats, ``[N, K]`` or ``[N, K, 1, 1]``, or anything else
        What the network puts out: one score a class.
    images : int
        `N`.

    Returns
    -------
    array of int64, ``[N]``
        `NO_ANSWER` everywhere if the output is no scores, or `K` is 1.
    """
    classifies = (
        isinstance(output, np.ndarray)
        and output.ndim >= 2
        and output.shape[0] == images
        and output.shape[1] > 1
        and output[0, 0].size == 1
        and output.dtype.kind == "f"
    )
    if not isinstance(output, np.ndarray) or not classifies:
        return np.full(images, NO_ANSWER)
    answers: NDArray[np.int64] = output.reshape(images, -1).argmax(axis=1)
    return answers


def check_labels(labels: NDArray[np.int64] | None, output: object, images: int) -> None:
    """Refuse labels that are none of a network's classes; `output` and `images` as of `top_classes`.

    Raises
    ------
    NetworkError
        Names the label and the classes.
    """
    if labels is None or not isinstance(output, np.ndarray) or top_classes(output, images).min() < 0:
        return
    classes, most = output.shape[1], int(labels.max())
    if most >= classes:
        raise NetworkError(f"labels hold {most}, but the network has {classes} classes, 0 to {classes - 1}; give others")


def compare_answers(
    float_answers: NDArray[np.int64], quantised_answers: NDArray[np.int64] | None, labels: NDArray[np.int64] | None
) -> Accuracy | None:
    """Return how a network classified; None if it does not classify, or there is nothing to compare with.

    Parameters
    ----------
    float_answers : array of int64, ``[N]``
        Of the network in floating point.
    quantised_answers : array of int64, ``[N]``, or None
        Of the network on quantised values, where it was executed so.
    labels : array of int64, ``[N]``, or None
    """
    executed = float_answers if quantised_answers is None else quantised_answers
    if min(float_answers.min(), executed.min()) < 0 or (labels is None and quantised_answers is None):
        return None
    return Accuracy(
        images=len(float_answers),
        agree=None if quantised_answers is None else int((executed == float_answers).sum()),
        correct=None if labels is None else int((executed == labels).sum()),
        float_correct=None if labels is None else int((float_answers == labels).sum()),
    )
