"""Running a PyTorch module on one image, with what it does seen and nothing of it left behind. Imports PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]

from cnvlutin2.errors import Cnvlutin2Error, NetworkError, one_line
from cnvlutin2.network.calibration import Scales
from cnvlutin2.network.torch.dispatch_mode import Catcher
from cnvlutin2.network.torch.example_inputs import Call
from cnvlutin2.network.torch.module_state import ModuleState, shown_name
from cnvlutin2.network.torch.products import Product


def check_module(module: Any, name: str) -> None:
    """Refuse a module that has no values.

    Raises
    ------
    NetworkError
    """
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if torch.nn.parameter.is_lazy(tensor):
            raise NetworkError(f"module {name!r}: {key!r} has no shape yet; call the module once before")
        if tensor.is_meta:
            raise NetworkError(f"module {name!r}: {key!r} is on the meta device and has no values; load them first")


def run_captured(
    module: Any,
    call: Call,
    complaint: str,
    scales: Sequence[Scales] | None = None,
    bits: int = 16,
    known: Sequence[Product] = (),
) -> tuple[Any, Catcher]:
    """Run a module on one image; with `scales`, on quantised values. Return its output and what was caught.

    Parameters
    ----------
    module : torch.nn.Module
    call : Call
    complaint : str
        What is said if it cannot run, before the reason.
    scales, bits, known
        See `Catcher`.

    Raises
    ------
    NetworkError
        If it cannot run.
    """
    state = ModuleState(module)
    with (
        _untouched(state, complaint),
        _named(module) as path,
        Catcher(path, state, call.tensors, scales, bits, known) as catcher,
        catcher.escapes,
    ):
        output = module(*call.args, **call.kwargs)
    return output, catcher


@contextmanager
def _untouched(state: ModuleState, complaint: str) -> Iterator[None]:
    """Run in evaluation mode, without gradients and without what hides operations; put everything back afterwards."""
    fast, caches = torch.backends.mha.get_fastpath_enabled(), torch.is_autocast_cache_enabled()
    with ExitStack() as stack:
        stack.callback(state.restore)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)  # it does the projections of attention inside one operator
        stack.callback(torch.set_autocast_cache_enabled, caches)
        stack.callback(torch.clear_autocast_cache)  # weights that were cast outside, and those cast in here without gradients
        torch.clear_autocast_cache()
        torch.set_autocast_cache_enabled(False)
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        for context in (torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.no_grad()):
            stack.enter_context(context)
        try:
            state.evaluate()
            yield
        except Cnvlutin2Error:
            raise
        except Exception as error:  # whatever a module raises
            what = one_line(str(error).strip().partition("\n")[0]) or type(error).__name__
            raise NetworkError(f"{complaint}: {what}") from error


@contextmanager
def _named(root: Any) -> Iterator[list[str]]:
    """Keep the names of the modules that are running, outermost first."""
    path: list[str] = []
    hooks = []
    for name, module in root.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            continue  # takes no hooks, or calls none

        def enter(_module: Any, _inputs: Any, name: str = shown_name(name)) -> None:
            path.append(name)

        def leave(_module: Any, _inputs: Any, _output: Any) -> None:
            path.pop()

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)]
    try:
        yield path
    finally:
        for hook in hooks:
            hook.remove()
