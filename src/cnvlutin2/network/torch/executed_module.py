"""Networks from PyTorch modules: what a module's convolutions and matrix products see, caught below the modules.

A dispatch mode sees every operation that PyTorch runs, functional calls included, which module hooks miss; hooks serve for the
layers' names only. The module runs on one image at a time, so that all rows of whatever it multiplies are that image's.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import Cnvlutin2Warning, NetworkError, ToolMissing
from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import as_predictions, compare_answers, top_classes
from cnvlutin2.network.calibration import Scales, executes_quantised
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.network import Network
from cnvlutin2.network.quantisation import Numeric
from cnvlutin2.numeric import fraction_bits, quantise

if TYPE_CHECKING:
    from cnvlutin2.network.torch.example_inputs import ExampleInputs
    from cnvlutin2.network.torch.products import Product


def from_torch(module: Any, example_inputs: Any, name: str | None = None) -> TorchNetwork:
    """Make a network of a PyTorch module and its inputs.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        Run in evaluation mode, without gradients, on one image at a time. ScriptModules count.
    example_inputs : torch.Tensor, tuple or dict
        What the module is called with: a tensor, a tuple of arguments, or a dict of keyword arguments. The first tensor's first
        dimension is the images; tensors of as many rows are cut along with it, others go with every image.
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
        If the module cannot run on one image, runs nothing that is a layer here, runs other layers for one image than for
        another, or a value is not finite.

    Warns
    -----
    Cnvlutin2Warning
        If the module answers otherwise for two images than for each alone.
    """
    try:
        import torch  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ToolMissing("PyTorch is not installed; install cnvlutin2[torch]") from None
    from cnvlutin2.network.torch.example_inputs import ExampleInputs

    module = module.module() if isinstance(module, torch.export.ExportedProgram) else module
    if not isinstance(module, torch.nn.Module):
        raise NetworkError(f"from_torch takes a torch.nn.Module or a torch.export.ExportedProgram, not a {type(module).__name__}")
    named = getattr(module, "_orig_mod", module)  # torch.compile's
    default = getattr(named, "original_name", None) if isinstance(named, torch.jit.ScriptModule) else None
    return TorchNetwork(module, ExampleInputs(example_inputs), name or default or type(named).__name__)


class TorchNetwork(Network):
    """A PyTorch module with its inputs; `from_torch` makes one.

    Thresholds beyond one LSB, or `Numeric.quantised`, run the module again on quantised, thresholded activations and
    weights, as with `OnnxNetwork`. The module is left as it was, buffers included.
    """

    def __init__(self, module: Any, inputs: ExampleInputs, name: str) -> None:
        from cnvlutin2.network.torch.module_run import check_module

        self.name = name
        self._module, self._inputs = module, inputs
        check_module(module, name)
        self._products, self.left_out, outputs = self._execute(None, 16)
        self._answers = _answers(outputs)
        if not self._products:
            reasons = "; ".join(f"{out.name}: {out.reason}" for out in self.left_out[:3])
            raise NetworkError(
                f"module {name!r} runs no convolution and no product with constant weights" + (f" ({reasons})" if reasons else "")
            )
        self._warn_of_mixing(outputs)

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
            products, _, outputs = self._execute(scales, numeric.data_bits)
            if len(products) != len(self._products):
                raise NetworkError(f"module {self.name!r} runs other layers when it is quantised; take the branch out of it")
            answers = _answers(outputs)
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
                tensor=calibrated.tensor,
                **product.geometry,
            )
        accuracy, predictions = compare_answers(self._answers, answers, None), as_predictions(self._answers, answers, None)
        return Findings(accuracy, quantised, left_out=self.left_out, predictions=predictions)

    def _execute(self, scales: Sequence[Scales] | None, bits: int) -> tuple[list[Product], tuple[LeftOut, ...], list[Any]]:
        """Run the module image by image; return the layers, what is left out, and the outputs."""
        from cnvlutin2.network.torch.module_run import run_captured

        products: list[Product] = []
        left_out: list[LeftOut] = []
        outputs: list[Any] = []
        for image in range(self._inputs.images):
            complaint = f"module {self.name!r} cannot run on image {image} alone, as a batch of 1"
            output, catcher = run_captured(self._module, self._inputs.of(image), complaint, scales, bits, products)
            outputs.append(_first_tensor(output))
            if image == 0:
                products, left_out = catcher.products, catcher.left_out
                for product in products:
                    product.activations = _with_room(product.activations, self._inputs.images)
                continue
            if left_out != catcher.left_out or len(products) != len(catcher.products):
                self._refuse_difference(image)
            for product, found in zip(products, catcher.products, strict=True):
                if product.differs_from(found):
                    self._refuse_difference(image, f" ({found.name!r})")
                product.activations[image] = found.activations[0]
        return products, tuple(left_out), outputs

    def _refuse_difference(self, image: int, which: str = "") -> None:
        what = f"runs other layers, or other weights, for image {image} than for image 0{which}"
        raise NetworkError(f"module {self.name!r} {what}; make a network of each image")

    def _warn_of_mixing(self, alone: Sequence[Any]) -> None:
        """Warn if the first two images together give another answer: then an image's layers depend on what comes with it."""
        from cnvlutin2.network.torch.module_run import run_captured

        if len(alone) == 1:
            return
        try:
            together = _first_tensor(run_captured(self._module, self._inputs.of(0, 2), "", known=self._products)[0])
        except NetworkError:  # made for one image at a time
            return
        if together is None or len(together) != 2 or any(one is None or one.shape != together[:1].shape for one in alone[:2]):
            return
        expected = np.concatenate(alone[:2])
        reach = float(np.abs(np.nan_to_num(expected)).max(initial=0))
        if not np.allclose(together, expected, rtol=0, atol=reach / 20, equal_nan=True):
            warnings.warn(
                f"module {self.name!r} answers otherwise for two images than for each alone: it mixes them, or the first"
                " dimension of its input is not the images; it was run on one image at a time",
                Cnvlutin2Warning,
                stacklevel=4,
            )


def _with_room(activations: NDArray[np.floating], images: int) -> NDArray[np.floating]:
    room = np.empty((images, *activations.shape[1:]), activations.dtype)
    room[0] = activations[0]
    return room


def _scales(product: Product, numeric: Numeric) -> Scales:
    fracs = []
    for what, values in (("input", product.activations), ("weights", product.weights)):
        largest = float(np.abs(values).max(initial=0))
        if not np.isfinite(largest):
            raise NetworkError(f"layer {product.name!r}: its {what} hold values that are infinite or not numbers")
        fracs.append(fraction_bits(largest, numeric.data_bits))
    return Scales.of(product.name, fracs[0], fracs[1], numeric)


def _first_tensor(output: Any) -> NDArray[np.float64] | None:
    """Return the scores among a module's outputs: what is called ``logits``, else the first tensor."""
    import torch  # type: ignore[import-not-found,unused-ignore]
    from torch.utils._pytree import tree_leaves  # type: ignore[import-not-found,unused-ignore]

    found = getattr(output, "logits", None)
    if found is None:
        found = output["logits"] if isinstance(output, dict) and "logits" in output else output
    first = next((leaf for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor)), None)
    if first is None or first.layout != torch.strided or first.is_complex() or first.is_quantized or first.ndim == 0:
        return None
    values: NDArray[np.float64] = first.detach().double().cpu().numpy()
    return values


def _answers(outputs: Sequence[Any]) -> NDArray[np.int64]:
    """Return the top-1 class of every image, if the output is one score a class; see `top_classes`."""
    return np.concatenate([top_classes(output, 1) for output in outputs])
