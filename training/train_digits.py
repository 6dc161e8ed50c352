"""Train, prune, export and measure the two bundled networks, `digits` and `digits-pruned`.

A small VGG-style network on scikit-learn's handwritten digits (1,797 images of 8x8, values 0..16). A stratified fifth of the
images is set aside before anything else happens: neither training nor pruning nor any choice of a setting sees it. It is
measured once, with onnxruntime, on the files that are shipped.

    python -m pip install torch==2.13.0 scikit-learn onnx onnxruntime
    python training/train_digits.py

writes `digits.onnx`, `digits-pruned.onnx`, `digits-test.npz` (the set-aside images and labels) and `digits.json` (accuracies,
seed, versions, sizes) to src/cnvlutin2/network/bundled/. Run twice with the same versions it writes the same files.

The recipe: cross-entropy with Adam and a one-cycle rate, images shifted, rotated, scaled and sheared at random;
batch normalisation, folded into the convolutions on export. Pruning is by magnitude per layer (Han et al., "Learning both
Weights and Connections for Efficient Neural Networks", NeurIPS 2015), in steps with fine-tuning after each.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import sklearn
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported
import onnxruntime

SEED = 1705
"""Of the split, the initial weights, the order of the images and their distortions."""
TEST_FRACTION = 0.2
TRAIN_EPOCHS, TUNE_EPOCHS, FINAL_TUNE_EPOCHS = 60, 15, 45
PRUNING_STEPS = (0.5, 0.7, 0.8, 0.87)
"""Fraction of zeros in every layer after each step; the first and last layer, a hundredth of the weights, stop at `GENTLE`."""
GENTLE = 0.5
DROPOUT = 0.3
SIDE = 16
"""The 8x8 digits are enlarged bilinearly, so that three rounds of pooling leave a map."""
CONVOLUTIONS = (("conv1_1", 1, 16), ("conv1_2", 16, 32), ("conv2_1", 32, 64), ("conv2_2", 64, 64), ("conv3_1", 64, 128))
POOL_AFTER = ("conv1_2", "conv2_2", "conv3_1")
FULLY_CONNECTED = (("fc4", 512, 128), ("fc5", 128, 10))
BUNDLED = Path(__file__).resolve().parents[1] / "src" / "cnvlutin2" / "network" / "bundled"

log = logging.getLogger("train_digits")


class Digits(nn.Module):
    """The network; `forward` takes float ``[N, 1, 8, 8]``, values 0..16, and gives the classes' scores ``[N, 10]``."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict({n: nn.Conv2d(c, k, 3, padding=1, bias=False) for n, c, k in CONVOLUTIONS})
        self.norms = nn.ModuleDict({n: nn.BatchNorm2d(k) for n, _, k in CONVOLUTIONS})
        self.connected = nn.ModuleDict({n: nn.Linear(c, k) for n, c, k in FULLY_CONNECTED})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Classify."""
        maps = nn.functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False) / 16
        for name, _, _ in CONVOLUTIONS:
            maps = torch.relu(self.norms[name](self.convolutions[name](maps)))
            if name in POOL_AFTER:
                maps = nn.functional.max_pool2d(maps, 2)
        hidden = torch.relu(self.connected["fc4"](nn.functional.dropout(maps.flatten(1), DROPOUT, self.training)))
        scores: torch.Tensor = self.connected["fc5"](nn.functional.dropout(hidden, DROPOUT, self.training))
        return scores

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the weight of every layer by name."""
        layers = {**dict(self.convolutions.items()), **dict(self.connected.items())}
        return {name: layer.weight for name, layer in layers.items()}


def distort(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return images shifted by up to a pixel, rotated by up to 12 degrees, scaled and sheared by up to a tenth."""

    def draw(reach: float) -> torch.Tensor:
        return (torch.rand(len(images), generator=random) * 2 - 1) * reach

    angle, scale, shear = draw(math.radians(12)), 1 + draw(0.1), draw(0.1)
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = torch.cos(angle) * scale, -torch.sin(angle) + shear
    theta[:, 1, 0], theta[:, 1, 1] = torch.sin(angle), torch.cos(angle) * scale
    theta[:, 0, 2], theta[:, 1, 2] = draw(0.25), draw(0.25)
    grid = nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def fit(
    model: Digits, images: torch.Tensor, labels: torch.Tensor, epochs: int, rate: float, masks: Mapping[str, torch.Tensor]
) -> None:
    """Train for `epochs`; weights where a mask is 0 stay 0."""
    random = torch.Generator().manual_seed(SEED + epochs + len(masks))
    batch = 64
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-3)
    steps = epochs * math.ceil(len(images) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images), generator=random).split(batch):
            scores = model(distort(images[chosen], random))
            loss = nn.functional.cross_entropy(scores, labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                for name, mask in masks.items():
                    model.weights()[name].mul_(mask)
            total += loss.item() * len(chosen)
        if (epoch + 1) % 5 == 0:
            log.info("epoch %d of %d: loss %.4f", epoch + 1, epochs, total / len(images))


def magnitude_masks(model: Digits, sparsity: float) -> dict[str, torch.Tensor]:
    """Return for each layer 1 at the weights to keep, 0 at its `sparsity` smallest."""
    masks = {}
    for name, weight in model.weights().items():
        part = min(sparsity, GENTLE) if name in {CONVOLUTIONS[0][0], FULLY_CONNECTED[-1][0]} else sparsity
        dropped = round(part * weight.numel())
        order = weight.detach().abs().flatten().argsort(stable=True)
        mask = torch.ones(weight.numel())
        mask[order[:dropped]] = 0
        masks[name] = mask.view_as(weight)
    return masks


def folded(model: Digits) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return weight and bias of every layer, batch normalisation and the division by 16 folded in."""
    tensors = {}
    for name, _, _ in CONVOLUTIONS:
        norm = model.norms[name]
        gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().double()
        weight = model.convolutions[name].weight.detach().double() * gain[:, None, None, None]
        bias = norm.bias.detach().double() - norm.running_mean.double() * gain
        tensors[name] = ((weight / 16 if name == CONVOLUTIONS[0][0] else weight).float().numpy(), bias.float().numpy())
    for name, _, _ in FULLY_CONNECTED:
        layer = model.connected[name]
        tensors[name] = (layer.weight.detach().numpy(), layer.bias.detach().numpy())
    return tensors


def to_onnx(name: str, tensors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> onnx.ModelProto:
    """Return the network as an ONNX model: input `image` ``[N, 1, 8, 8]`` float32 0..16, output `scores` ``[N, 10]``."""
    constants = {"enlarge": np.array([1, 1, SIDE // 8, SIDE // 8], np.float32)}
    nodes = [helper.make_node("Resize", ["image", "", "enlarge"], ["enlarged"], name="enlarge", mode="linear")]
    value = "enlarged"
    for layer, (weight, bias) in tensors.items():
        constants |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
        inputs = [value, f"{layer}.weight", f"{layer}.bias"]
        if layer.startswith("conv"):
            nodes.append(helper.make_node("Conv", inputs, [layer], name=layer, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        else:
            nodes.append(helper.make_node("Gemm", inputs, [layer if layer != "fc5" else "scores"], name=layer, transB=1))
        if layer != "fc5":
            value = f"relu_{layer}"
            nodes.append(helper.make_node("Relu", [layer], [value], name=value))
        if layer in POOL_AFTER:
            nodes.append(
                helper.make_node("MaxPool", [value], [f"pool_{layer}"], name=f"pool_{layer}", kernel_shape=[2, 2], strides=[2, 2])
            )
            value = f"pool_{layer}"
        if layer == CONVOLUTIONS[-1][0]:
            nodes.append(helper.make_node("Flatten", [value], ["flat"], name="flatten"))
            value = "flat"
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.ascontiguousarray(array), key) for key, array in constants.items()],
    )
    # Old enough for the lowest onnxruntime that the package declares.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="train_digits.py")
    onnx.checker.check_model(model, full_check=True)
    return model


def measure(model: bytes, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> int:
    """Return how many images onnxruntime classifies right."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": images[:, None].astype(np.float32)})
    return int((scores.argmax(1) == labels).sum())


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(data)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)


def export(
    name: str, model: Digits, images: NDArray[np.uint8], labels: NDArray[np.integer]
) -> dict[str, int | float | str | dict[str, float]]:
    """Write one network and return its record: what a test measures again."""
    tensors = folded(model.eval())
    data = to_onnx(name, tensors).SerializeToString()
    write(BUNDLED / f"{name}.onnx", data)
    correct = measure(data, images, labels)
    weights = sum(weight.size for weight, _ in tensors.values())
    zeros = sum(int((weight == 0).sum()) for weight, _ in tensors.values())
    log.info("%s: %d of %d right, %.1f%% of %d weights are 0", name, correct, len(images), 100 * zeros / weights, weights)
    return {
        "file": f"{name}.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "weights": weights,
        "zero_weights": zeros,
        "weight_density": {layer: round(float((weight != 0).mean()), 4) for layer, (weight, _) in tensors.items()},
        "test_correct": correct,
        "test_accuracy": round(correct / len(images), 4),
    }


def main() -> None:
    """Do all of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # sums in the same order on every machine
    digits = load_digits()
    images, test_images, labels, test_labels = train_test_split(
        digits.images.astype(np.uint8), digits.target, test_size=TEST_FRACTION, stratify=digits.target, random_state=SEED
    )
    np.savez_compressed(BUNDLED / "digits-test.npz", images=test_images, labels=test_labels.astype(np.uint8))
    train_images, train_labels = torch.from_numpy(images[:, None].astype(np.float32)), torch.from_numpy(labels)
    model = Digits()
    fit(model, train_images, train_labels, TRAIN_EPOCHS, 4e-3, {})
    networks = {"digits": export("digits", model, test_images, test_labels)}
    for step, sparsity in enumerate(PRUNING_STEPS):
        masks = magnitude_masks(model, sparsity)
        last = step == len(PRUNING_STEPS) - 1
        fit(model, train_images, train_labels, FINAL_TUNE_EPOCHS if last else TUNE_EPOCHS, 1.5e-3, masks)
    networks["digits-pruned"] = export("digits-pruned", model, test_images, test_labels)
    record = {
        "task": "handwritten digits of scikit-learn (UCI optdigits, CC BY 4.0), 10 classes",
        "test_set": {"file": "digits-test.npz", "images": len(test_images), "split": "stratified, never trained or pruned on"},
        "train_images": len(train_images),
        "seed": SEED,
        "script": "training/train_digits.py",
        "versions": {
            "python": platform.python_version(),
            **{m.__name__: str(m.__version__) for m in (np, torch, sklearn, onnx, onnxruntime)},
        },
        "networks": networks,
    }
    write(BUNDLED / "digits.json", (json.dumps(record, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
