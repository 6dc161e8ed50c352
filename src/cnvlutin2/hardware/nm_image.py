"""What stands in NM, bank by bank, and how fetch counts through it; for layers whose lanes each read a bank of their own."""

from __future__ import annotations

import numpy as np

from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.port_words import Transfers, bits_of_words, joined_fields, words_from_bits
from cnvlutin2.hardware.workload import Plan, Workload
from cnvlutin2.mapping import StepMap

_BLOCK_BITS = 1 << 25


def is_fetched(workload: Workload) -> bool:
    """Whether fetch can read a layer's runs from NM; those of interleaved lanes and of row-packed layers come from outside."""
    return workload.schedule.runs.sliced and not workload.schedule.steps.row_packed


def step_runs(plan: Plan) -> list[int]:
    """Return how many runs of a step each lane in use has."""
    return [
        int(np.count_nonzero(plan.step_of[first:last] == 0)) for first, last in zip(plan.begins, plan.begins[1:], strict=False)
    ]


def bank_rows(workload: Workload) -> int:
    """Return the rows that a layer takes in a bank."""
    return workload.schedule.steps.places * max(step_runs(workload.plan))


def nm_transfers(rows: Transfers, workload: Workload, parameters: Parameters) -> Transfers:
    """Return what is written to NM: the runs of lane `l` to bank `l`, place after place, as many to a place as any lane has."""
    plan, places = workload.plan, workload.schedule.steps.places
    each = step_runs(plan)
    lane = np.repeat(np.arange(len(each)), each)
    number = np.concatenate([np.arange(runs) for runs in each])
    run = np.concatenate([plan.run_of[first : first + runs] for first, runs in zip(plan.begins.tolist(), each, strict=False)])
    place = np.arange(places)
    address = place * max(each) + number[:, None]
    chosen = (run[:, None] * (places + 1) + place).ravel()  # behind the places of each run stands the padding
    p, data = parameters, np.empty((chosen.size, -(-parameters.row_bits // 32)), np.uint32)
    together = max(1, _BLOCK_BITS // (8 * p.row_bits))
    for first in range(0, chosen.size, together):
        some = chosen[first : first + together]
        record, beside = bits_of_words(rows.data[some], p.record_bits), bits_of_words(rows.user[some], p.user_bits)
        data[first : first + together] = words_from_bits(np.hstack([beside[:, : p.brick], record, beside[:, p.brick :]]))
    lanes = np.broadcast_to(lane[:, None], address.shape)
    return Transfers(data, joined_fields([(address.ravel(), p.nm_address_bits), (lanes.ravel(), p.lane_bits)]))


def fetch_settings(workload: Workload, parameters: Parameters) -> dict[str, int]:
    """Return the settings of fetch by the names of their ports; numbers below 0 are for the ports to cut."""
    plan, steps, each = workload.plan, workload.schedule.steps, step_runs(workload.plan)
    found = {"feed": 0, "fetch_width": steps.width, "fetch_height": steps.height}
    starts = -steps.pads[1], -steps.pads[0]
    found |= {"fetch_x_start": starts[0], "fetch_y_start": starts[1], "fetch_base_start": _base(starts, steps, each)}
    for level, (count, step) in _levels(steps).items():
        found |= {f"fetch_{level}_count": count - 1, f"fetch_{level}_x_step": step[0], f"fetch_{level}_y_step": step[1]}
        found[f"fetch_{level}_base_step"] = _base(step, steps, each)
    for lane in range(parameters.lanes):
        runs = each[lane] if lane < len(each) else 0
        last = plan.taken[plan.run_of[plan.begins[lane] + runs - 1]] if runs else np.full(parameters.brick, -1)
        found[f"fetch_{lane}_runs"] = max(runs - 1, 0)
        found[f"fetch_{lane}_tail"] = sum(1 << i for i in np.flatnonzero(last != -1).tolist())
    return found


def _levels(steps: StepMap) -> dict[str, tuple[int, tuple[int, int]]]:
    """Return how often each level is walked, and how far x and y go when it advances: those inside it go back."""
    (kh, kw), (oh, ow), (sy, sx), (dy, dx) = steps.kernel, steps.outputs, steps.strides, steps.dilations
    back_x, back_y = -(kw - 1) * dx, -(kh - 1) * dy
    return {
        "kx": (kw, (dx, 0)),
        "ky": (kh, (back_x, dy)),
        "ox": (ow, (back_x + sx, back_y)),
        "oy": (oh, (back_x - (ow - 1) * sx, back_y + sy)),
    }


def _base(step: tuple[int, int], steps: StepMap, each: list[int]) -> int:
    return (step[1] * steps.width + step[0]) * max(each)
