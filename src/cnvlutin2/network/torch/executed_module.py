"""Networks from PyTorch modules: what a module's convolutions and matrix products see, caught below the modules.

A dispatch mode sees every operation that PyTorch runs, functional calls included, which module hooks miss. Nothing is seen
under ``torch.inference_mode`` inside the module; hooks serve for the layers' names only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError, ToolMissing
from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import compare_answers, top_classes
from cnvlutin2.network.calibration import Scales, executes_quantised
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.network import Network
from cnvlutin2.network.quantisation import Numeric
from cnvlutin2.numeric import fraction_bits, quantise

if TYPE_CHECKING:
    from cnvlutin2.network.torch.dispatch_mode import Catcher, Product


def from_torch(module: Any, example_inputs: Any, name: str | None = None) -> TorchNetwork:
    """Make a network of a PyTorch module and its inputs.

    Parameters
    ----------
    module : torch.nn.Module
        Run in evaluation mode, on the CPU, without gradients.
    example_inputs : torch.Tensor or tuple of torch.Tensor
        What the module is called with; the first one's first dimension is the images.
    name : str, optional
        The module's class by default.

    Returns
    -------
    TorchNetwork

    Raises
    ------
    ToolMissing
        If PyTorch is not installed.
    NetworkError
        If the module cannot run, runs nothing that is a layer here, or a value is not finite.
    """
    try:
        import torch  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ToolMissing("PyTorch is not installed; install cnvlutin2[torch]") from None
    inputs = tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    if not inputs or not isinstance(inputs[0], torch.Tensor) or inputs[0].ndim < 1 or inputs[0].shape[0] < 1:
        raise NetworkError("example_inputs must be a tensor, or a tuple of them, whose first dimension is the images")
    return TorchNetwork(module, inputs, name or type(module).__name__)


class TorchNetwork(Network):
    """A PyTorch module with its inputs; `from_torch` makes one.

    Thresholds beyond one LSB, or `Numeric.quantised`, run the module again on quantised, thresholded activations and
    weights, as with `OnnxNetwork`. The module is left as it was.
    """

    def __init__(self, module: Any, inputs: Sequence[Any], name: str) -> None:
        self.name = name
        self._module, self._inputs = module, inputs
        self._images = int(inputs[0].shape[0])
        output, catcher = self._execute(None, 16)
        self._products: list[Product] = catcher.products
        self._answers = _answers(output, self._images)
        self.left_out = tuple(catcher.left_out)
        if not self._products:
            reasons = "; ".join(f"{out.name}: {out.reason}" for out in self.left_out[:3])
            raise NetworkError(
                f"module {name!r} runs no convolution and no product with constant weights" + (f" ({reasons})" if reasons else "")
            )

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in execution order: their modules' (numbered, where one runs several)."""
        return [product.name for product in self._products]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Yield the layers in execution order, for all images at once; see `Network.run`."""
        if inputs is not None:
            raise NetworkError(f"network {self.name!r} was made with its inputs and takes no others")
        numeric.check_names(self.layer_names())
        scales = [_scales(product, numeric) for product in self._products]
        products, answers = self._products, None
        quantised = executes_quantised(numeric, scales)
        if quantised:
            output, catcher = self._execute(scales, numeric.data_bits)
            products = catcher.products
            if len(products) != len(self._products):
                raise NetworkError(f"module {self.name!r} runs other layers when it is quantised; take the branch out of it")
            answers = _answers(output, self._images)
        for product, scale, calibrated in zip(products, scales, self._products, strict=True):
            yield Layer(
                name=product.name,
                activations=quantise(product.activations, scale.frac, numeric.data_bits),
                weights=quantise(calibrated.weights, scale.weight_frac, numeric.data_bits),
                threshold=scale.threshold,
                weight_threshold=scale.weight_threshold,
                first=calibrated.first,
                kind=product.kind,
                activation_frac=scale.frac,
                weight_frac=scale.weight_frac,
                **product.geometry,
            )
        return Findings(compare_answers(self._answers, answers, None), quantised, left_out=self.left_out)

    def _execute(self, scales: Sequence[Scales] | None, bits: int) -> tuple[Any, Catcher]:
        """Run the module; with `scales`, on quantised values. Return its output and what was caught."""
        import torch  # type: ignore[import-not-found,unused-ignore]

        from cnvlutin2.network.torch.dispatch_mode import Catcher

        constants = [*self._module.parameters(), *self._module.buffers()]
        training = {module: module.training for module in self._module.modules()}
        self._module.eval()
        try:
            with torch.no_grad(), _named(self._module) as path, Catcher(path, self._images, constants, scales, bits) as catcher:
                output = self._module(*self._inputs)
        except (RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, NetworkError):
                raise
            raise NetworkError(f"module {self.name!r} cannot run: {str(error).splitlines()[0]}") from error
        finally:
            for module, mode in training.items():
                module.training = mode
        return output, catcher


@contextmanager
def _named(root: Any) -> Iterator[list[str]]:
    """Keep the names of the modules that are running, outermost first."""
    path: list[str] = []
    hooks = []
    for name, module in root.named_modules():

        def enter(_module: Any, _inputs: Any, name: str = name) -> None:
            path.append(name)

        def leave(_module: Any, _inputs: Any, _output: Any) -> None:
            path.pop()

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield path
    finally:
        for hook in hooks:
            hook.remove()


def _scales(product: Product, numeric: Numeric) -> Scales:
    fracs = []
    for what, values in (("input", product.activations), ("weights", product.weights)):
        largest = float(np.abs(values).max(initial=0))
        if not np.isfinite(largest):
            raise NetworkError(f"layer {product.name!r}: its {what} hold values that are infinite or not numbers")
        fracs.append(fraction_bits(largest, numeric.data_bits))
    return Scales.of(product.name, fracs[0], fracs[1], numeric)


def _answers(output: Any, images: int) -> NDArray[np.int64]:
    """Return the top-1 class of every image, if the (first) output is one score a class; see `top_classes`."""
    output = output[0] if isinstance(output, (tuple, list)) and output else output
    return top_classes(output.detach().double().cpu().numpy() if hasattr(output, "detach") else None, images)
