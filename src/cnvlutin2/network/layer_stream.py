"""`LayerStream`: one run of a network, layer after layer, and what is known when the last one has come."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import Accuracy, Predictions
from cnvlutin2.network.left_out import LeftOut


@dataclass(frozen=True)
class Findings:
    """What a run has found beside the layers.

    Parameters
    ----------
    accuracy : Accuracy or None
        Where the network classifies, and there is something to compare its answers with.
    quantised : bool
        Whether the network was executed on quantised values (thresholds may imply it).
    hashes : mapping of str to str
        SHA-256 of the files that the network was read from, by name.
    settings : mapping
        What else the values depend on, for the record: densities and seed of synthetic ones.
    left_out : tuple of LeftOut
        What was not simulated: what was known when the network was opened, and what showed only in the run.
    predictions : Predictions or None
        Where the network classifies.
    """

    accuracy: Accuracy | None = None
    quantised: bool = False
    hashes: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    predictions: Predictions | None = None


class LayerStream(Iterator[Layer]):
    """One run of a network: its layers, in the order of execution, made as they are asked for.

    A layer may come several times, for consecutive images (`Layer.first_image` says from which). What the run has found beside
    the layers, `Findings` and the properties of the same names, is known when all layers have come, and not before. Runs
    share nothing that changes: several of one network may be alive at once.

    Parameters
    ----------
    network : str
        The network's name, for messages.
    layers : generator of Layer
        Returns what it has found.
    """

    def __init__(self, network: str, layers: Generator[Layer, None, Findings]) -> None:
        self._network = network
        self._layers = layers
        self._findings: Findings | None = None

    def __next__(self) -> Layer:
        try:
            return next(self._layers)
        except StopIteration as end:
            self._findings = self._findings or end.value  # a generator returns its value only once
            raise

    def _known(self, what: str) -> Findings:
        if self._findings is None:
            raise NetworkError(
                f"network {self._network!r}: the {what} of a run is known once all its layers have come; go through them first"
            )
        return self._findings

    @property
    def findings(self) -> Findings:
        """All that was found.

        Raises
        ------
        NetworkError
            As long as not all layers have come, or if the run broke off; so do the other properties.
        """
        return self._known("outcome")

    @property
    def accuracy(self) -> Accuracy | None:
        """See `Findings`."""
        return self._known("accuracy").accuracy

    @property
    def predictions(self) -> Predictions | None:
        """See `Findings`."""
        return self._known("answers").predictions

    @property
    def quantised(self) -> bool:
        """See `Findings`."""
        return self._known("way of execution").quantised

    @property
    def hashes(self) -> Mapping[str, str]:
        """See `Findings`."""
        return self._known("record of hashes").hashes

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Findings`."""
        return self._known("record of settings").settings

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """See `Findings`."""
        return self._known("list of what is left out").left_out
