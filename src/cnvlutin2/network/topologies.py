"""The networks of the Cnvlutin paper by name, with synthetic values (see `cnvlutin2.network.synthetic`).

Their shapes are those of `cnvlutin2.network.topology_shapes`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.layer import Layer
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
from cnvlutin2.network.topology_shapes import LayerShape, Profile, Shapes, is_topology, load_shapes, topology_names

ACTIVATION_DENSITY = 0.56
"""Density of a layer's input where nothing else is known.

44% of the activations that enter convolutions are zero, the mean of the six networks (Albericio et al., ISCA 2016).
"""
_BATCH_BYTES = 64 << 20  # of activations yielded at a time

Densities = float | Mapping[str, float] | None


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
        self.left_out = tuple(LeftOut(s.name, s.kind, reason, s.macs) for s in shapes.layers if s not in self.shapes)
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
                synthetic=True,
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
