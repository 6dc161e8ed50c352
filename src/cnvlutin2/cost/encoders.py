"""Waiting for encoders, and what `auto` comes to, which depends on it (docs/cost.md, "Encoders")."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cnvlutin2.cost.executed import ExecutedLayer, first_readers
from cnvlutin2.layer import Geometry
from cnvlutin2.machine import Machine
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.engine import Counts, RunMode


def encoder_stalls(layers: Sequence[ExecutedLayer], cycles: Counts, organisation: Organisation) -> Counts:
    """Return how long each layer waits for the encoder of its busiest tile, ``[layers, N]``.

    Parameters
    ----------
    layers : sequence of ExecutedLayer
        In the order of execution.
    cycles : int64 ``[layers, N]``
        Of the datapath.
    organisation : Organisation
    """
    values = [_values_to_encode(layers, index, first) for index, first in enumerate(_next_readers(layers))]
    return _stalls(np.array(values, np.int64)[:, None], cycles, organisation)


def _stalls(values: Counts | int, cycles: Counts, organisation: Organisation) -> Counts:
    """Return what encoding so many values takes beyond the layer's own cycles; nothing is left to the next layer."""
    rate = Machine.of(organisation).rates.encoder_values
    if rate is None:
        return np.zeros_like(cycles)
    stalls: Counts = np.maximum(0, -(-values // rate) - cycles)
    return stalls


def _next_readers(layers: Sequence[ExecutedLayer]) -> list[int | None]:
    """Return for each layer the next one whose input was not read before: that is what it writes."""
    readers: list[int | None] = [None] * len(layers)
    first, reader = first_readers(layers), None
    for index in range(len(layers) - 1, -1, -1):
        readers[index] = reader
        reader = index if first[index] else reader
    return readers


def _values_to_encode(layers: Sequence[ExecutedLayer], index: int, reader: int | None) -> int:
    """Return the values of an image that the busiest tile's encoder passes; pooling leaves fewer positions than windows."""
    if reader is None or not layers[reader].encoded:
        return 0
    writer, read = layers[index], layers[reader]
    flat = read.input_positions == 1  # the map was flattened into channels, or pooled to one position
    positions = read.input_values // writer.geometry.filters if flat else read.input_positions
    return min(writer.geometry.windows, positions) * writer.busiest_tile_filters


class TimedLayer(NamedTuple):
    """A layer of a network as it was timed under one organisation, all images together.

    Parameters
    ----------
    geometry : Geometry
        The layer's own.
    tensor : hashable
        What it reads: the `cnvlutin2.timing.observed.ObservedLayer.tensor` of each of its batches.
    mode : {"skip", "dense", "auto"}
        What the organisation asks for.
    cycles : mapping of {"skip", "dense"} to int64 ``[N]``
        For each mode that may be chosen.
    """

    geometry: Geometry
    tensor: Hashable
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
    unsettled = [index for index, layer in enumerate(layers) if layer.mode == "auto"]
    if not unsettled:
        return modes
    schedules = [Schedule.of(layer.geometry, organisation) for layer in layers]
    executed = [ExecutedLayer.of(*of_layer) for of_layer in zip(schedules, modes, (la.tensor for la in layers), strict=True)]
    for index in unsettled:
        totals = {}
        for mode in ("dense", "skip"):
            executed[index] = ExecutedLayer.of(schedules[index], mode, layers[index].tensor)
            values = _values_to_encode(executed, index, _next_readers(executed)[index])
            cycles = layers[index].cycles[mode]
            totals[mode] = int((cycles + _stalls(values, cycles, organisation)).sum())
        modes[index] = "skip" if totals["skip"] < totals["dense"] else "dense"
        executed[index] = ExecutedLayer.of(schedules[index], modes[index], layers[index].tensor)
    return modes
