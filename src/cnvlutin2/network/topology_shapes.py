"""The shapes of the networks of the Cnvlutin paper, and published densities.

They are YAML files in the folder ``topology_data``. A layer there is its ``input`` (channels, height, width) and
either ``filters`` and ``kernel`` (and ``stride``, ``pad``, ``groups`` where they are not 1, 0, 1), or ``fully_connected``: its
outputs, the input being flattened; ``inception`` is a whole GoogLeNet module, given as a row of the paper's table (1x1, 3x3
reduce, 3x3, 5x5 reduce, 5x5, pool projection). Layers feed the next one, where a density profile says what they put out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

from cnvlutin2.errors import ConfigError, did_you_mean
from cnvlutin2.layer import Kind

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
    raise ConfigError(
        f"unknown topology {name!r}; the topologies are {', '.join(topology_names())}{did_you_mean(name, topology_names())}"
    )


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
