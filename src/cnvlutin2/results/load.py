"""`load_results`: what was written as JSON is `Results` again, number for number."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from cnvlutin2.cost import COMPONENTS, LayerCost, MachineCost, NetworkCost
from cnvlutin2.cost.packed_rows import PackedRows
from cnvlutin2.errors import ConfigError, encodable, short
from cnvlutin2.machine import EVENTS
from cnvlutin2.organisation import Organisation
from cnvlutin2.results.document import Document, MachineFigures, NetworkPart, Run, Total
from cnvlutin2.results.layer_result import Counts, LayerInfo, LayerResult
from cnvlutin2.results.network_result import NetworkResult
from cnvlutin2.results.simulation_results import SCHEMA, Results
from cnvlutin2.timing.slots import SLOT_KINDS

T = TypeVar("T")

_RUNS = "give each network, layer, organisation and image one run"


def load_results(path: str | Path) -> Results:
    """Read results that `cnvlutin2 run --json` wrote, or `cnvlutin2.results.write_json`.

    Parameters
    ----------
    path : str or Path
        A JSON file of the layout that `cnvlutin2.results.json_schema` describes.

    Returns
    -------
    Results
        Equal to those that were written: `to_dict` gives the very content of the file.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not of that layout, or contradicts itself; names the file and the place in it.
    """
    path = Path(path)
    data, values = _read(path)
    try:
        document = Document.model_validate_json(data)
        results = _results(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"holds no results: {first['msg']}; write them again", place, encodable(str(path))) from None
    except ConfigError as error:
        raise ConfigError(str(error), source=encodable(str(path))) from None
    where = _difference(values, results.to_dict())
    if where:
        raise ConfigError(
            "does not follow from its runs, or is unknown; the file was changed by hand: write it again",
            where,
            encodable(str(path)),
        )
    return results


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return a file's content, and what it says."""
    name = encodable(str(path))
    if path.exists() and not path.is_file():  # a pipe would wait for somebody to write to it
        raise ConfigError(f"cannot read the results {name}: it is no file; name a JSON file that 'run --json' wrote")
    try:
        data = path.read_bytes()
        values = json.loads(data)
    except OSError as error:
        raise ConfigError(f"cannot read the results {name}: {error.strerror or error}; write them with 'run --json'") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: is not JSON, or is truncated; write the results again, with 'run --json'") from None
    layout = values.get("schema") if isinstance(values, dict) else None
    if layout != SCHEMA:
        what = f"its layout is {short(layout)}" if layout else "it names no layout"
        raise ConfigError(f"{name}: holds no results that can be read: {what}, and {SCHEMA} is read; run again with --json")
    return data, values


def _results(document: Document) -> Results:
    organisations = {name: Organisation.parse(values, name) for name, values in document.organisations.items()}
    if any(name != organisation.name for name, organisation in organisations.items()):
        raise ConfigError("an organisation stands under another name than its own", "organisations")
    grouped: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in document.runs:
        grouped[run.network, run.layer, run.arch].append(run)
    networks = [_network(part, list(organisations), grouped) for part in document.networks]
    if not networks or not organisations:
        raise ConfigError("there is no network, or no organisation", "networks")
    return Results(networks, organisations, document.provenance)


def _network(part: NetworkPart, archs: Sequence[str], grouped: Mapping[tuple[str, str, str], Sequence[Run]]) -> NetworkResult:
    if not part.layers or [total.arch for total in part.totals] != list(archs):
        raise ConfigError(f"network {part.network!r} has no layers, or not one total for each organisation", "networks")
    layers = [
        _layer(layer, arch, grouped.get((part.network, layer.name, arch), ()), len(part.images))
        for layer in part.layers
        for arch in archs
    ]
    costs = {total.arch: found for total in part.totals if (found := _network_cost(total)) is not None}
    return NetworkResult(
        part.network,
        part.images,
        layers,
        tuple(part.left_out),
        part.accuracy,
        part.hashes,
        part.settings,
        costs,
        part.predictions,
    )


def _layer(layer: LayerInfo, arch: str, runs: Sequence[Run], images: int) -> LayerResult:
    if [run.image for run in runs] != list(range(images)) or not runs:
        raise ConfigError(f"layer {layer.name!r} has {len(runs)} runs under {arch!r} for {images} images: {_RUNS}", "runs")
    first = runs[0]
    if any(run.mode != first.mode or run.dense_cycles != first.dense_cycles for run in runs):
        raise ConfigError(f"layer {layer.name!r} has several modes or dense cycles under {arch!r}", "runs")
    return LayerResult(
        layer=layer,
        arch=arch,
        mode=first.mode,
        cycles=_counts(run.cycles for run in runs),
        effectual_macs=_counts(run.effectual_macs for run in runs),
        dense_cycles=first.dense_cycles,
        packed_slots=PackedRows(_counts([_of(run.slots, kind, "slots") for run in runs] for kind in SLOT_KINDS)),
        activation_density=np.array([run.activation_density for run in runs], np.float64),
        footprint_bits={
            name: _counts(_of(run.footprint_bits, name, "footprint_bits") for run in runs) for name in first.footprint_bits
        },
        cost=_layer_cost(runs),
    )


def _layer_cost(runs: Sequence[Run]) -> LayerCost | None:
    if runs[0].events is None:
        return None
    events = [_known(run.events, "events") for run in runs]
    energies = [_known(run.energy_pj, "energy_pj") for run in runs]
    keys = ("encoder_stall_cycles", "dram_cycles", "total_cycles", "dense_total_cycles")
    stalls, transfers, totals, dense = (_counts(_known(getattr(run, key), key) for run in runs) for key in keys)
    counts = _counts([_of(each, name, "events") for each in events] for name in EVENTS)
    prices = np.array([[_of(each, name, "energy_pj") for each in energies] for name in COMPONENTS], np.float64)
    return LayerCost(counts, stalls, transfers, totals, dense, prices)


def _network_cost(total: Total) -> NetworkCost | None:
    if total.cost is None:
        return None
    return NetworkCost(_machine_cost(total.cost), _machine_cost(total.cost.baseline), tuple(total.cost.cautions))


def _machine_cost(figures: MachineFigures) -> MachineCost:
    energies = {name: np.array(_of(figures.energy_pj, name, "energy_pj"), np.float64) for name in COMPONENTS}
    return MachineCost(_counts(figures.total_cycles), energies, figures.area_mm2)


def _counts(values: Any) -> Counts:
    return np.array(list(values), np.int64)


def _of(values: Mapping[str, T], name: str, what: str) -> T:
    if name not in values:
        raise ConfigError(f"{what} lack {name!r}", "runs")
    return values[name]


def _known(value: T | None, what: str) -> T:
    if value is None:
        raise ConfigError(f"some runs have {what}, others have none", "runs")
    return value


def _difference(given: Any, found: Any, place: str = "") -> str:
    """Return where two documents differ first; nothing if they do not."""
    if given == found:
        return ""
    if isinstance(given, dict) and isinstance(found, dict):
        parts = [(str(key), given.get(key, ...), found.get(key, ...)) for key in dict.fromkeys([*given, *found])]
    elif isinstance(given, list) and isinstance(found, (list, tuple)) and len(given) == len(found):
        parts = [(str(index), *pair) for index, pair in enumerate(zip(given, found, strict=True))]
    else:
        return place
    found_in = (_difference(one, other, f"{place}.{key}" if place else key) for key, one, other in parts)
    return next(filter(None, found_in), "")
