"""`Kept`: what a run of a network leaves for the next one."""

from __future__ import annotations

from collections.abc import Hashable


class Kept:
    """What was worked out during a run and does not depend on it: sessions, plans, weights' masks.

    A run takes what it finds, so that nobody else has it meanwhile, and puts it back when it has ended. Of each kind only what
    was put back last is kept, for as long as the network lives.
    """

    def __init__(self) -> None:
        self._last: dict[Hashable, tuple[Hashable, object]] = {}

    def take(self, kind: Hashable, key: Hashable) -> object | None:
        """Return what was kept of a kind, if it was made for just this, and let go of it."""
        made_for, found = self._last.pop(kind, (None, None))
        return found if made_for == key else None

    def put(self, kind: Hashable, key: Hashable, found: object) -> None:
        """Keep something for the next run that asks for just this.

        Parameters
        ----------
        kind : hashable
            What it is.
        key : hashable
            All that it depends on beside the network.
        found : object
        """
        self._last[kind] = key, found
