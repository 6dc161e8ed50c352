"""`LanePlan`: what the compiled kernels for many layers take of organisations that skip no weights and share their lanes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import get_format
from cnvlutin2.simd import LARGEST_ROW, VECTOR
from cnvlutin2.timing.accounts import LANES, Account

if TYPE_CHECKING:
    from cnvlutin2.timing.schedule import Schedule

QUANTITIES = (*LANES, "busy")
"""What is measured of a layer under an organisation: `accounts.LANES`, and products where only tiles skip weights."""

Record = dict[str, Any]


class Arrays:
    """Arrays that kernels are given the addresses of: they must outlive the calls."""

    def __init__(self) -> None:
        self._held: list[NDArray[Any]] = []

    def address(self, array: NDArray[Any], kind: type[np.generic]) -> int:
        """Return where an array's values lie as another type, for as long as this object exists."""
        kept = np.ascontiguousarray(array, kind)
        self._held.append(kept)
        return int(kept.__array_interface__["data"][0])


class LanePlan(NamedTuple):
    """The record of some organisations with the same `Schedule.lane_key`, whatever the layer's values.

    Parameters
    ----------
    record : dict
        One of `cnvlutin2.kernels.records.LANES`, but for ``result``.
    accounts : list of Account
        From what is measured (`QUANTITIES`) to cycles and slots, of each organisation.
    scratch : int
        Bytes that the kernels need.
    arrays : Arrays
        Those whose addresses are in the record.
    """

    record: Record
    accounts: list[Account]
    scratch: int
    arrays: Arrays


@lru_cache(maxsize=512)
def lane_plan(schedules: tuple[Schedule, ...]) -> LanePlan | None:
    """Return the plan of organisations with the same `Schedule.lane_key`, or None if the kernels are too narrow for them."""
    if not all(_fits(schedule) for schedule in schedules):
        return None
    arrays = Arrays()
    first = schedules[0]
    steps, o, runs, counts = first.steps, first.organisation, first.runs, np.arange(first.organisation.brick + 1)
    forms = [(s, get_format(s.organisation.format), (s.organisation.brick, s.organisation.data_bits)) for s in schedules]
    raw = [f.raw_bricks(counts, *how) if s.sees == "raw" else np.zeros(counts.size, np.bool_) for s, f, how in forms]
    sizes = [f.brick_bits(counts, *how) for _, f, how in forms]
    row_bits = [s.organisation.row_bits if s.has_rows else 0 for s in schedules]
    load_bytes = max(np.dtype(s.load_type).itemsize for s in schedules)
    pieces, bricks = first.pieces, -(-steps.values // o.brick)
    has_bricks = np.any(raw) or any(row_bits)
    alone = runs.longest > 1 and load_bytes == 1 and steps.is_own_windows
    above, below = (rows * steps.width for rows in (steps.pads[0], steps.rows_below))
    room = _whole(steps.height * steps.width) + _whole(above) + _whole(below) + VECTOR
    record = {
        "row_packed": steps.row_packed,
        "values": steps.values,
        "height": steps.height,
        "width": steps.width,
        "geometry": steps.geometry,
        "alone": alone,
        "room": room,
        "uses": arrays.address(steps.place_uses(room), np.uint16),
        "above": above,
        "below": below,
        "window_room": steps.window_places.size,
        "windows": arrays.address(steps.window_places, np.uint8),
        "inside": arrays.address(steps.inside, np.uint8),
        "piece_count": pieces.starts.size,
        "pieces": arrays.address(np.append(pieces.starts, steps.values), np.int32),
        "piece_of": arrays.address(np.repeat(np.arange(pieces.starts.size), pieces.sizes), np.int32),
        "brick_of": arrays.address(pieces.brick_of, np.int32),
        "run_pieces": arrays.address(np.searchsorted(pieces.run_of, np.arange(runs.runs + 1)), np.int32),
        "brick_pieces": arrays.address(np.searchsorted(pieces.brick_of, np.arange(bricks + 1)), np.int32),
        "runs": runs.runs,
        "bricks": bricks,
        "brick": o.brick,
        "run_bricks": arrays.address(first.run_bricks, np.int32),
        "longest": runs.longest,
        "overhead": o.run_overhead,
        "parts": arrays.address(first.lane_parts, np.int32),
        "lanes": first.lane_parts.size - 1,
        "load_bytes": load_bytes,
        "unit_slowest": first.unit_window_cycles * steps.windows,
        "unit_every": (1 + o.run_overhead) * first.window_runs * steps.windows,
        "idle": all(s.unit_runs for s in schedules) and not np.any(raw),
        "has_bricks": has_bricks,
        "ways": len(schedules),
        "counts": counts.size,
        "mixed": arrays.address(np.any(raw, axis=1), np.int64),
        "raw": arrays.address(np.stack(raw), np.uint8),
        "sizes": arrays.address(np.stack(sizes), np.int64),
        "row_bits": arrays.address(np.array(row_bits), np.int64),
        "row_units": arrays.address(np.array([_units(*each) for each in zip(sizes, row_bits, strict=True)]), np.int64),
    }
    column_room = steps.window_places.size + _whole(steps.pads[1] + steps.kernel[1] * steps.dilations[1]) + VECTOR
    lanes = first.lane_parts.size - 1
    walked = 0 if alone or record["idle"] else lanes if runs.longest > 1 else bricks
    in_place = len(schedules) == 1 and pieces.starts.size == lanes  # counts are looked at once, and the first pieces first
    spaces = {
        "counts_at": pieces.starts.size * room if runs.longest > 1 else 0,
        **dict.fromkeys(("bricks_at", "flags_at", "rows_at"), bricks * room if has_bricks else 0),
        "loads_at": walked * room if runs.longest > 1 and not in_place else 0,
        "columns_at": walked * column_room * load_bytes,
    }
    *begins, end = accumulate(spaces.values(), initial=_whole(above))  # first planes, too, are read from above
    places = dict(zip(spaces, begins, strict=True))
    if in_place:
        places["loads_at"] = places["counts_at"]
    known = [_padded(schedule.lane_account) for schedule in schedules]
    return LanePlan(record | places | {"column_room": column_room}, known, end, arrays)


def _whole(size: int) -> int:
    """Return a size up to whole vectors."""
    return -(-size // VECTOR) * VECTOR


def _fits(schedule: Schedule) -> bool:
    """Whether the kernels can: there are no more windows across than places, and narrow numbers hold what is added up.

    That is a lane's cycles at a place, and all lanes' cycles, and values, at 64 places over all windows that read them.
    """
    steps = schedule.steps
    most = max(schedule.most_load * schedule.lane_parts.size, steps.values)
    uses = steps.kernel[0] * steps.kernel[1]
    by_place = schedule.load_type in (np.uint8, np.uint16) and schedule.most_load < 1 << 8
    together = max(most, uses) < 1 << 16 and uses * most * VECTOR < 1 << 32
    return by_place and together and (steps.outputs[1] - 1) * steps.strides[1] < steps.width


def _units(sizes: NDArray[np.int64], row_bits: int) -> int:
    """Return the units of an NM row if records are of whole units, grow evenly and are no longer than a row, else 0."""
    unit = math.gcd(row_bits, *sizes.tolist())
    steps = np.diff(sizes)
    even = row_bits > 0 and sizes[0] > 0 and sizes.max() <= row_bits and steps.min() == steps.max() >= 0
    return row_bits // unit if even and row_bits // unit <= LARGEST_ROW else 0


def _padded(lanes: Account) -> Account:
    """Return an account for `accounts.LANES` as one for `QUANTITIES`."""
    return arranged(lanes, {name: [i] for i, name in enumerate(LANES)})


def arranged(account: Account, wanted: Mapping[str, Sequence[int]]) -> Account:
    """Return an account for `QUANTITIES`, each of which stands for some quantities of another account, or for none."""
    rows = [account.factors[list(wanted.get(name, ()))].sum(axis=0) for name in QUANTITIES]
    return Account(np.stack(rows), account.constants)
