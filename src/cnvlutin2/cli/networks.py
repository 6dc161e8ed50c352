"""Which networks a command runs, and on what: its options, and what they open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from cnvlutin2.cli.command_options import Adder, option
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Inputs, Network, Topology, load_inputs, open_network
from cnvlutin2.network.image_files import check_is_there
from cnvlutin2.network.opening import check_exists, takes_inputs
from cnvlutin2.network.topology_shapes import is_topology


def _numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> float | list[float] | None:
    """Read a number or a comma list of numbers, as `load_inputs` takes them."""
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number or a comma list of numbers") from None
    return found if len(found) > 1 else found[0]


_INPUT_KEYS = ("limit", "draw", "preprocess", "mean", "std", "scale", "layout", "channels", "resize", "labels")
_TOPOLOGY_KEYS = ("activation_density", "weight_density", "profile", "images", "seed", "conv_only")
_INPUTS, _PHOTOS, _TOPOLOGIES = "Inputs of an executed network", "How photos become inputs", "Topologies, with synthetic values"
_DENSITY = click.FloatRange(0, 1)

IMAGE_OPTIONS: tuple[Adder, ...] = (
    option(
        _INPUTS, "--input", "-i", "inputs", multiple=True, metavar="PATH", help="Photo, BATCH.npy or folder; may be repeated."
    ),
    option(_INPUTS, "--limit", type=click.IntRange(1), metavar="N", help="Use the first N inputs only."),
    option(
        _INPUTS,
        "--labels",
        metavar="FILE",
        help="Classes: one a line, a name and one a line, or .npy.",
    ),
    option(_INPUTS, "--draw", type=click.IntRange(0), metavar="SEED", help="Take the inputs in an order that SEED draws."),
    option(_PHOTOS, "--preprocess", metavar="RECIPE", help="imagenet-torch, imagenet-caffe, cifar10, unit or none."),
    option(_PHOTOS, "--scale", type=float, metavar="X", help="Multiplies pixels (0 to 255) before --mean."),
    option(_PHOTOS, "--mean", callback=_numbers, metavar="X,..", help="Subtracted: a number, or one a channel."),
    option(_PHOTOS, "--std", callback=_numbers, metavar="X,..", help="Divides after --mean."),
    option(_PHOTOS, "--layout", type=click.Choice(["NCHW", "NHWC"]), help="Order of the model's input."),
    option(_PHOTOS, "--channels", type=click.Choice(["RGB", "BGR", "L"]), help="Order of the model's channels; L is grey."),
    option(_PHOTOS, "--resize", type=click.IntRange(1), metavar="N", help="Short side before the centre crop."),
)

NETWORK_OPTIONS: tuple[Adder, ...] = (
    *IMAGE_OPTIONS,
    option(_TOPOLOGIES, "--activation-density", type=_DENSITY, metavar="X", help="Effectual part of the activations."),
    option(_TOPOLOGIES, "--weight-density", type=_DENSITY, metavar="X", help="Effectual part of the weights."),
    option(_TOPOLOGIES, "--profile", metavar="NAME", help="Published densities: deep-compression, sparseloop."),
    option(_TOPOLOGIES, "--images", type=click.IntRange(1), metavar="N", help="How many images."),
    option(_TOPOLOGIES, "--seed", type=click.IntRange(0), metavar="N", help="Seed of the values."),
    option(_TOPOLOGIES, "--conv-only", is_flag=True, default=None, help="Leave the fully-connected layers out."),
)


def networks_to_open(names: Sequence[str], options: dict[str, Any]) -> list[Callable[[], Network]]:
    """Return what opens the networks, one each, under names of their own.

    Names of no network, options that are for none of them and inputs that are not there are refused at once.
    """
    for name in names:
        check_exists(name)
    topology = _given(_TOPOLOGY_KEYS, options)
    if topology and not any(map(is_topology, names)):
        raise ConfigError("is for topologies; an executed network has its own values", source=_flag(topology))
    inputs = _given(("inputs", *_INPUT_KEYS), options)
    if inputs and not any(map(takes_inputs, names)):
        raise ConfigError(
            f"is for networks that are executed; {names[0]} holds its activations and takes no inputs", source=_flag(inputs)
        )
    for path in options["inputs"] or ():
        check_is_there(path)
    taken: dict[str, int] = {}

    def opened(name: str) -> Network:
        network = Topology(name, **topology) if is_topology(name) else open_network(name)
        taken[network.name] = taken.get(network.name, 0) + 1
        if taken[network.name] > 1:
            network.name = f"{network.name}#{taken[network.name]}"
        return network

    return [partial(opened, name) for name in names]


def read_inputs(network: Network, options: dict[str, Any]) -> Inputs | None:
    """Read what a network is to run on, if it takes anything."""
    return load_inputs(network, options["inputs"], **_given(_INPUT_KEYS, options)) if network.takes_inputs else None


def read_images(network: Network, options: dict[str, Any]) -> Inputs:
    """Read the images of a network that wants some: those of `IMAGE_OPTIONS`."""
    for path in options["inputs"] or ():
        check_is_there(path)
    return load_inputs(network, options["inputs"], **_given(_INPUT_KEYS, options))


def _given(keys: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in keys if options[key] not in (None, ())}


def _flag(given: dict[str, Any]) -> str:
    """Return the first option as it was written."""
    key = next(iter(given))
    return "--input" if key == "inputs" else "--" + key.replace("_", "-")
