"""A module left as it was: what a run changes in it is put back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from typing import Any, cast

import torch  # type: ignore[import-not-found,unused-ignore]

from cnvlutin2.network.torch.origins import memory


class ModuleState:
    """A module's parameters, buffers and attributes, as they are when this is made.

    Attributes (lists, dictionaries and sets included, but not what is inside those), tensors and their values, and modes come
    back; what the module does outside of itself is its own.

    Parameters
    ----------
    module : torch.nn.Module

    Attributes
    ----------
    tensors : list of torch.Tensor
        All that it holds.
    """

    def __init__(self, module: Any) -> None:
        self._modules = list(module.modules())
        self._training = [getattr(each, "training", None) for each in self._modules]
        self._attributes = [dict(vars(each)) for each in self._modules]
        self._containers = [
            (value, copy(value)) for attributes in self._attributes for value in attributes.values() if _is_container(value)
        ]
        self._script = [
            (each, name, tensor)
            for each in self._modules
            if isinstance(each, torch.jit.ScriptModule)
            for name, tensor in each.named_buffers(recurse=False)
        ]
        named = list(module.named_parameters())
        self._owners = {memory(tensor): shown_name(name).rpartition(".")[0] for name, tensor in named}
        mutable = [*module.buffers(), *(leaf for attributes in self._attributes for leaf in _tensors(attributes))]
        self.tensors = [tensor for _, tensor in named] + mutable + list(_script_constants(module))
        # Their memory, which assigning to ``.data`` exchanges, and their values: of buffers at once, for some operators overwrite
        # those without saying so; of parameters, which are large, before they are written to.
        self._memory = [(tensor, tensor.data, tensor.requires_grad) for tensor in self.tensors]
        self._held = {memory(tensor): data for tensor, data, _ in self._memory}
        self._values: dict[tuple[str, int], tuple[Any, Any]] = {}
        for tensor in mutable:
            self.before_write(tensor)

    def before_write(self, tensor: Any) -> None:
        """Keep the values of a tensor that is about to be written to, if it is the module's."""
        key = memory(tensor)
        if key in self._held and key not in self._values and tensor.layout == torch.strided:
            whole = self._held[key].untyped_storage()
            self._values[key] = (whole, whole.clone())

    def owner(self, tensor: Any) -> str:
        """Return the name of the module whose parameter a tensor is, or a view of one."""
        return self._owners.get(memory(tensor), "")

    def restore(self) -> None:
        """Put everything back."""
        for module, attributes in zip(self._modules, self._attributes, strict=True):
            vars(module).clear()
            vars(module).update(attributes)
        for value, before in self._containers:
            value.clear()
            (value.update if isinstance(value, (dict, set)) else value.extend)(before)
        for module, name, tensor in self._script:
            if getattr(module, name) is not tensor:
                setattr(module, name, tensor)
        for module, training in zip(self._modules, self._training, strict=True):
            if training is not None and module.training != training:
                module.training = training
        for tensor, data, requires_grad in self._memory:
            if memory(tensor)[0] == "storage" and memory(tensor) != memory(data):
                tensor.data = data
            if tensor.requires_grad != requires_grad and tensor.is_leaf:
                tensor.requires_grad_(requires_grad)
        for whole, before in self._values.values():
            whole.copy_(before)

    def evaluate(self) -> None:
        """Set the mode of evaluation, without calling ``eval()``, which a module may have redefined to do more."""
        for module in self._modules:
            if getattr(module, "training", False):
                module.training = False


def shown_name(name: str) -> str:
    """Return a module's or parameter's name without what ``torch.compile`` puts into it."""
    return name.replace("_orig_mod.", "").removesuffix("_orig_mod")


def _is_container(value: object) -> bool:
    return isinstance(value, (dict, list, set, deque))


def _tensors(attributes: dict[str, Any]) -> Iterator[Any]:
    """Go through the tensors among a module's attributes that are neither parameters nor buffers."""
    for key, value in attributes.items():
        if key in ("_parameters", "_buffers"):
            continue
        values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
        yield from (each for each in values if isinstance(each, torch.Tensor))


def _script_constants(module: Any) -> Iterator[Any]:
    """Go through the tensors that freezing made constants of a ScriptModule's code."""
    if isinstance(module, torch.jit.ScriptModule) and hasattr(module, "inlined_graph"):
        graph = cast(Any, module.inlined_graph)  # held: its nodes do not hold it
        for node in graph.findAllNodes("prim::Constant"):
            if node.hasAttribute("value") and node.kindOf("value") == "t":
                yield node.t("value")
