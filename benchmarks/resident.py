"""Peak resident memory of ``cnvlutin2 run`` under all presets on large images, beside onnxruntime's own for a plain inference.

20 convolutions of 64 channels with random weights and ReLU, each measured in a fresh process. The aim is onnxruntime's peak, 3
times the largest layer's input in int16, and 250 MB.
"""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZES = ((768, 768), (1080, 1920))
LAYERS, CHANNELS = 20, 64
BESIDE_MB = 250

_PEAK = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"  # which Linux gives in KiB
_PLAIN = (
    "import sys, numpy, onnxruntime; s = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"
    "; s.run(None, {'x': numpy.load(sys.argv[2])})"
)
_RUN = (
    "import sys; from cnvlutin2.cli.main import main; model, image = sys.argv[1:]"
    "; sys.argv = ['cnvlutin2', 'run', model, '--input', image, '--arch', 'all', '--quiet']"
    "\ntry: main()\nexcept SystemExit as end: assert not end.code\nimport sys"
)


def main() -> None:
    print(__doc__)
    print(f"{'image':<14}{'onnxruntime':>14}{'cnvlutin2 run':>16}{'aim':>12}")
    for height, width in SIZES:
        with TemporaryDirectory() as folder:
            model, image = Path(folder) / "chain.onnx", Path(folder) / "image.npy"
            onnx.save(chain(height, width), model)
            np.save(image, np.random.default_rng(0).standard_normal((1, 3, height, width)).astype(np.float32))
            plain, whole = (_peak_mb(code, model, image) for code in (_PLAIN, _RUN))
        aim = plain + 3 * 2 * CHANNELS * height * width / 1e6 + BESIDE_MB
        print(f"{f'{height}x{width}':<14}{plain:>11.0f} MB{whole:>13.0f} MB{aim:>9.0f} MB", flush=True)


def chain(height: int, width: int) -> onnx.ModelProto:
    """Return the model."""
    random = np.random.default_rng(0)
    nodes, weights, tensor, channels = [], [], "x", 3
    for i in range(LAYERS):
        values = random.standard_normal((CHANNELS, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("Conv", [tensor, f"w{i}"], [f"c{i}"], f"conv{i}", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        tensor, channels = f"r{i}", CHANNELS
    shapes = {"x": 3, tensor: CHANNELS}
    given, answer = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, depth, height, width]) for name, depth in shapes.items()
    )
    graph = helper.make_graph(nodes, "chain", [given], [answer], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _peak_mb(code: str, model: Path, image: Path) -> float:
    """Return the peak of a process that runs some code."""
    command = [sys.executable, "-c", code + _PEAK, str(model), str(image)]
    return int(run(command, check=True, capture_output=True, text=True).stdout.split()[-1]) / 1e6


if __name__ == "__main__":
    main()
