"""`StudyDefinition`: which networks, organisations and settings a study asks for; from a YAML file, a mapping or options."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnvlutin2.errors import ConfigError, did_you_mean, short
from cnvlutin2.network.bundled import bundled_names
from cnvlutin2.network.topology_shapes import is_topology
from cnvlutin2.organisation import Organisation, load_organisations, with_overrides
from cnvlutin2.study.constraint import Constraint, Value
from cnvlutin2.yaml_text import read_mapping

INPUT_KEYS = ("input", "limit", "labels", "preprocess", "mean", "std", "scale", "layout", "channels", "resize")
"""Keys of networks that are executed, as the options of ``cnvlutin2 run``."""
TOPOLOGY_KEYS = ("activation_density", "weight_density", "profile", "images", "seed", "conv_only")
"""Keys of topologies."""
RUN_KEYS = ("threshold", "weight_threshold", "quantised", "energy")
"""Keys of how a point is run."""
_STUDY_KEYS = ("networks", "arch", "set", "grid", "points", "where", *RUN_KEYS, *INPUT_KEYS, *TOPOLOGY_KEYS)
_GRID_KEYS = (*RUN_KEYS, *TOPOLOGY_KEYS, "limit")
_PATHS = ("input", "labels")

Settings = Mapping[str, Value]
"""Values of parameters by name: fields of `Organisation`, and `RUN_KEYS`, `TOPOLOGY_KEYS` and ``limit``."""


@dataclass(frozen=True)
class NetworkEntry:
    """A network of a study, and what it is run on.

    Parameters
    ----------
    source : str
        What `cnvlutin2.open_network` takes.
    options : mapping
        `INPUT_KEYS` and `TOPOLOGY_KEYS` that were given for it alone.
    """

    source: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyDefinition:
    """What a study asks for.

    Parameters
    ----------
    networks : sequence of NetworkEntry
    bases : sequence of Organisation
        Whose parameters the grid replaces.
    grid : mapping of str to sequence
        Values by parameter; every combination is asked for.
    listed : sequence of mapping
        Combinations that are asked for one by one, each with every one of the grid; with none, the grid alone.
    where : sequence of Constraint
        What all points meet.
    defaults : mapping
        `RUN_KEYS`, `INPUT_KEYS` and `TOPOLOGY_KEYS` of all points.
    """

    networks: Sequence[NetworkEntry]
    bases: Sequence[Organisation]
    grid: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    listed: Sequence[Settings] = ()
    where: Sequence[Constraint] = ()
    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def combinations(self) -> int:
        """How many there are before constraints."""
        of_grid = math.prod(len(values) for values in self.grid.values())
        return len(self.networks) * len(self.bases) * max(1, len(self.listed)) * of_grid

    @property
    def swept(self) -> tuple[str, ...]:
        """The parameters that differ from point to point, in the order in which they were given."""
        return tuple(dict.fromkeys([*(key for item in self.listed for key in item), *self.grid]))

    def settings(self) -> Iterator[tuple[NetworkEntry, Organisation, Settings]]:
        """Yield every combination that meets the constraints: a network, a base, and what replaces its parameters.

        Raises
        ------
        ConfigError
            For a constraint that cannot be used.
        """
        for network, base in itertools.product(self.networks, self.bases):
            known = self._known(network, base)
            for item, values in itertools.product(self.listed or ({},), itertools.product(*self.grid.values())):
                settings = {**item, **dict(zip(self.grid, values, strict=True))}
                if all(constraint.holds({**known, **settings}) for constraint in self.where):
                    yield network, base, settings

    def _known(self, network: NetworkEntry, base: Organisation) -> dict[str, object]:
        """Return what constraints see of a point: its parameters before the grid's; one that was not given is empty text."""
        given = {key: self.defaults.get(key, "") for key in _GRID_KEYS}
        options = {key: value for key, value in network.options.items() if key in _GRID_KEYS}
        dumped = {key: value if isinstance(value, (str, int, float)) else "map" for key, value in base.model_dump().items()}
        return {**dumped, **given, "quantised": bool(given["quantised"]), **options, "network": network.source, "arch": base.name}

    def check_constraints(self) -> None:
        """Refuse constraints that name what is no parameter."""
        known = self._known(self.networks[0], self.bases[0]) | dict.fromkeys(self.swept)
        for constraint in self.where:
            constraint.check_names(known)


def read_definition(path: Path) -> StudyDefinition:
    """Read a study's file; paths in it are from its folder.

    Raises
    ------
    ConfigError
        Names the file, the key and what is allowed.
    """
    return definition_of(read_mapping(path, "study"), path.parent, str(path))


def definition_of(values: Mapping[str, object], folder: Path | None = None, source: str = "study") -> StudyDefinition:
    """Return the study that a mapping describes, as it stands in a study's file (docs/studies.md).

    Parameters
    ----------
    values : mapping
    folder : Path, optional
        From where relative paths are.
    source : str
        What it came from, for messages.
    """
    for key in values:
        if key not in _STUDY_KEYS:
            message = f"unknown key {short(key)}; the keys are {', '.join(_STUDY_KEYS)}{did_you_mean(key, _STUDY_KEYS)}"
            raise ConfigError(message, source=source)
    defaults = {key: value for key, value in values.items() if key in (*RUN_KEYS, *INPUT_KEYS, *TOPOLOGY_KEYS)}
    definition = StudyDefinition(
        networks=[_network(each, folder, source) for each in _listing(values.get("networks", "digits"), "networks", source)],
        bases=_bases(values, folder, source),
        grid=_grid(_mapping(values.get("grid", {}), "grid", source), folder, source),
        listed=[_settings(each, folder, source) for each in _listing(values.get("points", []), "points", source)],
        where=[_constraint(each, source) for each in _listing(values.get("where", []), "where", source)],
        defaults=_placed(defaults, folder),
    )
    definition.check_constraints()
    return definition


def _network(given: object, folder: Path | None, source: str) -> NetworkEntry:
    if isinstance(given, (str, Path)):
        return NetworkEntry(_source(str(given), folder))
    options = dict(_mapping(given, "networks", source))
    name = options.pop("network", None)
    if not isinstance(name, str):
        raise ConfigError("a network is its name, or a mapping with the key 'network'", where="networks", source=source)
    for key in options:
        if key not in (*INPUT_KEYS, *TOPOLOGY_KEYS):
            known = (*INPUT_KEYS, *TOPOLOGY_KEYS)
            message = f"unknown key {short(key)}; the keys are network, {', '.join(known)}{did_you_mean(key, known)}"
            raise ConfigError(message, where="networks", source=source)
    return NetworkEntry(_source(name, folder), _placed(options, folder))


def _source(name: str, folder: Path | None) -> str:
    """Return a network's name, which comes before a file of that name, or the path of its file as seen from here."""
    if is_topology(name) or name in bundled_names():
        return name
    beside = folder / name if folder is not None else None
    return str(beside) if beside is not None and beside.exists() else name


def _placed(options: Mapping[str, object], folder: Path | None) -> dict[str, object]:
    """Return options whose paths are as seen from here."""

    def placed(value: object) -> object:
        if isinstance(value, (list, tuple)):
            return [placed(each) for each in value]
        return str(folder / value) if isinstance(value, str) and folder is not None else value

    return {key: placed(value) if key in _PATHS or _is_file(key, value) else value for key, value in options.items()}


def _is_file(key: str, value: object) -> bool:
    """Whether a value names a file: thresholds by layer, a cost table."""
    return key in ("threshold", "weight_threshold", "energy") and isinstance(value, str) and value.endswith((".yaml", ".yml"))


def _bases(values: Mapping[str, object], folder: Path | None, source: str) -> list[Organisation]:
    names: list[str | Path | Organisation] = []
    for given in _listing(values.get("arch", "cnv"), "arch", source):
        if isinstance(given, Organisation):
            names.append(given)
        elif not isinstance(given, str):
            raise ConfigError(f"{short(given)} is no organisation; give a preset's name or a YAML file", "arch", source)
        else:
            names += [
                _source(part.strip(), folder) if part.strip().endswith(("yaml", "yml")) else part for part in given.split(",")
            ]
    bases = load_organisations(names)
    fixed = _mapping(values.get("set", {}), "set", source)
    return [with_overrides(base, fixed) for base in bases] if fixed else bases


def _grid(given: Mapping[str, object], folder: Path | None, source: str) -> dict[str, list[Value]]:
    found = {}
    for key, values in given.items():
        check_parameter(key, "grid", source)
        listed = _listing(values, f"grid.{key}", source)
        if not listed:
            raise ConfigError("has no values; give at least one", where=f"grid.{key}", source=source)
        found[key] = list(dict.fromkeys(_value(key, value, folder, f"grid.{key} ({source})") for value in listed))
    return found


def _settings(given: object, folder: Path | None, source: str) -> dict[str, Value]:
    values = _mapping(given, "points", source)
    for key in values:
        check_parameter(key, "points", source)
    return {key: _value(key, value, folder, f"points.{key} ({source})") for key, value in values.items()}


def check_parameter(key: str, where: str, source: str) -> None:
    """Refuse what is no parameter that points can differ in."""
    fields = [name for name in Organisation.model_fields if name not in ("name", "description")]
    if key in (*fields, *_GRID_KEYS) or key.partition(".")[0] == "layer_mode":
        return
    known = (*fields, *_GRID_KEYS)
    raise ConfigError(f"unknown parameter {short(key)}; there are {', '.join(known)}{did_you_mean(key, known)}", where, source)


def _value(key: str, value: object, folder: Path | None, where: str) -> Value:
    if isinstance(value, str) and folder is not None and _is_file(key, value):
        return str(folder / value)
    if isinstance(value, (str, int, float)) and value == value:
        return value
    raise ConfigError(f"{short(value)} is no plain value; give a number, a word, true or false", where)


def _constraint(given: object, source: str) -> Constraint:
    if not isinstance(given, str):
        raise ConfigError(f"{short(given)} is no constraint; give an expression as text", where="where", source=source)
    return Constraint(given)


def _listing(given: object, where: str, source: str) -> list[object]:
    """Return what is a list, or stands for a list of one."""
    if isinstance(given, (list, tuple)):
        return list(given)
    if given is None:
        raise ConfigError("has no values; give at least one", where=where, source=source)
    return [given]


def _mapping(given: object, where: str, source: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{short(given)} is no mapping of names to values", where=where, source=source)
    return {str(key): value for key, value in given.items()}
