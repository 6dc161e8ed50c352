"""The networks of the Cnvlutin paper by name, with synthetic values (see `cnvlutin2.network.synthetic`).

The shapes are YAML files in the folder ``topology_data``. A layer there is its ``input`` (channels, height, width) and
either ``filters`` and ``kernel`` (and ``stride``, ``pad``, ``groups`` where they are not 1, 0, 1), or ``fully_connected``: its
outputs, the input being flattened; ``inception`` is a whole GoogLeNet module, given as a row of the paper's table (1x1, 3x3
reduce, 3x3, 5x5 reduce, 5x5, pool projection). Layers feed the next one, where a density profile says what they put out.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.layer import Kind, Layer
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.network import Network
from cnvlutin2.network.quantisation import Numeric, rethreshold
from cnvlutin2.network.readers import Reader
from cnvlutin2.network.synthetic import (
    channel_densities,
    feature_map,
    generator,
    synthetic_fraction_bits,
    synthetic_image,
    synthetic_weights,
)

ACTIVATION_DENSITY = 0.56
"""Density of a layer's input where nothing else is known.

44% of the activations that enter convolutions are zero, the mean of the six networks (Albericio et al., ISCA 2016).
"""
_BATCH_BYTES = 64 << 20  # of activations yielded at a time
_ORDER = ("alexnet", "nin", "googlenet", "vgg_cnn_m", "vgg_cnn_s", "vgg19")
_INCEPTION = (
    ("1x1", None, 1),
    ("3x3_reduce", None, 1),
    ("3x3", 1, 3),
    ("5x5_reduce", None, 1),
    ("5x5", 3, 5),
    ("pool_proj", None, 1),
)
"""Of each convolution of a module: its name, which of the row's numbers its input channels are (None: the module's), kernel."""

Densities = float | Mapping[str, float] | None


@dataclass(frozen=True)
class LayerShape:
    """Geometry of one layer.

    Parameters
    ----------
    name : str
    kind : {"conv", "fc"}
    input : (int, int, int)
        Channels, height and width; an ``fc`` layer flattens them.
    filters, kernel, stride, pad, groups : int
        The kernel is square.
    """

    name: str
    kind: Kind
    input: tuple[int, int, int]
    filters: int
    kernel: int = 1
    stride: int = 1
    pad: int = 0
    groups: int = 1

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """``(Co, Cg, Kh, Kw)``."""
        if self.kind == "fc":
            return self.filters, math.prod(self.input), 1, 1
        return self.filters, self.input[0] // self.groups, self.kernel, self.kernel

    @property
    def output_size(self) -> tuple[int, int]:
        """Windows down and across."""
        if self.kind == "fc":
            return 1, 1
        height, width = ((size + 2 * self.pad - self.kernel) // self.stride + 1 for size in self.input[1:])
        return height, width

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image, padding included."""
        return math.prod(self.weight_shape) * math.prod(self.output_size)


@dataclass(frozen=True)
class Profile:
    """Published densities by layer: of its input and of its weights. Layers that it does not name take the defaults."""

    source: str
    activations: Mapping[str, float]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Shapes:
    """One network of the data folder."""

    name: str
    title: str
    source: str
    aliases: tuple[str, ...]
    layers: tuple[LayerShape, ...]
    profiles: Mapping[str, Profile]


@cache
def topology_names() -> tuple[str, ...]:
    """Return the names of the topologies, in the order of the Cnvlutin paper's figures."""
    found = {p.name.removesuffix(".yaml") for p in _folder().iterdir() if p.name.endswith(".yaml")}
    return tuple(n for n in _ORDER if n in found) + tuple(sorted(found.difference(_ORDER)))


def is_topology(name: str) -> bool:
    """Whether a topology has that name or alias."""
    return any(name == known or name in load_shapes(known).aliases for known in topology_names())


@cache
def load_shapes(name: str) -> Shapes:
    """Return a topology's shapes by its name or an alias.

    Raises
    ------
    ConfigError
        If there is none of that name; the message lists them.
    """
    if name in topology_names():
        return _read(name)
    for known in topology_names():
        if name in _read(known).aliases:
            return _read(known)
    raise ConfigError(f"unknown topology {name!r}; the topologies are {', '.join(topology_names())}")


class Topology(Network):
    """A network of the Cnvlutin paper with synthetic activations and weights.

    Parameters
    ----------
    name : str
        One of `topology_names()` or an alias.
    activation_density : float or mapping of str to float, optional
        Share of each layer's input that is not 0. A number holds for all layers but the first, whose input is an image; a
        mapping names layers, and ``default`` means all layers but the first that it does not name.
    weight_density : float or mapping of str to float, optional
        Share of the weights that are not 0; a number or ``default`` holds for all layers.
    seed : int
        A layer's values depend on the seed, the network's and the layer's name and the image's index alone.
    images : int
        How many inputs.
    conv_only : bool
        Leave fully-connected layers out.
    profile : str, optional
        Published densities to take where none is given: ``deep-compression`` (alexnet, vgg19), ``sparseloop`` (alexnet).

    Raises
    ------
    ConfigError
        For an unknown name, profile or layer, or a density that is not between 0 and 1.

    Notes
    -----
    Where neither the caller nor the profile says anything, inputs have the density `ACTIVATION_DENSITY`, the first
    layer's has no zeros, and weights are dense.
    """

    def __init__(
        self,
        name: str,
        activation_density: Densities = None,
        weight_density: Densities = None,
        seed: int = 0,
        images: int = 1,
        conv_only: bool = False,
        profile: str | None = None,
    ) -> None:
        shapes = load_shapes(name)
        self.name, self.title, self.source = shapes.name, shapes.title, shapes.source
        self.shapes = tuple(s for s in shapes.layers if s.kind == "conv" or not conv_only)
        reason = "fully-connected, and only convolutions were asked for"
        self.left_out = tuple(LeftOut(s.name, s.kind, reason) for s in shapes.layers if s not in self.shapes)
        self.seed = _whole("seed", seed, 0)
        self.images = _whole("images", images, 1)
        published = _profile(shapes, profile)
        names = [s.name for s in shapes.layers]
        given = _by_layer("activation_density", activation_density, names, skip=names[0])
        default = {names[0]: 1.0} | dict.fromkeys(names[1:], ACTIVATION_DENSITY)
        self.activation_density: dict[str, float] = default | dict(published.activations) | given
        given = _by_layer("weight_density", weight_density, names)
        self.weight_density: dict[str, float] = dict.fromkeys(names, 1.0) | dict(published.weights) | given
        densities = {"activation_density": self.activation_density, "weight_density": self.weight_density}
        self._settings = {"seed": self.seed, "images": self.images, "conv_only": conv_only, "profile": profile, **densities}

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in order."""
        return [shape.name for shape in self.shapes]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image over all layers that are not left out."""
        return sum(shape.macs for shape in self.shapes)

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Generate the layers one after another, many images in several batches.

        Raises
        ------
        NetworkError
            If inputs are given: the activations are synthetic.
        """
        if inputs is not None:
            raise NetworkError(f"topology {self.name!r} makes its own activations and takes no inputs")
        for shape in self.shapes:
            yield from self._batches(shape, numeric)
        return Findings(settings=self._settings, left_out=self.left_out)

    def _batches(self, shape: LayerShape, numeric: Numeric) -> Iterator[Layer]:
        stream = generator(self.seed, self.name, shape.name, "weights")
        weights = synthetic_weights(stream, shape.weight_shape, self.weight_density[shape.name], numeric.data_bits)
        frac = synthetic_fraction_bits(numeric.data_bits)
        batch = max(1, _BATCH_BYTES // (2 * math.prod(shape.input)))
        for start in range(0, self.images, batch):
            indices = range(start, min(start + batch, self.images))
            activations = np.stack([self._activations(shape, index, numeric.data_bits) for index in indices])
            layer = Layer(
                shape.name,
                activations.reshape(len(indices), -1, 1, 1) if shape.kind == "fc" else activations,
                weights,
                strides=(shape.stride, shape.stride),
                pads=(shape.pad,) * 4,
                groups=shape.groups,
                first=shape is self.shapes[0],
                kind=shape.kind,
                activation_frac=frac,
                weight_frac=frac,
                first_image=start,
            )
            yield rethreshold(layer, numeric)

    def _activations(self, shape: LayerShape, index: int, data_bits: int) -> NDArray[np.int16]:
        density = self.activation_density[shape.name]
        stream = generator(self.seed, self.name, shape.name, "activations", str(index))
        if shape is self.shapes[0]:
            return synthetic_image(stream, shape.input, density, data_bits)
        # The channels' densities are the network's, the same for every image.
        channels = generator(self.seed, self.name, shape.name, "channels")
        densities = channel_densities(channels, shape.input[0], density)
        return feature_map(stream, densities, shape.input[1:], density, data_bits)


class TopologyReader(Reader):
    """Opens the topologies by name, with their usual synthetic values (`Topology` has options)."""

    def names(self) -> Sequence[str]:
        """Return the names of the topologies; aliases are known too."""
        return topology_names()

    def can_read(self, source: object) -> bool:
        """Whether it is such a name."""
        return isinstance(source, str) and is_topology(source)

    def read(self, source: object) -> Network:
        """Make a topology."""
        return Topology(str(source))


def _folder() -> Any:
    return resources.files("cnvlutin2.network").joinpath("topology_data")


@cache
def _read(name: str) -> Shapes:
    data = YAML(typ="safe", pure=True).load(_folder().joinpath(f"{name}.yaml").read_text("utf-8"))
    layers = tuple(shape for layer, entry in data["layers"].items() for shape in _expand(layer, entry))
    names = [shape.name for shape in layers]
    profiles = {}
    for profile, entry in data.get("profiles", {}).items():
        # What a layer puts out is the next one's input; the last one's output is nobody's.
        fed = {names[names.index(n) + 1]: d for n, d in entry.get("outputs", {}).items() if n != names[-1]}
        profiles[profile] = Profile(entry["source"], fed | entry.get("inputs", {}), entry["weights"])
    return Shapes(name, data["title"], data["source"], tuple(data["aliases"]), layers, profiles)


def _expand(name: str, entry: Mapping[str, Any]) -> list[LayerShape]:
    """Return the layers of an entry of the data file: one, or a module's six."""
    size = tuple(entry["input"])
    if "fully_connected" in entry:
        return [LayerShape(name, "fc", size, entry["fully_connected"])]
    if "inception" not in entry:
        options = {key: entry[key] for key in ("kernel", "stride", "pad", "groups") if key in entry}
        return [LayerShape(name, "conv", size, entry["filters"], **options)]
    row = entry["inception"]
    return [
        LayerShape(
            f"{name}/{part}", "conv", (size[0] if source is None else row[source], *size[1:]), row[i], kernel, 1, kernel // 2
        )
        for i, (part, source, kernel) in enumerate(_INCEPTION)
    ]


def _profile(shapes: Shapes, name: str | None) -> Profile:
    if name is None:
        return Profile("", {}, {})
    if name not in shapes.profiles:
        have = f"one of {', '.join(shapes.profiles)}" if shapes.profiles else "none is published for it"
        raise ConfigError(f"topology {shapes.name!r} has no density profile {name!r}: {have}", where="profile")
    return shapes.profiles[name]


def _by_layer(key: str, given: Densities, names: Sequence[str], skip: str | None = None) -> dict[str, float]:
    """Return the densities that were given, by layer; those for all layers do not reach the layer `skip`."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        given = {"default": given}
    for name, value in given.items():
        if name != "default" and name not in names:
            raise ConfigError(f"no layer is called {name!r}; the layers are {', '.join(names)}", where=key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ConfigError(f"{value!r} is not a density; give a number from 0 to 1", where=key)
    default = {n: given["default"] for n in names if n != skip} if "default" in given else {}
    return {n: float(d) for n, d in (default | {n: d for n, d in given.items() if n != "default"}).items()}


def _whole(key: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 1 << 63:
        raise ConfigError(f"{value!r} is not allowed; give a whole number of at least {least}", where=key)
    return int(value)
