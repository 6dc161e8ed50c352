"""`Numeric`: how a run makes integers of a network's real values; and layers of integers under its thresholds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.network.thresholds import Thresholds


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
    thresholds: Thresholds = field(default_factory=Thresholds)
    weight_thresholds: Thresholds = field(default_factory=Thresholds)
    quantised: bool = False

    def may_execute_quantised(self) -> bool:
        """Whether the network may have to be executed on quantised values; for thresholds in real units calibration tells."""
        return self.quantised or self.thresholds.may_prune() or self.weight_thresholds.may_prune()

    def check_names(self, layers: Iterable[str]) -> None:
        """Refuse thresholds of layers that there are not.

        Raises
        ------
        ConfigError
            Names the first one and lists the layers.
        """
        known = list(layers)
        self.thresholds.check_names(known)
        self.weight_thresholds.check_names(known, "weight_threshold")


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
