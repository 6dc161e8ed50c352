"""Waiting for encoders, and what `auto` comes to, which depends on it (docs/cost.md, "Encoders")."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from cnvlutin2.cost.executed import ExecutedLayer
from cnvlutin2.layer import Geometry
from cnvlutin2.machine import Machine
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.engine import Counts, RunMode
from cnvlutin2.timing.observed import InputTensor

_MODES: tuple[RunMode, RunMode] = ("dense", "skip")


def encoder_stalls(layers: Sequence[ExecutedLayer], first: Sequence[bool], cycles: Counts, organisation: Organisation) -> Counts:
    """Return how long each layer waits for the encoder of its busiest tile, ``[layers, N]``.

    Parameters
    ----------
    layers : sequence of ExecutedLayer
        In the order of execution.
    first : sequence of bool
        Of each, whether it is the first to read its input (`cnvlutin2.cost.executed.first_readers`).
    cycles : int64 ``[layers, N]``
        Of the datapath.
    organisation : Organisation
    """
    values = np.zeros((len(layers), 1), np.int64)
    reader = None  # the next layer that is the first to read its input: so it is what a layer writes
    for index in reversed(range(len(layers))):
        values[index] = _values_to_encode(layers[index], reader)
        reader = layers[index] if first[index] else reader
    return _stalls(values, cycles, organisation)


def _stalls(values: Counts | int, cycles: Counts, organisation: Organisation) -> Counts:
    """Return what encoding so many values takes beyond the layer's own cycles; nothing is left to the next layer."""
    rate = Machine.of(organisation).rates.encoder_values
    if rate is None:
        return np.zeros_like(cycles)
    stalls: Counts = np.maximum(0, -(-values // rate) - cycles)
    return stalls


def _reader(layers: Sequence[ExecutedLayer], index: int, read: Set[Hashable]) -> ExecutedLayer | None:
    """Return the next layer whose input neither a layer nor one before it (`read`) has read: what it reads, the layer writes."""
    own = layers[index].stored_input
    later = (layers[i] for i in range(index + 1, len(layers)))
    return next((layer for layer in later if layer.stored_input != own and layer.stored_input not in read), None)


def _values_to_encode(writer: ExecutedLayer, reader: ExecutedLayer | None) -> int:
    """Return the values of an image that the busiest tile's encoder passes; pooling leaves fewer positions than windows."""
    if reader is None or not reader.encoded:
        return 0
    flat = reader.input_positions == 1  # the map was flattened into channels, or pooled to one position
    positions = reader.input_values // writer.geometry.filters if flat else reader.input_positions
    return min(writer.geometry.windows, positions) * writer.busiest_tile_filters


class TimedLayer(NamedTuple):
    """A layer of a network as it was timed under one organisation, all images together.

    Parameters
    ----------
    geometry : Geometry
        The layer's own.
    tensor : InputTensor
        What it reads.
    mode : {"skip", "dense", "auto"}
        What the organisation asks for.
    cycles : mapping of {"skip", "dense"} to int64 ``[N]``
        For each mode that may be chosen.
    """

    geometry: Geometry
    tensor: InputTensor
    mode: Mode
    cycles: Mapping[RunMode, Counts]


def settle_modes(layers: Sequence[TimedLayer], organisation: Organisation) -> list[RunMode]:
    """Return the mode in which each layer runs; `auto` becomes the faster one, one flag a layer for all images.

    Layers are settled in the order of execution, by their cycles and their own wait for encoders, summed over the images, DRAM
    left out; dense on a tie. How long a layer waits depends on how its reader's input is stored, so on the reader's mode. A
    reader that is not settled yet is taken to skip.

    Parameters
    ----------
    layers : sequence of TimedLayer
        In the order of execution.
    organisation : Organisation

    Returns
    -------
    list of {"skip", "dense"}
    """
    modes: list[RunMode] = ["dense" if layer.mode == "dense" else "skip" for layer in layers]
    if not any(layer.mode == "auto" for layer in layers):
        return modes
    schedules = [Schedule.of(layer.geometry, organisation) for layer in layers]
    executed = [ExecutedLayer.of(*of_layer) for of_layer in zip(schedules, modes, (la.tensor for la in layers), strict=True)]
    read: set[Hashable] = set()
    for index, layer in enumerate(layers):
        if layer.mode == "auto":
            totals = {}
            for mode in _MODES:
                executed[index] = ExecutedLayer.of(schedules[index], mode, layer.tensor)
                values, cycles = _values_to_encode(executed[index], _reader(executed, index, read)), layer.cycles[mode]
                totals[mode] = int((cycles + _stalls(values, cycles, organisation)).sum())
            modes[index] = "skip" if totals["skip"] < totals["dense"] else "dense"
            executed[index] = ExecutedLayer.of(schedules[index], modes[index], layer.tensor)
        read.add(executed[index].stored_input)
    return modes
