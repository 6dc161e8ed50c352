"""From a definition to points: each combination checked, options without effect dropped, and what is the same found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cnvlutin2.cost import DEFAULT_TABLE, load_table
from cnvlutin2.errors import ConfigError, short
from cnvlutin2.network import Thresholds
from cnvlutin2.network.opening import takes_inputs
from cnvlutin2.network.threshold_text import read_thresholds
from cnvlutin2.network.topology_shapes import is_topology
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.simulation import check_layer_modes, versions
from cnvlutin2.study.cases import Capture, NetworkCase, canonical_json, checked_case, digest_of
from cnvlutin2.study.constraint import Value
from cnvlutin2.study.definition import INPUT_KEYS, RUN_KEYS, TOPOLOGY_KEYS, NetworkEntry, Settings, StudyDefinition
from cnvlutin2.study.equivalence import without_idle_options

LAYOUT = "cnvlutin2/study/1"
"""The layout of a study's folder."""


@dataclass(frozen=True)
class Point:
    """One network on one organisation: all that determines what is counted.

    Parameters
    ----------
    network : str
        The network's name.
    organisation : Organisation
        Without idle options; its name is that of the base.
    capture : Capture
        Which layers it sees.
    threshold, weight_threshold : str
        As they were asked for; empty if they were not.
    energy : str
        A cost table's name or file.
    energy_sha256 : str
        Of its content.
    topology : str
        JSON: `TOPOLOGY_KEYS` that were given, of a topology.
    """

    network: str
    organisation: Organisation
    capture: Capture
    threshold: str
    weight_threshold: str
    energy: str
    energy_sha256: str
    topology: str

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits: the hash of all that determines the point, versions included, names of organisations not."""
        values = {key: value for key, value in self.organisation.model_dump().items() if key not in ("name", "description")}
        return digest_of([LAYOUT, self.capture.digest, values, self.energy_sha256])[:32]


@dataclass(frozen=True)
class Plan:
    """The points of a study.

    Parameters
    ----------
    points : sequence of Point
        Each once.
    asked : sequence of (str, mapping)
        A point's identity and the parameters of a combination that came to it, combination by combination.
    sources : mapping
        What went in, by the network's name: hashes of files, settings.
    """

    points: Sequence[Point]
    asked: Sequence[tuple[str, Mapping[str, Value]]]
    sources: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def captures(self) -> list[Capture]:
        """The different captures, in order."""
        return list({point.capture.digest: point.capture for point in self.points}.values())


def plan_study(definition: StudyDefinition) -> Plan:
    """Check every combination and return the points.

    Raises
    ------
    ConfigError, NetworkError
        For the first combination that cannot be used, or if the constraints leave none; nothing has run then.
    """
    _check_uses(definition)
    planner = _Planner(definition)
    points: dict[str, Point] = {}
    asked = []
    for network, base, settings in definition.settings():
        point = planner.point(network, base, settings)
        points.setdefault(point.id, point)
        asked.append((point.id, {"network": point.network, "arch": base.name, **settings}))
    if not points:
        texts = " and ".join(constraint.text for constraint in definition.where)
        raise ConfigError(f"no combination of {definition.combinations:,} meets the constraints {short(texts)}", where="where")
    return Plan(list(points.values()), asked, planner.sources)


def _check_uses(definition: StudyDefinition) -> None:
    """Refuse options, and parameters of the grid, that are for no network of the study."""
    sources = [entry.source for entry in definition.networks]
    given = (*definition.defaults, *definition.swept)
    for keys, kinds, some in (
        (TOPOLOGY_KEYS, "topologies; an executed network has its own values", any(map(is_topology, sources))),
        (INPUT_KEYS, "networks that are executed; none of these takes inputs", any(map(takes_inputs, sources))),
    ):
        for key in given:
            if key in keys and not some:
                raise ConfigError(f"is for {kinds}", where=key)


class _Planner:
    """Makes points; opens each network, and reads each file, once."""

    def __init__(self, definition: StudyDefinition) -> None:
        self._definition = definition
        self._versions = canonical_json(versions())
        self._cases: dict[tuple[str, str], tuple[NetworkCase, str, list[str]]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._thresholds: dict[tuple[str, str], tuple[str, Thresholds]] = {}
        self._tables: dict[str, str] = {}
        self.sources: dict[str, dict[str, object]] = {}

    def point(self, entry: NetworkEntry, base: Organisation, settings: Settings) -> Point:
        """Return the point of a combination."""
        run = {key: settings.get(key, self._definition.defaults.get(key)) for key in RUN_KEYS}
        case, name, layers = self._case(entry, settings)
        organisation = self._organisation(base, settings, layers)
        threshold, weight_threshold = (self._threshold(run[key], key, layers) for key in ("threshold", "weight_threshold"))
        if not isinstance(run["quantised"], (bool, type(None))):
            raise ConfigError(f"{short(run['quantised'])} is neither true nor false", where="quantised")
        capture = Capture(case, organisation.data_bits, threshold[1], weight_threshold[1], bool(run["quantised"]), self._versions)
        energy, sha256 = self._energy(run["energy"])
        topology = {key: value for key, value in json.loads(case.options).items() if key in TOPOLOGY_KEYS}
        return Point(name, organisation, capture, threshold[0], weight_threshold[0], energy, sha256, canonical_json(topology))

    def _case(self, entry: NetworkEntry, settings: Settings) -> tuple[NetworkCase, str, list[str]]:
        """Return a network's case, its name, and its layers' names."""
        is_made = is_topology(entry.source)
        usable = TOPOLOGY_KEYS if is_made else INPUT_KEYS if takes_inputs(entry.source) else ()
        wrong = [key for key in entry.options if key not in usable]
        if wrong:
            kinds = "topologies" if wrong[0] in TOPOLOGY_KEYS else "networks that are executed"
            raise ConfigError(f"is for {kinds}, and {entry.source} is none", where=wrong[0])
        given = {**self._definition.defaults, **entry.options, **settings}
        options = {key: value for key, value in given.items() if key in usable}
        try:
            key = entry.source, canonical_json(options)
        except (TypeError, ValueError):
            raise ConfigError(
                "the options of a network are numbers, words, and lists and maps of these", where=entry.source
            ) from None
        if key not in self._cases:
            case, network, inputs = checked_case(entry.source, options)
            name = self._name(network.name, entry)
            self._cases[key] = case, name, list(network.layer_names())
            of_inputs = {"inputs": dict(inputs.hashes), "photos": dict(inputs.settings)} if inputs else {}
            self.sources[name] = {"source": case.source, "files": dict(network.hashes), **of_inputs}
        return self._cases[key]

    def _name(self, name: str, entry: NetworkEntry) -> str:
        """Return a network's name in the study; a number is added where another entry's network has the same."""
        key = entry.source, canonical_json(entry.options)
        if key not in self._names:
            alike = sum(taken.partition("#")[0] == name for taken in self._names.values())
            self._names[key] = f"{name}#{alike + 1}" if alike else name
        return self._names[key]

    def _organisation(self, base: Organisation, settings: Settings, layers: Sequence[str]) -> Organisation:
        changes = {key: value for key, value in settings.items() if key.partition(".")[0] in Organisation.model_fields}
        try:
            organisation = with_overrides(base, changes) if changes else base
            check_layer_modes([organisation], layers)
        except ConfigError as error:
            values = ", ".join(f"{key}={value}" for key, value in changes.items())
            message = str(error).removesuffix(" (--set)")
            raise ConfigError(f"{base.name} with {values} is no organisation: {message}; exclude it with a constraint") from None
        return without_idle_options(organisation)

    def _threshold(self, given: object, key: str, layers: Sequence[str]) -> tuple[str, str]:
        """Return a threshold's text, and the map that it stands for as JSON."""
        if given is None or given == "":
            return "", "{}"
        text = str(given)
        if (text, key) not in self._thresholds:
            found = read_thresholds(text, key)
            every = {} if found.default is None else {"default": found.default}
            mapped = {name: str(threshold) for name, threshold in {**every, **found.layers}.items()}
            self._thresholds[text, key] = canonical_json(mapped), found
        mapped_text, thresholds = self._thresholds[text, key]
        thresholds.check_names(layers, key)
        return Path(text).name if text.endswith((".yaml", ".yml")) else text, mapped_text

    def _energy(self, given: object) -> tuple[str, str]:
        if given is not None and not isinstance(given, str):
            raise ConfigError(f"{short(given)} is no cost table; give a name or a YAML file", where="energy")
        name = given or DEFAULT_TABLE
        located = str(Path(name).resolve()) if name.endswith((".yaml", ".yml")) else name
        if located not in self._tables:
            self._tables[located] = load_table(located).sha256
        return located, self._tables[located]


def in_groups(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Yield the points of each capture together, captures in order."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.capture.digest, []).append(point)
    yield from groups.values()
