"""Where tensors come from: the module itself, its inputs, its layers, or out of sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from enum import IntEnum
from typing import Any

from torch.multiprocessing.reductions import StorageWeakRef  # type: ignore[import-not-found,unused-ignore]


class Origin(IntEnum):
    """What a tensor depends on; what is computed from several is of the largest origin."""

    CONSTANT = 0
    """The module's own, or made of numbers: the same for all inputs."""
    UNSEEN = 1
    """Not made by anything that PyTorch shows: a closure's, NumPy's, a compiled kernel's."""
    INPUT = 2
    """The module's input, with no layer in between."""
    LAYER = 3
    """The output of a layer, or of what is left out."""


class Origins:
    """The origins of all tensors of a run, by the memory that they lie in, which views share."""

    def __init__(self) -> None:
        # What is beside the origin keeps the key from being given away again: a weak reference that lets the values go, or,
        # for what has no memory of its own to tell it by (sparse tensors), the tensor.
        self._origins: dict[tuple[str, int], tuple[Origin, Any]] = {}
        self._writes: Counter[tuple[str, int]] = Counter()

    def of(self, tensor: Any) -> Origin | None:
        """Return a tensor's origin; None if it was not seen before."""
        if tensor.numel() == 0:
            return Origin.CONSTANT
        found = self._origins.get(memory(tensor))
        return found[0] if found else None

    def note_writes(self, tensors: Iterable[Any]) -> None:
        """Note that tensors are given other values."""
        self._writes.update(map(memory, tensors))

    def identity(self, tensor: Any) -> Hashable:
        """Return what is equal for two tensors only if they are one, or the same view of one, not written to in between."""
        key = memory(tensor)
        place = (tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype) if key[0] == "storage" else ()
        return key, self._writes[key], place

    def set(self, tensors: Iterable[Any], origin: Origin) -> None:
        """Note where tensors come from."""
        for tensor in tensors:
            key = memory(tensor)
            known = self._origins.get(key)
            if known:
                self._origins[key] = (origin, known[1])
            else:
                held = StorageWeakRef(tensor.untyped_storage()) if key[0] == "storage" else tensor  # type: ignore[no-untyped-call,unused-ignore]
                self._origins[key] = (origin, held)


def memory(tensor: Any) -> tuple[str, int]:
    """Return what tells a tensor's memory from others': two views of one have the same."""
    try:
        return "storage", int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse, MKL-DNN's
        return "tensor", id(tensor)
