"""The dispatch mode that catches a PyTorch module's products. Imports PyTorch: `executed_module` imports it late."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]
from torch.overrides import TorchFunctionMode  # type: ignore[import-not-found,unused-ignore]
from torch.utils._python_dispatch import (  # type: ignore[import-not-found,unused-ignore]
    TorchDispatchMode,
    is_traceable_wrapper_subclass,
)
from torch.utils._pytree import tree_leaves  # type: ignore[import-not-found,unused-ignore]

from cnvlutin2.errors import NetworkError, UnsupportedLayer
from cnvlutin2.network.calibration import Scales
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.torch.module_state import ModuleState
from cnvlutin2.network.torch.origins import Origin, Origins
from cnvlutin2.network.torch.products import CONVOLUTIONS, MATRIX_PRODUCTS, Factors, Product, fake_quantised, product_of
from cnvlutin2.network.torch.torch_operators import count_macs, multiplies_nothing, plain_name, reason_of

_OVERWRITES = {"aten::copy_", "aten::fill_", "aten::zero_", "aten::normal_", "aten::uniform_"}


class Escapes(TorchFunctionMode):  # type: ignore[misc,unused-ignore]
    """Sees whether values leave PyTorch during a run: what is made of numbers afterwards may be computed from them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False
        tensor = torch.Tensor
        self._exits = {tensor.numpy, tensor.tolist, tensor.__array__, tensor.__dlpack__}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Call one function."""
        self.seen |= func in self._exits
        return func(*args, **(kwargs or {}))


class Catcher(TorchDispatchMode):  # type: ignore[misc,no-untyped-call,unused-ignore]
    """Sees every operation of a run on one image; notes the layers, and runs them on quantised values if it is given scales.

    Parameters
    ----------
    path : list of str
        The names of the modules that are running, outermost first.
    state : ModuleState
        Keeps what the run overwrites.
    inputs : iterable of torch.Tensor
        The module's.
    scales : sequence of Scales or None
        One a layer, in order.
    bits : int
    known : sequence of Product
        The layers of another image, whose weights are shared with where they are the same.

    Attributes
    ----------
    products : list of Product
    left_out : list of LeftOut
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        path: Sequence[str],
        state: ModuleState,
        inputs: Iterable[Any],
        scales: Sequence[Scales] | None,
        bits: int,
        known: Sequence[Product],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.products: list[Product] = []
        self.left_out: list[LeftOut] = []
        self.escapes = Escapes()
        self._path, self._state, self._scales, self._bits = path, state, scales, bits
        self._known = known
        self._names: dict[str, int] = {}
        self._readers: dict[Hashable, int] = {}  # by what it reads, the first layer that does
        self._origins = Origins()
        self._origins.set(state.tensors, Origin.CONSTANT)
        self._origins.set(inputs, Origin.INPUT)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run one operation."""
        kwargs = dict(kwargs or {})
        if isinstance(func, torch._ops.HigherOrderOperator):
            return self._run_nested(func, args)
        with self:  # what consists of others shows as such under inference mode
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        written, read = _written_and_read(func, given)
        for tensor in written:
            self._state.before_write(tensor)
        origin = self._origin(func, written, read)
        multiplies = bool(read) and origin > Origin.CONSTANT and not multiplies_nothing(func, given)
        reason: UnsupportedLayer | None = None
        ran: tuple[Any, dict[str, Any]] = (args, kwargs)
        if multiplies and all(tensor.numel() for tensor in read):
            try:
                ran = self._note(func, given, args, kwargs)
            except UnsupportedLayer as found:
                reason = found
        elif not multiplies and not func.is_view and self._lists_unseen(func, read):
            origin = Origin.LAYER
        result = func(*ran[0], **ran[1])
        if reason is not None:
            macs = count_macs(func, args, kwargs, result)
            name = self._name(func._schema.name, given)
            self.left_out.append(LeftOut(name, plain_name(func._schema.name), str(reason), macs))
        self._origins.note_writes(written)
        self._origins.set([*_tensors(result), *written], Origin.LAYER if multiplies else origin)
        return result

    def _run_nested(self, func: Any, args: Any) -> Any:
        """Run an operator that runs functions: what these do is seen."""
        with self:
            if func.name() == "cond":
                return args[1 if bool(args[0]) else 2](*args[3])
            if func.name() == "wrap_with_set_grad_enabled":
                return args[1](*args[2:])
            if func.name() == "wrap_with_autocast":
                with torch.autocast(args[0], args[1], args[2], args[3]):
                    return args[4](*args[5:])
        raise NetworkError(f"it calls the operator {func.name()!r}, into which cannot be looked; write it out in plain operators")

    def _origin(self, func: Any, written: Sequence[Any], read: Sequence[Any]) -> Origin:
        """Return where the result of an operation comes from that multiplies nothing."""
        name = func._schema.name
        if name == "aten::lift_fresh":  # a tensor of Python's numbers, or of NumPy's
            return Origin.UNSEEN if self.escapes.seen else Origin.CONSTANT
        if not read and name.startswith("aten::empty"):
            return Origin.UNSEEN  # what fills it may not show
        origins = [self._origins.of(tensor) for tensor in read]
        if name in _OVERWRITES:
            origins = origins[1:] if origins[0] in (None, Origin.UNSEEN) or _is_whole(written[0]) else origins
        return max((Origin.UNSEEN if origin is None else origin for origin in origins), default=Origin.CONSTANT)

    def _lists_unseen(self, func: Any, read: Sequence[Any]) -> bool:
        """List an operation that takes values which nothing made, for they may come of products; return whether it does."""
        name = func._schema.name
        if name in ("aten::lift_fresh", "aten::equal"):  # the latter is asked by the JIT's own passes
            return False
        floats = [tensor for tensor in read[name in _OVERWRITES :] if tensor.is_floating_point() and tensor.numel() > 1]
        unseen = [tensor for tensor in floats if self._origins.of(tensor) in (None, Origin.UNSEEN)]
        if unseen:
            what = "takes values that are neither the module's nor made by an operator that PyTorch shows"
            reason = f"{what} (NumPy's, a compiled kernel's, a closure's): what multiplied for them is not known"
            self.left_out.append(LeftOut(self._name(name, {}), plain_name(name), reason))
            self._origins.set(unseen, Origin.LAYER)  # said once
        return bool(unseen)

    def _note(self, func: Any, given: Mapping[str, Any], args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Note a layer; return the arguments that it is to run with.

        Raises
        ------
        UnsupportedLayer
            If it is none.
        """
        op = func._schema.name
        factors = self._factors(op, given, args)
        product = product_of("", op, given, args, factors)
        self._lists_unseen(func, [args[factors.activations]])
        product.name = self._name(op, given)
        product.first = self._origins.of(args[factors.activations]) is not Origin.LAYER
        index = len(self.products)
        view = self._origins.identity(args[factors.activations]), factors.weights < factors.activations, product.activations.shape
        product.tensor = self._readers.setdefault(view, index)
        if index < len(self._known) and product.has_weights_of(self._known[index]):
            product.weights = self._known[index].weights
        self.products.append(product)
        if self._scales is None or index >= len(self._scales):
            return args, kwargs
        scales, changed = self._scales[index], list(args)
        values, weights = args[factors.activations], args[factors.weights]
        changed[factors.activations] = fake_quantised(values, scales.frac, scales.threshold, self._bits)
        # With alpha folded into the weights, whose integers are what the layer has.
        alpha = float(kwargs.get("alpha", 1))
        changed[factors.weights] = fake_quantised(weights * alpha, scales.weight_frac, scales.weight_threshold, self._bits)
        return tuple(changed), {key: value for key, value in kwargs.items() if key != "alpha"}

    def _factors(self, op: str, given: Mapping[str, Any], args: Any) -> Factors:
        """Return the places of the activations and of the constant weights among the arguments.

        Raises
        ------
        UnsupportedLayer
            If the operation multiplies otherwise, or has no constant factor.
        """
        wrapped = sorted({type(leaf).__name__ for leaf in _tensors(given) if is_traceable_wrapper_subclass(leaf)})
        if wrapped:
            raise UnsupportedLayer(f"it multiplies tensors of a kind with operators of its own ({', '.join(wrapped)})")
        place = (CONVOLUTIONS | MATRIX_PRODUCTS).get(op)
        if place is None:
            weights = _tensors({key: value for key, value in given.items() if "mask" not in key and "bias" not in key})
            constant = [
                self._origins.of(leaf) is Origin.CONSTANT for leaf in weights if leaf.is_floating_point() and leaf.ndim > 1
            ]
            raise UnsupportedLayer(reason_of(op, any(constant)))
        left, right = (self._origins.of(tensor) for tensor in args[place : place + 2])
        if right is Origin.CONSTANT:
            return Factors(place, place + 1)
        if left is Origin.CONSTANT and op in MATRIX_PRODUCTS:
            return Factors(place + 1, place)
        if {left, right} & {None, Origin.UNSEEN}:
            what = "a factor is neither the module's nor made by an operator that PyTorch shows"
            raise UnsupportedLayer(f"{what}; if it is constant, make it a parameter or a buffer")
        raise UnsupportedLayer("multiplies two activations: it has no constant weights")

    def _name(self, op: str, given: Mapping[str, Any]) -> str:
        """Return a name of its own: the innermost module's, or that of the weights' module below it, else the operation's."""
        base = next((name for name in reversed(self._path) if name), "")
        owners = filter(None, map(self._state.owner, _tensors(given)))
        base = next((owner for owner in owners if not base or owner.startswith(f"{base}.")), base) or plain_name(op)
        self._names[base] = self._names.get(base, 0) + 1
        return base if self._names[base] == 1 else f"{base}#{self._names[base]}"


def _written_and_read(func: Any, given: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the tensors that an operation writes to, and those that it reads: what is written only is named ``out``."""
    written: list[Any] = []
    read: list[Any] = []
    for argument in func._schema.arguments:
        tensors = _tensors(given.get(argument.name))
        writes = argument.alias_info is not None and argument.alias_info.is_write
        written += tensors if writes else []
        read += [] if writes and argument.is_out else tensors
    return written, read


def _tensors(values: Any) -> list[Any]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def _is_whole(tensor: Any) -> bool:
    return bool(tensor.layout == torch.strided and tensor.nbytes == tensor.untyped_storage().nbytes())
