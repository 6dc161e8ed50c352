"""What a user waits for beside inference: all of ``cnvlutin2.simulate`` under the presets, with footprints, traffic and energy.

An image's share is the slope between one image and eight; it includes onnxruntime's own work, which hands over every layer's
input. What a call does once (reading and checking the model, plans, masks, sessions of onnxruntime) is told apart, for the
first call on a network and for the next. Everything is processor time with one thread, the best of several in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime

from benchmarks.networks import SHARED, photographs, shared_models
from benchmarks.random_models import depthwise_models, googlenet
from cnvlutin2 import simulate
from cnvlutin2.network import Inputs, Network, load_inputs, open_network
from cnvlutin2.organisation import preset_names

MANY, ROUNDS = 8, 7
PRESETS = [name for name in preset_names() if name != "cnv2-weights-drift"]
"""Those that wait for each other within a window or less; the other one is half of all."""


def main() -> None:
    print(__doc__)
    print(f"{'network':<22}{'inference':>12}{'an image':>12}{'ratio':>7}{'first call':>13}{'next call':>12}")
    with TemporaryDirectory() as folder:
        for name, path, recipe in _models(Path(folder)):
            photos = load_inputs(open_network(path), photographs(), preprocess=recipe).values
            inference, first, again, many = _seconds(path, photos)
            image = (many - again) / (MANY - 1)
            once = f"{1e3 * (first - image):>10.1f} ms{1e3 * (again - image):>9.1f} ms"
            print(f"{name:<22}{1e3 * inference:>9.2f} ms{1e3 * image:>9.2f} ms{image / inference:>7.2f}{once}", flush=True)


def _models(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for name, path in shared_models():
        yield name, path, SHARED[name]
    for path in (googlenet(folder / "googlenet.onnx"), *depthwise_models(folder)):
        yield path.stem, path, "imagenet-torch"


def _seconds(path: Path, photos: np.ndarray) -> list[float]:
    """Return what an inference takes, a first and a second call on one image, and a call on many."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images = [np.ascontiguousarray(photos[i % len(photos)][None]) for i in range(MANY)]
    one, many = (Inputs(np.concatenate(images[:n]), [str(i) for i in range(n)]) for n in (1, MANY))
    key = session.get_inputs()[0].name
    opened: list[Network] = []

    def infer() -> None:
        for image in images:
            session.run(None, {key: image})

    def first() -> None:
        opened[:] = [open_network(path)]
        simulate(opened[0], one, PRESETS, jobs=1)

    work: list[Callable[[], object]] = [
        infer,
        first,
        lambda: simulate(opened[0], one, PRESETS, jobs=1),
        lambda: simulate(opened[0], many, PRESETS, jobs=1),
    ]
    best = [float("inf")] * len(work)
    for _ in range(ROUNDS):
        for number, each in enumerate(work):
            begin = time.process_time()
            each()
            best[number] = min(best[number], time.process_time() - begin)
    return [best[0] / MANY, *best[1:]]


if __name__ == "__main__":
    main()
