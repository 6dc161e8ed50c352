"""Machines and layers whose counts do not fit 64 bits are refused; the bound is one, and far from what is ordinary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnvlutin2 import ArrayNetwork, simulate
from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset_names, with_overrides
from cnvlutin2.organisation.presets import preset
from cnvlutin2.simulation import count_limits
from cnvlutin2.simulation.count_limits import most_slots
from cnvlutin2.testing import layers


def test_a_machine_of_2_to_the_36_slots_a_cycle_is_refused() -> None:
    layer = Layer("c", np.ones((1, 64, 56, 56), np.int16), np.ones((64, 64, 3, 3), np.int16), pads=(1, 1, 1, 1))
    machine = Organisation(name="big", tiles=4096, filters_per_tile=4096, lanes=4096, window_overhead=1000000)
    with pytest.raises(ConfigError, match=r"layer 'c' under 'big' could .* beyond 64 bits; use fewer tiles"):
        simulate(ArrayNetwork([layer], "n"), organisations=[machine])


def test_images_and_layers_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    each = [Layer(name, np.ones((3, 16, 2, 2), np.int16), np.ones((2, 16, 1, 1), np.int16)) for name in "ab"]
    machine = preset("cnv")
    whole = 6 * most_slots(each[0], machine)
    monkeypatch.setattr(count_limits, "MOST_SLOTS", whole)
    simulate(ArrayNetwork(each, "n"), organisations=machine)
    monkeypatch.setattr(count_limits, "MOST_SLOTS", whole - 1)
    with pytest.raises(ConfigError, match="layer 'b'"):
        simulate(ArrayNetwork(each, "n"), organisations=machine)


@given(layers(), st.sampled_from(preset_names()), st.sampled_from((0, 7)), st.sampled_from(("serial", "parallel")))
def test_no_count_is_beyond_the_bound(layer: Layer, name: str, overhead: int, group_map: str) -> None:
    machine = with_overrides(preset(name), {"run_overhead": overhead, "window_overhead": overhead, "group_map": group_map})
    (found,) = simulate(ArrayNetwork([layer], "n"), organisations=machine, cost=False).networks[0].layers
    assert int(found.slots.sum(axis=1).max()) <= most_slots(layer, machine)
