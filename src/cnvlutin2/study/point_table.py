"""What is kept of a point: a table with a row a layer (means over the images), and a record of the whole network, as Parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost import COMPONENTS
from cnvlutin2.cost.float_sums import mean, sum_in_order
from cnvlutin2.machine import EVENTS
from cnvlutin2.organisation import Organisation
from cnvlutin2.results import LayerResult, NetworkResult
from cnvlutin2.results.coverage import percent
from cnvlutin2.study.cases import canonical_json
from cnvlutin2.study.planning import LAYOUT, Point
from cnvlutin2.timing.slots import SLOT_KINDS

if TYPE_CHECKING:
    import pyarrow as pa

RECORD = b"cnvlutin2"
"""The key of a table's metadata under which the record stands, as JSON."""
SHA256 = b"cnvlutin2_sha256"
"""The key under which `digest_of_table` stands in a file."""
_TOPOLOGY = {"seed": int, "activation_density": str, "weight_density": str, "profile": str}
_LAYER_TEXTS = ("input_shape", "output_shape", "kernel_shape", "strides", "pads", "dilations")
_WAITS = ("encoder_stall_cycles", "dram_cycles", "total_cycles", "dense_total_cycles")


def parameter_columns(point: Point) -> dict[str, object]:
    """Return what a point is, as it stands in every row of it: parameters, where words and numbers mix as text."""
    topology: dict[str, object] = json.loads(point.topology)
    parameters = {key: _cell(key, getattr(point.organisation, key)) for key in organisation_columns()}
    return {
        "point": point.id,
        "network": point.network,
        "arch": point.organisation.name,
        **parameters,
        "threshold": point.threshold or "1",
        "weight_threshold": point.weight_threshold or "1",
        "quantised": point.capture.quantised,
        "energy": point.energy.replace("\\", "/").rpartition("/")[2],
        **{_asked(key): _asked_value(topology.get(key), kind) for key, kind in _TOPOLOGY.items()},
    }


@cache
def organisation_columns() -> dict[str, type]:
    """Return the parameters of an organisation by name, and what they are as a column: int, float, bool or text."""
    plain = {name: field.annotation for name, field in Organisation.model_fields.items() if name not in ("name", "description")}
    return {name: _kind(found) for name, found in plain.items()}


def _kind(annotation: object) -> type:
    """Return the plain type that an annotation is, or text."""
    for plain in (int, float, bool):
        if annotation is plain:
            return plain
    kinds = {type(value) for value in get_args(annotation)}
    return int if kinds == {int} else str


def _cell(key: str, value: object) -> object:
    if organisation_columns()[key] is not str or isinstance(value, str):
        return value
    return canonical_json(dict(value)) if isinstance(value, Mapping) else str(value)


def _asked(key: str) -> str:
    """Return the column of a topology's option; a layer's own density has the plain name."""
    return f"topology_{key}" if key.endswith("density") else key


def _asked_value(value: object, kind: type) -> object:
    if value is None or kind is not str or isinstance(value, str):
        return value
    return canonical_json(value)


def table_of(point: Point, found: NetworkResult, versions: Mapping[str, str]) -> pa.Table:
    """Return a point's table, with its record in the metadata.

    Parameters
    ----------
    point : Point
    found : NetworkResult
        The network under the point's organisation alone, with costs.
    versions : mapping
    """
    import pyarrow as pa

    same = parameter_columns(point)
    rows = [same | _layer_columns(layer) for layer in found.layers]
    fields = _schema(tuple(found.layers[0].footprint_bits))
    columns = {name: [row[name] for row in rows] for name in fields}
    arrays = [pa.array(columns[name], kind) for name, kind in fields.items()]
    record = {"layout": LAYOUT, **same, **_record(point, found), "versions": dict(versions)}
    schema = pa.schema(list(fields.items()), {RECORD: json.dumps(record, allow_nan=False).encode()})
    return pa.Table.from_arrays(arrays, schema=schema)


def remark_of(record: Mapping[str, Any]) -> str:
    """Say what must be known of a point's network to believe its numbers; nothing if there is nothing."""
    remarks = ["synthetic values"] if record["synthetic"] else []
    if record["left_out"]:
        share = record["left_out_share"]
        known = "an unknown share" if share is None else percent(share)
        remarks.append(f"{record['left_out']} parts left out, {known} of the multiply-accumulates")
    return ", ".join(remarks)


def digest_of_table(table: pa.Table) -> bytes:
    """Return the SHA-256 of a table's columns and of its record, if it has one, in hexadecimal."""
    digest = hashlib.sha256((table.schema.metadata or {}).get(RECORD, b""))
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name}:{column.type}:".encode())
        numbers = str(column.type) == "double" and not column.null_count
        digest.update(column.to_numpy().tobytes() if numbers else json.dumps(column.to_pylist()).encode())
    return digest.hexdigest().encode()


@cache
def _schema(formats: tuple[str, ...]) -> dict[str, pa.DataType]:
    """Return the columns of a table and their types, the same in every file of a store."""
    import pyarrow as pa

    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    settings = {"threshold": str, "weight_threshold": str, "quantised": bool, "energy": str}
    parameters = dict.fromkeys(("point", "network", "arch"), str) | organisation_columns() | settings
    layer = dict.fromkeys(("layer", "kind", *_LAYER_TEXTS), str) | {"groups": int} | dict.fromkeys(("first", "synthetic"), bool)
    layer |= {"threshold_lsbs": int, "weight_threshold_lsbs": int, "mode": str, "images": int, "macs": int, "dense_cycles": int}
    means = ["cycles", "speedup", "speedup_with_waiting", "effectual_macs", "activation_density", "weight_density", *_WAITS]
    means += [f"slots_{kind}" for kind in SLOT_KINDS] + [f"footprint_{name}_bits" for name in formats]
    means += [f"events_{name}" for name in EVENTS] + [f"energy_{name}_pj" for name in (*COMPONENTS, "total")]
    asked = {_asked(key): kind for key, kind in _TOPOLOGY.items()}
    columns: dict[str, type] = parameters | asked | layer | dict.fromkeys(means, float)
    return {name: kinds[kind] for name, kind in columns.items()}


def _layer_columns(layer: LayerResult) -> dict[str, object]:
    info, cost = layer.layer, layer.cost
    if cost is None:
        raise ValueError("a point's costs are accounted for")
    images = layer.cycles.size
    energies = {name: mean(energy) for name, energy in cost.energy_pj.items()}
    waits = {key: _mean(getattr(cost, key)) for key in _WAITS}
    slots = layer.slots.sum(axis=0).tolist()
    events = cost.counts.sum(axis=1).tolist()
    return {
        "layer": info.name,
        "kind": info.kind,
        **{key: "x".join(map(str, getattr(info, key))) for key in _LAYER_TEXTS},
        "groups": info.groups,
        "first": info.first,
        "synthetic": info.synthetic,
        "threshold_lsbs": info.threshold,
        "weight_threshold_lsbs": info.weight_threshold,
        "mode": layer.mode,
        "images": images,
        "macs": info.macs,
        "dense_cycles": layer.dense_cycles,
        "cycles": _mean(layer.cycles),
        "speedup": layer.speedup,
        "speedup_with_waiting": int(cost.dense_total_cycles.sum()) / int(cost.total_cycles.sum()),
        "effectual_macs": _mean(layer.effectual_macs),
        "activation_density": mean(layer.activation_density),
        "weight_density": info.weight_density,
        **waits,
        **{f"slots_{kind}": count / images for kind, count in zip(SLOT_KINDS, slots, strict=True)},
        **{f"footprint_{name}_bits": _mean(bits) for name, bits in layer.footprint_bits.items()},
        **{f"events_{name}": count / images for name, count in zip(EVENTS, events, strict=True)},
        **{f"energy_{name}_pj": energy for name, energy in energies.items()},
        "energy_total_pj": sum_in_order(energies.values()),
    }


def _mean(counts: NDArray[np.int64]) -> float:
    return int(counts.sum()) / counts.size


def _record(point: Point, found: NetworkResult) -> dict[str, Any]:
    """Return what there is of the whole network: sums over images as integers, means, and how the point is repeated."""
    arch = point.organisation.name
    cost, coverage = found.costs[arch], found.coverage
    cycles = found.image_cycles(arch)
    summary = cost.summary()
    return {
        "images": cycles.size,
        "all_images": {
            "cycles": int(cycles.sum()),
            "total_cycles": int(cost.machine.total_cycles.sum()),
            "dense_total_cycles": int(cost.baseline.total_cycles.sum()),
            "slots": found.slots(arch),
        },
        "macs": found.macs,
        "dense_cycles": found.dense_cycles(arch),
        "speedup": found.speedup(arch),
        "speedup_with_waiting": cost.speedup,
        "energy_pj": {name: mean(energy) for name, energy in cost.machine.energy_pj.items()},
        "total_energy_pj": mean(cost.machine.total_pj),
        "area_mm2": summary["area_mm2"],
        "total_area_mm2": cost.machine.total_mm2,
        "relative": summary["relative"],
        "cautions": summary["cautions"],
        "accuracy": asdict(found.accuracy) if found.accuracy else None,
        "synthetic": found.synthetic,
        "left_out": coverage.parts,
        "left_out_share": coverage.left_out_share,
        "organisation": point.organisation.model_dump(),
        "source": point.capture.case.source,
        "options": json.loads(point.capture.case.options),
        "thresholds": {
            "threshold": json.loads(point.capture.thresholds),
            "weight_threshold": json.loads(point.capture.weight_thresholds),
        },
        "energy_table": point.energy,
        "capture": point.capture.digest,
        "energy_table_sha256": point.energy_sha256,
    }
