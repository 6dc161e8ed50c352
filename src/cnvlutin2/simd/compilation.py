"""Who is told that a kernel is about to be compiled, which takes seconds; loads nothing of the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

Listener = Callable[[str], None]
"""Called with the name of the function that is compiled next."""


class Listening:
    """Has a listener told of what is compiled while a ``with`` block runs; of several, the innermost."""

    _listeners: ClassVar[list[Listener]] = []

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __enter__(self) -> Self:
        self._listeners.append(self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        self._listeners.remove(self._listener)

    @classmethod
    def tell(cls, function: str) -> None:
        """Say that a function is about to be compiled."""
        for listener in cls._listeners[-1:]:
            listener(function)
