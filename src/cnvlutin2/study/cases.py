"""`NetworkCase`: a network with what it is run on, as files and options; and the hash of all that its layers depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Inputs, Network, Numeric, Topology, load_inputs, open_network
from cnvlutin2.network.file_hash import sha256
from cnvlutin2.network.threshold_text import thresholds_of
from cnvlutin2.network.topology_shapes import is_topology


@dataclass(frozen=True)
class NetworkCase:
    """A network and what it is run on; plain values, to be opened in any process that sees the files.

    Parameters
    ----------
    source : str
        As `cnvlutin2.open_network` takes it, paths absolute.
    options : str
        JSON: keyword arguments of `Topology`, or those of `load_inputs` with ``input``, the paths.
    digest : str
        SHA-256 of what is in the files and of the options.
    """

    source: str
    options: str
    digest: str = ""

    def open(self) -> tuple[Network, Inputs | None]:
        """Open the network, and read what it is run on, if it takes anything.

        Raises
        ------
        ConfigError, NetworkError
            If it cannot be used, or is not what it was when the digest was taken.
        """
        network, inputs = self._open()
        if self.digest and digest_of(_identity(self.source, network, inputs)) != self.digest:
            raise ConfigError(
                "the network or its inputs are not what they were when the study began; begin again", "", self.source
            )
        return network, inputs

    def _open(self) -> tuple[Network, Inputs | None]:
        options: dict[str, Any] = json.loads(self.options)
        if is_topology(self.source):
            return Topology(self.source, **options), None
        network = open_network(self.source)
        paths = options.pop("input", [])
        return network, load_inputs(network, paths, **options) if network.takes_inputs else None


@dataclass(frozen=True)
class Capture:
    """The layers of one run of a network: a case, a width, thresholds. Points of equal captures see the same tensors.

    Parameters
    ----------
    case : NetworkCase
    data_bits : int
    thresholds, weight_thresholds : str
        JSON: a map of layer, or ``default``, to text as ``8`` or ``real:0.05``.
    quantised : bool
    versions : str
        JSON: those of the packages that execute networks.
    """

    case: NetworkCase
    data_bits: int
    thresholds: str
    weight_thresholds: str
    quantised: bool
    versions: str

    @property
    def digest(self) -> str:
        """SHA-256 of all that the layers depend on."""
        parts = self.case.digest, self.data_bits, self.thresholds, self.weight_thresholds, self.quantised, self.versions
        return digest_of(parts)

    @property
    def numeric(self) -> Numeric:
        """How the run makes integers of real values."""
        activations, weights = (thresholds_of(json.loads(text), "study") for text in (self.thresholds, self.weight_thresholds))
        return Numeric(self.data_bits, activations, weights, quantised=self.quantised)


def digest_of(value: object) -> str:
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """Return plain values as the one JSON text of theirs."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def checked_case(source: str, options: Mapping[str, object]) -> tuple[NetworkCase, Network, Inputs | None]:
    """Open a network and read its inputs once, so that what cannot be used is refused; return the case with its digest.

    Raises
    ------
    ConfigError, NetworkError
        As `cnvlutin2.open_network`, `cnvlutin2.load_inputs` and `Topology` do.
    """
    located = str(Path(source).resolve()) if not is_topology(source) and Path(source).exists() and _is_path(source) else source
    plain = {key: _located(value) if key in ("input", "labels") else value for key, value in options.items()}
    if "input" in plain and not isinstance(plain["input"], list):
        plain["input"] = [plain["input"]]
    case = NetworkCase(located, canonical_json(plain))
    try:
        network, inputs = case.open()
    except TypeError as error:  # of a value that no option takes, as a list for a number
        raise ConfigError(f"an option has a value that it cannot have: {error}", source=source) from None
    return NetworkCase(located, case.options, digest_of(_identity(located, network, inputs))), network, inputs


def _is_path(source: str) -> bool:
    """Whether a source that is there is a file or folder, not a name that comes before one."""
    from cnvlutin2.network.reader_registry import FILES, find_reader

    return find_reader(source) in FILES


def _located(value: object) -> object:
    """Return paths as every process on this file system finds them."""
    if isinstance(value, (list, tuple)):
        return [_located(each) for each in value]
    return str(Path(value).resolve()) if isinstance(value, str) else value


def _identity(source: str, network: Network, inputs: Inputs | None) -> list[object]:
    """Return all that the layers depend on beside the width and thresholds: contents of files, not their names."""
    if isinstance(network, Topology):
        made = [network.seed, network.images, network.layer_names(), network.activation_density, network.weight_density]
        return ["topology", network.name, *made]
    path = Path(source)
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path] if path.is_file() else []
    of_network = sorted([*(sha256(file) for file in files), *network.hashes.values()])
    return ["network", network.name, type(network).__name__, of_network, _identity_of_inputs(inputs)]


def _identity_of_inputs(inputs: Inputs | None) -> object:
    if inputs is None:
        return None
    values = np.ascontiguousarray(inputs.values)
    labels = None if inputs.labels is None else inputs.labels.tolist()
    return [hashlib.sha256(values.data.cast("B")).hexdigest(), list(values.shape), str(values.dtype), labels]
