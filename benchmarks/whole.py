"""What a user waits for beside inference: all of ``cnvlutin2.simulate`` under all presets, with footprints, traffic and energy.

An image's share is the slope between a few images and many; it includes onnxruntime's own work, which hands over every layer's
input. What a call does once (reading and checking the model, weights' masks, onnxruntime's sessions) is told apart.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.networks import SHARED, inference, photographs, shared_models
from benchmarks.timing import medians
from cnvlutin2 import simulate
from cnvlutin2.network import Inputs, load_inputs, open_network

FEW, MANY = 5, 25


def main() -> None:
    print(__doc__)
    print(f"{'network':<20}{'inference':>12}{'an image':>12}{'ratio':>8}{'once':>12}{'ratio':>8}")
    for name, path in shared_models():
        network = open_network(path)
        photos = load_inputs(network, photographs(), preprocess=SHARED[name]).values
        some = {n: Inputs(np.resize(photos, (n, *photos.shape[1:])), [str(i) for i in range(n)]) for n in (FEW, MANY)}
        work = {str(n): partial(simulate, network, inputs, "all") for n, inputs in some.items()}
        seconds = medians({"inference": inference(path, photos[:1]), **work}, seconds=20)
        image = (seconds[str(MANY)] - seconds[str(FEW)]) / (MANY - FEW)
        once = seconds[str(FEW)] - FEW * image
        figures = [f"{1e3 * part:>9.2f} ms{part / seconds['inference']:>8.1f}" for part in (image, once)]
        print(f"{name:<20}{1e3 * seconds['inference']:>9.2f} ms", *figures, sep="", flush=True)


if __name__ == "__main__":
    main()
