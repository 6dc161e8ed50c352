"""Layers made from NumPy arrays: from values to cycles, and to traces that the command line reads."""

from pathlib import Path

import numpy as np

import cnvlutin2
from cnvlutin2.network.traces import save_traces
from cnvlutin2.numeric import fraction_bits, quantise

BITS = 16
rng = np.random.default_rng(0)


def integers(values):
    """Quantise real values by the rule of the model; any other way to int16 will do."""
    return quantise(values, fraction_bits(float(np.abs(values).max()), BITS), BITS)


def layer(name, channels, filters, size, **geometry):
    """Make a 3x3 convolution behind a ReLU, a third of its weights left: the values would be yours."""
    activations = np.maximum(rng.standard_normal((2, channels, size, size)), 0)  # [N, C, H, W]
    weights = rng.standard_normal((filters, channels, 3, 3))  # [Co, Cg, Kh, Kw]
    weights[np.abs(weights) < 1] = 0
    return cnvlutin2.Layer(name, integers(activations), integers(weights), pads=(1, 1, 1, 1), **geometry)


layers = [layer("conv1", 48, 64, 14, first=True), layer("conv2", 64, 128, 14, strides=(2, 2))]

results = cnvlutin2.simulate(layers, organisations="cnv,cnv2-weights", verify=True)
for result in results.networks[0].layers:
    print(f"{result.layer.name} {result.arch:13} {result.mode:5} {result.speedup:.2f}x")

save_traces(layers, Path("traces"))
