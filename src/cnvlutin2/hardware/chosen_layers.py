"""Which layers and images of a network go through the hardware, in which mode each, and what the simulator counts for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnvlutin2.cost import TimedLayer, settle_modes
from cnvlutin2.errors import ConfigError, did_you_mean
from cnvlutin2.layer import Layer
from cnvlutin2.network import Network, Numeric, Thresholds
from cnvlutin2.organisation import Organisation
from cnvlutin2.simulation.arguments import GivenInputs, as_inputs, as_network, as_thresholds, check_layer_modes
from cnvlutin2.simulation.session import Session
from cnvlutin2.timing.engine import LayerTimings, RunMode
from cnvlutin2.timing.observed import InputTensor, ObservedLayer

Source = Network | Layer | Sequence[Layer] | str | Path


@dataclass(frozen=True)
class Choice:
    """What of a network goes through the hardware.

    Parameters
    ----------
    layers : tuple of str or None
        Names; None: all.
    images : tuple of int or None
        Which of the network's images; None: all.
    thresholds, weight_thresholds : Thresholds or int or None
        As of `cnvlutin2.simulate`.
    quantised : bool
        As of `cnvlutin2.simulate`.
    """

    layers: tuple[str, ...] | None = None
    images: tuple[int, ...] | None = (0,)
    thresholds: Thresholds | int | None = None
    weight_thresholds: Thresholds | int | None = None
    quantised: bool = False


class LayerImage(NamedTuple):
    """One image of a layer under an organisation.

    Parameters
    ----------
    layer : Layer
        Of this image alone.
    image : int
        Which of the network's.
    mode : {"skip", "dense"}
        How the layer runs.
    cycles : int
        What the simulator counts.
    """

    layer: Layer
    image: int
    mode: RunMode
    cycles: int


class Chosen(NamedTuple):
    """What goes through the hardware.

    Parameters
    ----------
    by_organisation : sequence of sequence of LayerImage
        For every organisation in the order in which they were given, its layers in the order of execution.
    left_out : sequence of (str, str)
        Layers of the network that the model does not simulate, and why.
    """

    by_organisation: list[list[LayerImage]]
    left_out: list[tuple[str, str]]


def choose_layers(source: Source, inputs: GivenInputs, organisations: Sequence[Organisation], choice: Choice) -> Chosen:
    """Run a network and keep what was chosen of it.

    Raises
    ------
    ConfigError
        If a layer or an image is not there.
    NetworkError
        If the network or its inputs cannot be used.
    """
    network = as_network(source)
    given = as_inputs(network, inputs)
    names = list(network.layer_names())
    _check_names(choice, names)
    check_layer_modes(organisations, names)
    limits = (
        as_thresholds(choice.thresholds, names, "threshold"),
        as_thresholds(choice.weight_thresholds, names, "weight threshold"),
    )
    kept: dict[str, list[LayerImage]] = {}
    left_out: dict[str, str] = {}
    for data_bits in dict.fromkeys(o.data_bits for o in organisations):
        group = [o for o in organisations if o.data_bits == data_bits]
        stream = network.run(given, Numeric(data_bits, *limits, quantised=choice.quantised))
        wanted = (layer for layer in stream if _needed(layer, choice, group))
        seen = [_Seen.of(observed, timings, choice) for observed, timings in Session(network, group, None).time(wanted)]
        _check_images(choice, seen)
        for index, organisation in enumerate(group):
            kept[organisation.name] = list(_settled(seen, index, organisation, choice))
        left_out |= {part.name: part.reason for part in stream.left_out}
    return Chosen([kept[o.name] for o in organisations], list(left_out.items()))


class _Seen(NamedTuple):
    """A batch of a layer as it came: of its values, what was chosen."""

    tensor: InputTensor
    layer: Layer
    images: list[tuple[int, Layer]]
    timings: LayerTimings

    @classmethod
    def of(cls, observed: ObservedLayer, timings: LayerTimings, choice: Choice) -> _Seen:
        layer, images = observed.layer, []
        for at in range(layer.images):
            image = layer.first_image + at
            if (choice.layers is None or layer.name in choice.layers) and (choice.images is None or image in choice.images):
                # The batch's memory is used again for the next.
                alone = layer.image(at)
                images.append((image, replace(alone, activations=alone.activations.copy())))
        return cls(observed.tensor, layer, images, timings)


def _settled(seen: Sequence[_Seen], index: int, organisation: Organisation, choice: Choice) -> Iterator[LayerImage]:
    """Yield the chosen images of layers, in the modes in which they run under an organisation."""
    names = list(dict.fromkeys(each.layer.name for each in seen))
    batches = {name: [each for each in seen if each.layer.name == name] for name in names}
    timed = []
    for some in batches.values():
        mode = some[0].timings.organisations[index].mode
        asked: tuple[RunMode, ...] = ("skip", "dense") if mode == "auto" else (mode,)
        cycles = {m: np.concatenate([each.timings.organisations[index].of(m).cycles for each in some]) for m in asked}
        timed.append(TimedLayer(some[0].layer.geometry, some[0].tensor, mode, cycles))
    modes = settle_modes(timed, organisation)
    for name, mode, timing in zip(names, modes, timed, strict=True):
        for each in batches[name]:
            for image, layer in each.images:
                yield LayerImage(layer, image, mode, int(timing.cycles[mode][image]))


def _needed(layer: Layer, choice: Choice, organisations: Iterable[Organisation]) -> bool:
    """Whether a layer is run, or how others run depends on it."""
    chosen = choice.layers is None or layer.name in choice.layers
    return chosen or any(o.mode_for(layer.name, first=layer.first) == "auto" for o in organisations)


def _check_names(choice: Choice, names: Sequence[str]) -> None:
    for name in choice.layers or ():
        if name not in names:
            raise ConfigError(
                f"no layer is called {name!r}; the layers are {', '.join(names)}{did_you_mean(name, names)}", "layers"
            )


def _check_images(choice: Choice, seen: Sequence[_Seen]) -> None:
    there = max((each.layer.first_image + each.layer.images for each in seen), default=0)
    missing = [image for image in choice.images or () if image >= there]
    if missing and seen:
        raise ConfigError(f"there is no image {missing[0]}: there are {there}, counted from 0", "images")
