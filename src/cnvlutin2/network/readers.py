"""`Reader`: what makes networks of one kind of source (docs/tutorials/add-a-reader.md).

Readers are found by `cnvlutin2.network.reader_registry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from cnvlutin2.network.network import Network


@runtime_checkable
class Reader(Protocol):
    """Makes networks of one kind of source: a name, a file, a folder, or objects.

    A class that derives from this one writes `can_read` and `read`, and what else is not as it is here.
    """

    @property
    def takes_inputs(self) -> bool:
        """Whether its networks are executed on inputs, as `Network.takes_inputs`; asked for without opening one."""
        return False

    @property
    def reads(self) -> str:
        """What it reads, as the message for an unknown source lists it: ``"an .onnx file"``; empty to leave it out."""
        return ""

    def names(self) -> Sequence[str]:
        """Return the names that it gives networks to, for the same message."""
        return ()

    def can_read(self, source: object) -> bool:
        """Whether `read` is the way to open a source: quickly, by its type, name or first bytes; without an error.

        A file that it says yes to may still be damaged: then `read` raises.
        """
        ...

    def read(self, source: object) -> Network:
        """Open a source.

        Raises
        ------
        NetworkError
            If it is damaged or has nothing to simulate; one line that names the source and the remedy.
        """
        ...
