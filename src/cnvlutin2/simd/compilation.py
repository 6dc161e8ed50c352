"""Who is told that a kernel is about to be compiled, which takes seconds; loads nothing of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str], None]
"""Called with the name of the function that is compiled next."""

_listeners: list[Listener] = []


@contextmanager
def told_of_compilation(listener: Listener) -> Iterator[None]:
    """Have a listener told while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell_of_compilation(function: str) -> None:
    """Tell the listener that came last, if there is one."""
    for listener in _listeners[-1:]:
        listener(function)
