"""The functional check: it holds for any layer and organisation, and it can fail."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import reference
from hypothesis import given

from cnvlutin2.errors import VerificationError
from cnvlutin2.network import Layer
from cnvlutin2.organisation import Organisation, preset
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing import PreparedLayer, time_layer
from cnvlutin2.timing.verify import convolve, verify_layer


@given(layers(), organisations())
def test_products_add_up_to_the_convolution(kernels: ModuleType, layer: Layer, organisation: Organisation) -> None:
    prepared = PreparedLayer(layer, 2, kernels)
    timing = time_layer(prepared, [organisation])[0]
    for mode, found in (("skip", timing.skip), ("dense", timing.dense)):
        if found is not None:
            verify_layer(prepared, organisation, mode, found.slots)


@given(layers())
def test_convolution_equals_the_plain_loops(layer: Layer) -> None:
    assert np.array_equal(convolve(layer), reference.convolve(layer))


def test_a_lost_activation_is_noticed() -> None:
    layer = Layer("fc", np.full((1, 20, 1, 1), 3, np.int16), np.full((2, 20, 1, 1), 5, np.int16))
    prepared = PreparedLayer(layer, 1)
    timing = time_layer(prepared, [preset("cnv2-dispatch")])[0].skip
    assert timing is not None
    verify_layer(prepared, preset("cnv2-dispatch"), "skip", timing.slots)
    damaged = PreparedLayer(replace(layer), 1)
    damaged.bits[0, 7] = 0
    with pytest.raises(VerificationError, match="2 of 2 outputs differ"):
        verify_layer(damaged, preset("cnv2-dispatch"), "skip", timing.slots)
    wrong = timing.slots.copy()
    wrong[0, 5] += 1
    with pytest.raises(VerificationError, match="products were executed"):
        verify_layer(prepared, preset("cnv2-dispatch"), "skip", wrong)
