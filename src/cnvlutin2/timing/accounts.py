"""`Account`: from what is measured of a layer to cycles and slots, by linear formulas (docs/model.md, "Where the cycles go")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.timing.slots import Counts, complete

if TYPE_CHECKING:
    from cnvlutin2.timing.schedule import Schedule

LANES = ("cycles", "costs", "seen", "effectual", "macs")
"""What the slots of a layer in skip mode follow from where no weights are skipped, each added up over an image.

``cycles``, ``costs``
    Of all windows of all groups, in one pass: the slowest lane's cycles, all lanes' cycles (without window overhead).
``seen``, ``effectual``
    Values that the lanes take for effectual, and those that are.
``macs``
    Products of an effectual activation and an effectual weight.
"""

MEASURED = ("cycles", "filter_cycles", "products", "useful", "macs", "costs", "work", "waits")
"""What they follow from where weights are skipped.

``cycles``
    Of all windows, passes and groups, without window overhead.
``filter_cycles``
    The same, each times the filters of its pass.
``products``, ``useful``, ``macs``
    What is multiplied; the part whose activation is effectual; the part whose weight is effectual too.
``costs``
    Cycles of all runs (without run overhead) as each filter sees them: of its tile, or its own where filters run free.
``work``
    The part of ``costs`` in which some filter that this one shares its cost with has products.
``waits``
    Cycles in which a free filter has ended its lane and its tile has not.
"""


@dataclass(frozen=True, eq=False)
class Account:
    """Cycles and slots as a linear function of what was measured: it follows from the shapes, so it is worked out once.

    Parameters
    ----------
    factors : int64 ``[quantities, 1 + len(SLOT_KINDS)]``
    constants : int64 ``[1 + len(SLOT_KINDS)]``
    """

    factors: NDArray[np.int64]
    constants: NDArray[np.int64]

    @classmethod
    def of(cls, formula: Callable[[NDArray[np.int64]], tuple[Counts, Counts]], quantities: int) -> Account:
        """Derive it from a function that returns cycles ``[n]`` and slots ``[n, kinds]`` for quantities ``[quantities, n]``."""
        units = np.concatenate([np.zeros((quantities, 1), np.int64), np.eye(quantities, dtype=np.int64)], axis=1)
        cycles, slots = formula(units)
        found = np.concatenate([cycles[:, None], slots], axis=1)
        return cls(found[1:] - found[0], found[0])

    def __call__(self, measured: Counts) -> tuple[Counts, Counts]:
        """Return cycles ``[.., N]`` and slots ``[.., N, kinds]`` for quantities ``[.., N, quantities]``."""
        found = self.joined(measured)
        return found[..., 0], found[..., 1:]

    def joined(self, measured: Counts) -> Counts:
        """Return cycles and slots in one array, ``[.., N, 1 + kinds]``."""
        found: Counts = measured @ self.factors + self.constants
        return found

    @classmethod
    def stacked(cls, accounts: Sequence[Account]) -> Account:
        """Join some, for quantities ``[accounts, N, quantities]``."""
        constants = np.stack([account.constants for account in accounts])
        return cls(np.stack([account.factors for account in accounts]), constants[:, None])


def skip_account(schedule: Schedule) -> Account:
    """From what is measured (`MEASURED`) to cycles and slots, in skip mode."""
    return Account.of(partial(_skip_slots, schedule), len(MEASURED))


def lane_account(schedule: Schedule) -> Account:
    """From what is found without looking at weights (`LANES`) to cycles and slots, in skip mode."""
    return Account.of(partial(_lane_slots, schedule), len(LANES))


def dense_account(schedule: Schedule) -> Account:
    """From windows that see an effectual activation, added up over these, and effectual products to cycles and slots."""
    return Account.of(partial(_dense_slots, schedule), 2)


def _skip_slots(schedule: Schedule, measured: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Return cycles ``[n]`` and slots ``[n, kinds]`` in skip mode for quantities (`MEASURED`) ``[quantities, n]``."""
    cycles, filter_cycles, products, useful, macs, costs, work, waits = measured
    o, in_use = schedule.organisation, schedule.runs.lanes_in_use(schedule.steps.steps)
    window_overhead = o.window_overhead * schedule.steps.windows * schedule.filters  # over all filters
    run_overhead = o.run_overhead * schedule.window_runs * schedule.steps.windows * schedule.filters
    all_cycles = cycles + o.window_overhead * schedule.window_passes
    total = all_cycles * o.slots_per_cycle
    return all_cycles, complete(
        total,
        {
            "unused_filters": total - o.lanes * (filter_cycles + window_overhead),
            "overhead": o.lanes * window_overhead + run_overhead,
            "unused_lanes": (o.lanes - in_use) * filter_cycles,
            "ineffectual_activation": products - useful,
            "ineffectual_weight": useful - macs,
            "effectual": macs,
            "filter_sync": waits + work - products,
            "fetch": costs - work,
        },
    )


def _lane_slots(schedule: Schedule, found: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Return the same for `LANES`: every filter of every tile does what its lanes do."""
    cycles, costs, seen, useful, macs = found
    run_overhead = schedule.organisation.run_overhead * schedule.window_runs * schedule.steps.windows * schedule.groups
    products, busy = seen * schedule.group_filters, (costs - run_overhead) * schedule.group_filters
    by_filter = cycles * schedule.group_filters
    waits = np.zeros_like(cycles)
    return _skip_slots(
        schedule,
        np.stack([cycles * schedule.passes, by_filter, products, useful * schedule.group_filters, macs, busy, products, waits]),
    )


def _dense_slots(schedule: Schedule, measured: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Return the same in dense mode, for windows that see an effectual activation and for effectual products."""
    seen, macs = measured
    o, busy = schedule.organisation, schedule.dense_window_cycles
    cycles = np.full_like(seen, (busy + o.window_overhead) * schedule.window_passes)
    total = cycles * o.slots_per_cycle
    every_filter = schedule.steps.windows * schedule.filters  # windows times filters
    products = schedule.steps.steps * schedule.steps.values * every_filter
    active = seen * schedule.group_filters
    return cycles, complete(
        total,
        {
            "unused_filters": total - (busy + o.window_overhead) * o.lanes * every_filter,
            "overhead": o.window_overhead * o.lanes * every_filter,
            "unused_lanes": busy * o.lanes * every_filter - products,
            "ineffectual_activation": products - active,
            "ineffectual_weight": active - macs,
            "effectual": macs,
        },
    )
