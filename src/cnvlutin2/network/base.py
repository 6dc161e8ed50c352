"""What every source of layers is: `Network`, and the numbers that it is run with."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.layer import Layer

MAX_LSBS = 1 << 15
"""The largest magnitude of an int16, which is also the largest threshold that any value reaches."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class LeftOut:
    """A node of the network that is not simulated, and why."""

    name: str
    op: str
    reason: str


@dataclass(frozen=True)
class Threshold:
    """A magnitude from which a value is effectual: in LSBs of its tensor, or in real units.

    Raises
    ------
    ConfigError
        Unless it is a whole number of LSBs from 1 to `MAX_LSBS`, or a finite real number above 0.
    """

    value: float
    real: bool = False

    def __post_init__(self) -> None:
        if self.real and not 0 < self.value < math.inf:
            raise ConfigError(f"the threshold {self.value!r} is out of range: in real units it is finite and above 0")
        if not self.real and not (1 <= self.value <= MAX_LSBS and self.value == int(self.value)):
            raise ConfigError(f"the threshold {self.value!r} is out of range: in LSBs it is a whole number from 1 to {MAX_LSBS}")

    def __str__(self) -> str:
        return f"real:{float(self.value)!r}" if self.real else str(int(self.value))

    def in_lsbs(self, frac: int) -> int:
        """Return the least integer magnitude that is effectual, for a tensor of `frac` fraction bits."""
        if not self.real:
            return int(self.value)
        return max(1, int(np.ceil(np.ldexp(self.value, frac))))


@dataclass(frozen=True)
class Thresholds:
    """Thresholds by layer name, and the one of all other layers (`default`).

    With no `default`, a layer keeps its own (a trace may carry one).
    """

    default: Threshold | None = None
    layers: Mapping[str, Threshold] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.default is not None or bool(self.layers)

    def of(self, layer: str) -> Threshold | None:
        """Return the threshold set for a layer, or None if none was."""
        return self.layers.get(layer, self.default)

    def check_names(self, layers: Iterable[str], what: str = "threshold") -> None:
        """Refuse names that are not layers.

        Raises
        ------
        ConfigError
            Names the first one and lists the layers.
        """
        known = list(layers)
        for name in self.layers:
            if name not in known:
                raise ConfigError(f"no layer is called {name!r}; the layers are {', '.join(known)}", where=what)


@dataclass(frozen=True)
class Numeric:
    """How real values become integers: width, thresholds.

    Parameters
    ----------
    data_bits : int
        Bits of an activation and of a weight.
    thresholds, weight_thresholds : Thresholds
    quantised : bool
        Execute the network on quantised activations and weights, not only look at them quantised.
    """

    data_bits: int = 16
    thresholds: Thresholds = Thresholds()
    weight_thresholds: Thresholds = Thresholds()
    quantised: bool = False


@dataclass(frozen=True, eq=False)
class Inputs:
    """Prepared inputs of a network.

    Parameters
    ----------
    values : array, ``[N, ...]``
        In the network's own layout and dtype.
    names : sequence of str
        One an image: its file, or ``file[index]``.
    hashes : mapping of str to str
        File to SHA-256, for the record.
    labels : int array ``[N]`` or None
        Where they are known.
    settings : mapping
        How they were made of the files, for the record.
    """

    values: NDArray[np.generic]
    names: Sequence[str]
    hashes: Mapping[str, str] = field(default_factory=dict)
    labels: NDArray[np.int64] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


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


class Network(ABC):
    """A source of layers.

    Subclasses read ONNX models, traces and topologies; `ArrayNetwork` holds layers made from NumPy arrays.
    """

    name: str
    left_out: tuple[LeftOut, ...] = ()
    accuracy: Accuracy | None = None
    """Set once all layers have been yielded, where the network classifies."""
    quantised: bool = False
    """Whether the last run executed the network on quantised values (thresholds may imply it); set like `accuracy`."""
    hashes: Mapping[str, str] = MappingProxyType({})
    """SHA-256 of the files that the network is read from, by name; complete once all layers have been yielded."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """What else the values depend on, for the record: densities and seed of synthetic ones."""
    takes_inputs: ClassVar[bool] = False
    """Whether `layers` wants an `Inputs`."""

    @abstractmethod
    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in execution order."""

    @abstractmethod
    def layers(self, inputs: Inputs | None, numeric: Numeric) -> Iterator[Layer]:
        """Yield the layers in execution order, each with its input for some images.

        A layer may come several times, for consecutive images (`Layer.first_image` says from which): a source streams
        batches, and is done with a layer's arrays when the next one is asked for.

        Raises
        ------
        NetworkError
            If the inputs do not fit or the values cannot be used.
        """


class ArrayNetwork(Network):
    """Layers made elsewhere, in order; the first one is the network's first (`Layer.first` of each is kept as it is).

    Parameters
    ----------
    layers : sequence of Layer
    name : str
    """

    def __init__(self, layers: Sequence[Layer], name: str = "network") -> None:
        if not layers:
            raise NetworkError(f"network {name!r} has no layers")
        self.name = name
        self._layers = tuple(layers)

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in order."""
        return [layer.name for layer in self._layers]

    def layers(self, inputs: Inputs | None, numeric: Numeric) -> Iterator[Layer]:
        """Yield the layers as they were given, under the thresholds of the run."""
        if inputs is not None:
            raise NetworkError(f"network {self.name!r} holds its activations and takes no inputs")
        for layer in self._layers:
            yield rethreshold(layer, numeric)


def rethreshold(layer: Layer, numeric: Numeric) -> Layer:
    """Return a layer under the thresholds of a run, its values checked against the width.

    Raises
    ------
    ConfigError
        For a threshold in real units where the layer's scale is not known.
    NetworkError
        If a value does not fit `numeric.data_bits`.
    """
    layer.check_fits(numeric.data_bits)
    changes: dict[str, int] = {}
    for key, thresholds, frac in (
        ("threshold", numeric.thresholds, layer.activation_frac),
        ("weight_threshold", numeric.weight_thresholds, layer.weight_frac),
    ):
        threshold = thresholds.of(layer.name)
        if threshold is None:
            continue
        if threshold.real and frac is None:
            raise ConfigError(f"layer {layer.name!r} holds integers of no known scale; give its threshold in LSBs", where=key)
        changes[key] = threshold.in_lsbs(frac or 0)
    return replace(layer, **changes) if changes else layer  # type: ignore[arg-type]
