"""What the hardware did in a pass beside what it must do: outputs, windows' ends and cycles (docs/hardware.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.hardware.simulators.protocol import PassResult
from cnvlutin2.hardware.workload import PassWorkload

Bits = NDArray[np.bool_]


class Comparison(NamedTuple):
    """A pass compared.

    Parameters
    ----------
    cycles, expected_cycles : int
        As the hardware counts them, and as the simulator does.
    windows_differing : int
        Windows that ended in another cycle, or never.
    outputs, differing_outputs : int
        Accumulators of seats with a filter: how many were compared, and how many were wrong, missing or given twice.
    starved : int
        Cycles in which a lane waited for a run that was due.
    late : int
        Clock cycles from ``start`` to ``done`` beyond those of the pass, of filling and of draining.
    first : str
        The first difference in words; empty if there is none.
    """

    cycles: int
    expected_cycles: int
    windows_differing: int
    outputs: int
    differing_outputs: int
    starved: int
    late: int
    first: str


def compare(work: PassWorkload, result: PassResult, fill_and_drain: int, *, may_wait: bool = False) -> Comparison:
    """Compare a pass.

    Parameters
    ----------
    work : PassWorkload
        What it must do.
    result : PassResult
        What it did.
    fill_and_drain : int
        Clock cycles from ``start`` to ``done`` that are none of the pass.
    may_wait : bool
        Whether windows that end later are no difference: FIFOs shallower than they should be were asked for.
    """
    differing_ends = result.window_ends != work.window_ends
    wrong = (result.outputs.reshape(work.outputs.shape) != work.outputs) | (result.outputs_came != 1)[:, None, None]
    wrong &= work.occupied
    late = result.elapsed - result.cycles - fill_and_drain
    first = _first_difference(work, result, differing_ends & (not may_wait), wrong)
    if not first and result.cycles != work.cycles and not may_wait:
        first = f"the pass took {result.cycles} cycles, should be {work.cycles}"
    if not first and result.elapsed < 0:
        first = "it was not done when it was given up"
    if not first and late:
        first = f"{result.elapsed} clock cycles passed from start to done, should be {result.cycles + fill_and_drain}"
    place = f"group {work.group}, pass {work.number}: " if first else ""
    compared = int(np.count_nonzero(work.occupied)) * work.windows
    wrong_ones = int(np.count_nonzero(wrong))
    differing = int(np.count_nonzero(differing_ends))
    return Comparison(result.cycles, work.cycles, differing, compared, wrong_ones, result.starved, late, place + first)


def _first_difference(work: PassWorkload, result: PassResult, ends: Bits, wrong: Bits) -> str:
    """Say what is wrong with the first window with which something is wrong."""
    windows = np.flatnonzero(ends | wrong.any(axis=(1, 2)))
    if not windows.size:
        return ""
    window = int(windows[0])
    if ends[window]:
        end = int(result.window_ends[window])
        did = f"ended in cycle {end}" if end else "never ended"
        return f"window {window} {did}, should be {int(work.window_ends[window])}"
    tile, slot = np.argwhere(wrong[window])[0].tolist()
    if result.outputs_came[window] != 1:
        return f"the outputs of window {window} came {int(result.outputs_came[window])} times"
    found = int(result.outputs.reshape(work.outputs.shape)[window, tile, slot])
    return f"window {window}, tile {tile}, slot {slot}: the output is {found}, should be {int(work.outputs[window, tile, slot])}"
