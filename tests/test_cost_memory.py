"""Capacity and bandwidth: what fits, what streams, and how long the machine waits; by plain loops and worked out by hand."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_reference import Placement
from numpy.typing import NDArray

from cnvlutin2 import ArrayNetwork, Layer, Organisation, simulate
from cnvlutin2.cost import LayerCost
from cnvlutin2.cost.memory import bits_per_cycle
from cnvlutin2.cost.weights import sb_capacity_bits, store_weights
from cnvlutin2.organisation import LayerModes, with_overrides
from cnvlutin2.testing import integer_arrays, layers, organisations
from cnvlutin2.timing import PreparedLayer, time_layer

PLACED = (
    *("nm_bits_written", "nm_bits_filled", "nm_bits_spilled", "encoder_values", "sb_bits_written"),
    *("dram_weight_bits_read", "dram_activation_bits_read", "dram_activation_bits_written"),
)
"""Events that take neighbouring layers to know."""


def dense(**options: Any) -> Organisation:
    return Organisation.parse({"name": "machine", "layer_mode": "dense", **options})


def conv(name: str, activations: NDArray[np.int16], filters: int, density: float = 1.0) -> Layer:
    weights = np.ones((filters, activations.shape[1], 1, 1), np.int16)
    weights.reshape(-1)[round(density * weights.size) :] = 0
    return Layer(name, activations, weights)


def ones(channels: int, height: int = 4, width: int = 4, images: int = 1) -> NDArray[np.int16]:
    return np.ones((images, channels, height, width), np.int16)


def costs_of(layers: Sequence[Layer], organisation: Organisation) -> list[LayerCost]:
    found = [layer.cost for layer in simulate(ArrayNetwork(layers), organisations=[organisation], jobs=1).networks[0].layers]
    return [cost for cost in found if cost is not None]


def events(costs: Sequence[LayerCost], name: str) -> list[int]:
    return [int(cost.events[name][0]) for cost in costs]


@st.composite
def networks(draw: st.DrawFn, data_bits: int) -> list[Layer]:
    """Draw two to four layers of one to three images, some of which read what an earlier one has read."""
    chain: list[Layer] = []
    images = draw(st.integers(1, 3))
    for number in range(draw(st.integers(2, 4))):
        again = bool(chain) and draw(st.booleans())
        layer = draw(st.sampled_from(chain) if again else layers(data_bits=data_bits, max_channels=20))
        maps = np.resize(layer.activations, (images, *layer.activations.shape[1:]))
        chain.append(replace(layer, name=f"l{number}", activations=maps.copy(), first=number == 0))
    return chain


class TestAgainstLoops:
    @settings(max_examples=150)
    @given(st.data(), organisations(data_bits=None))
    def test_what_neighbours_determine(self, data: st.DataObject, drawn: Organisation) -> None:
        chain = data.draw(networks(drawn.data_bits))
        memories = {
            "nm_bytes": st.sampled_from((1, 100, 700, 3000, 1 << 20)),
            "sb_bytes_per_tile": st.sampled_from((1, 60, 400, 1 << 20)),
            "encoder_buffer_entries": st.sampled_from((1, 20, 64)),
            "weight_format": st.sampled_from(("dense", "bit_vector", "packed")),
            "dram": st.sampled_from(("unlimited", "lpddr4", "ddr4-3200", "hbm2", 0.37, 3)),
            "clock_ghz": st.sampled_from((1.0, 0.606)),
            "prefetch_weights": st.booleans(),
            "batch": st.integers(1, 3),
        }
        machine = with_overrides(drawn, {key: data.draw(values) for key, values in memories.items()})
        found = simulate(ArrayNetwork(chain), organisations=[machine], jobs=1).networks[0].layers
        modes = [layer.mode for layer in found]
        for image in range(chain[0].images):
            expected = Placement(chain, machine, image, modes, [int(layer.cycles[image]) for layer in found])
            for index, cost in enumerate(layer.cost for layer in found):
                assert cost is not None
                placed = {name: int(cost.events[name][image]) for name in PLACED}
                assert placed == {name: expected.events[index][name] for name in PLACED}
                assert int(cost.encoder_stall_cycles[image]) == expected.stalls[index]
                assert int(cost.dram_cycles[image]) == expected.dram[index]
                assert int(cost.total_cycles[image]) == expected.total[index]


class TestActivations:
    """Three layers whose inputs take 16, 64 and 32 rows of 256 bits; 32 bytes a row."""

    layers = (conv("a", ones(16), 64), conv("b", ones(64), 32), conv("c", ones(32), 16))

    def test_all_fit(self) -> None:
        costs = costs_of(self.layers, dense(nm_bytes=96 * 32))
        assert events(costs, "dram_activation_bits_read") == [16 * 256, 0, 0]
        assert events(costs, "dram_activation_bits_written") == [0, 0, 16 * 16 * 16]
        assert events(costs, "nm_bits_written") == [64 * 256, 32 * 256, 16 * 16 * 16]
        assert events(costs, "nm_bits_filled") == [16 * 256, 0, 0]
        assert events(costs, "nm_bits_spilled") == [0, 0, 16 * 16 * 16]

    def test_the_output_takes_what_the_input_leaves(self) -> None:
        # 70 rows: with 16 taken, 10 of b's 64 rows do not fit; with 64 taken, 26 of c's 32.
        costs = costs_of(self.layers, dense(nm_bytes=70 * 32))
        assert events(costs, "dram_activation_bits_written") == [10 * 256, 26 * 256, 16 * 16 * 16]
        assert events(costs, "dram_activation_bits_read") == [16 * 256, 10 * 256, 26 * 256]
        assert events(costs, "nm_bits_written") == [64 * 256, 32 * 256, 16 * 16 * 16]

    def test_what_never_fits_streams_in_every_pass(self) -> None:
        # Filters 16 at a time: b runs 2 passes. Of its 64 rows, 24 do not fit even when it is alone.
        costs = costs_of(self.layers, dense(nm_bytes=40 * 32, tiles=1))
        assert events(costs, "dram_activation_bits_written")[:2] == [40 * 256, 32 * 256]
        assert events(costs, "dram_activation_bits_read") == [16 * 256, (40 + 24) * 256, 32 * 256]

    def test_the_image_of_a_batch_has_its_share(self) -> None:
        alone = costs_of(self.layers, dense(nm_bytes=70 * 32))
        among_two = costs_of(self.layers, dense(nm_bytes=140 * 32, batch=2))
        for one, other in zip(alone, among_two, strict=True):
            assert one.events["dram_activation_bits_read"] == other.events["dram_activation_bits_read"]

    def test_packed_records_stream_as_they_are(self) -> None:
        values = np.zeros((1, 16, 4, 4), np.int16)
        values[0, 0] = 1
        # 16 records of 32 bits and 16 pointers of 5 bits: 592 bits, 3 rows of 272.
        machine = Organisation(format="packed_viai", detect="output", nm_bytes=2 * 32)
        first, second = costs_of((conv("a", ones(16, 1, 1), 16), conv("b", values, 16)), machine)
        # a's input takes 272 + 1 bits, 2 rows: nothing is left for b's; when b runs, one of its rows does not fit.
        assert first.events["nm_bits_written"].tolist() == [592]
        assert first.events["dram_activation_bits_written"].tolist() == [592]
        assert second.events["dram_activation_bits_read"].tolist() == [592]

    def test_one_that_was_read_before_streams_again(self) -> None:
        values = ones(64)
        twin = conv("c", values.copy(), 16)
        costs = costs_of((conv("a", ones(16), 64), conv("b", values, 16), twin), dense(nm_bytes=40 * 32))
        assert events(costs, "nm_bits_written") == [64 * 256, 0, 16 * 16 * 16]
        assert events(costs, "dram_activation_bits_read")[2] == 24 * 256


class TestWeights:
    def test_a_network_that_fits_is_resident(self) -> None:
        layers = (conv("a", ones(16), 16), conv("b", ones(16) * 2, 16))
        small = 16 * 16 * 2  # bytes of each layer's weights, all in the first tile
        assert events(costs_of(layers, dense(sb_bytes_per_tile=2 * small)), "dram_weight_bits_read") == [0, 0]
        found = costs_of(layers, dense(sb_bytes_per_tile=2 * small - 1))
        assert events(found, "dram_weight_bits_read") == events(found, "sb_bits_written") == [8 * small, 8 * small]

    def test_a_batch_shares_the_load(self) -> None:
        layers = (conv("a", ones(16, images=4), 16),)
        loads = costs_of(layers, dense(sb_bytes_per_tile=511, batch=3))[0].events["dram_weight_bits_read"]
        # Of 512 bytes, one does not fit and comes with each of the 16 windows.
        assert loads.tolist() == [(4088 * (turn + 1)) // 3 - (4088 * turn) // 3 + 16 * 8 for turn in (0, 1, 2, 0)]
        assert loads[:3].sum() == 4088 + 3 * 16 * 8

    @given(
        st.integers(1, 3), st.integers(1, 9), st.sampled_from(("dense", "bit_vector", "packed")), st.integers(1, 60), st.data()
    )
    def test_sizes_by_loops(self, groups: int, filters: int, form: str, capacity: int, data: st.DataObject) -> None:
        weights = data.draw(integer_arrays((groups * filters, 5, 2, 1)))
        layer = Layer("l", np.ones((1, groups * 5, 2, 1), np.int16), weights, groups=groups, weight_threshold=2)
        machine = dense(tiles=2, filters_per_tile=3, weight_format=form, sb_bytes_per_tile=capacity)
        by_pass: dict[tuple[int, int, int], int] = {}
        for number, values in enumerate(weights.reshape(groups * filters, -1).tolist()):
            group, index = divmod(number, filters)
            bits = {
                "dense": 16 * len(values),
                "bit_vector": 17 * len(values),
                "packed": len(values) + 16 * sum(abs(v) >= 2 for v in values),
            }[form]
            key = (group, index // 6, index % 6 // 3)
            by_pass[key] = by_pass.get(key, 0) + bits
        room = 8 * capacity + (0 if form == "dense" else 8 * capacity // 16)
        found = store_weights(PreparedLayer(layer, jobs=1), machine)
        assert sb_capacity_bits(machine) == room
        assert found.tile_bits.tolist() == [sum(v for key, v in by_pass.items() if key[2] == tile) for tile in range(2)]
        assert found.excess_bits == sum(max(0, bits - room) for bits in by_pass.values())

    def test_a_huge_machine_takes_no_huge_arrays(self) -> None:
        """Of 4096 x 4096 filters at a time, a group of a depthwise layer uses one."""
        weights = np.ones((500, 1, 3, 3), np.int16)
        layer = Layer("depthwise", np.ones((1, 500, 3, 3), np.int16), weights, groups=500)
        tracemalloc.start()
        found = store_weights(PreparedLayer(layer, jobs=1), dense(tiles=4096, filters_per_tile=4096, sb_bytes_per_tile=1))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1 << 20
        assert (found.tile_bits[0], found.bits, found.excess_bits) == (500 * 144, 500 * 144, 500 * 136)


class TestBandwidth:
    layers = (conv("a", ones(16), 64), conv("b", ones(64), 32))

    @pytest.mark.parametrize(
        ("dram", "clock", "bits"), [("lpddr4", 1.0, 102.4), ("ddr4-3200", 1.0, 204.8), ("hbm2", 2.0, 1024), (25, 0.5, 400)]
    )
    def test_bits_per_cycle(self, dram: str | float, clock: float, bits: float) -> None:
        assert float(bits_per_cycle(dense(dram=dram, clock_ghz=clock)) or 0) == bits

    def test_unlimited(self) -> None:
        costs = costs_of(self.layers, dense(sb_bytes_per_tile=1))
        assert bits_per_cycle(dense()) is None
        assert [int(cost.dram_cycles[0]) for cost in costs] == [0, 0]
        assert [int(cost.total_cycles[0]) for cost in costs] == [16, 64]

    def test_the_longer_of_the_two(self) -> None:
        # 1 GB/s at 1 GHz is 8 bits a cycle.
        machine = dense(dram=1.0, nm_bytes=1 << 20)
        costs = costs_of(self.layers, machine)
        assert [int(cost.dram_cycles[0]) for cost in costs] == [16 * 256 // 8, 32 * 16 * 16 // 8]
        assert [int(cost.total_cycles[0]) for cost in costs] == [512, 1024]
        fast = costs_of(self.layers, dense(dram=100.0))
        assert [int(cost.total_cycles[0]) for cost in fast] == [16, 64]

    def test_a_begun_cycle_counts(self) -> None:
        costs = costs_of((conv("a", ones(16, 1, 1), 3),), dense(dram=10.0))
        assert int(costs[0].dram_cycles[0]) == -(-(256 + 3 * 16) // 80)

    @pytest.mark.parametrize(
        ("rate", "sb_bytes", "prefetched"),
        [
            (100.0, 25599, 102392),  # all but what does not fit beside the first layer's weights
            (100.0, 16000, 8 * 16000 - 102400),
            (10.0, 25599, 115 * 80),  # all that DRAM can move while the first layer still computes
        ],
    )
    def test_prefetch(self, rate: float, sb_bytes: int, prefetched: int) -> None:
        """Two layers of 102,400 bits of weights and 1,600 cycles; the first moves 16,384 bits in, the second as many out."""
        weights = np.ones((16, 16, 5, 5), np.int16)
        layers = [Layer(name, ones(16, 8, 8) * (i + 1), weights, pads=(2, 2, 2, 2)) for i, name in enumerate("ab")]
        machine = {"tiles": 1, "sb_bytes_per_tile": sb_bytes, "dram": rate}
        per_cycle = int(8 * rate)
        for prefetch in (False, True):
            first, second = costs_of(layers, dense(prefetch_weights=prefetch, **machine))
            assert first.dram_cycles.tolist() == [-(-(102400 + 16384) // per_cycle)]
            assert second.dram_cycles.tolist() == [-(-(102400 - prefetch * prefetched + 16384) // per_cycle)]
            assert first.total_cycles.tolist() == [1600]
            assert second.events["dram_weight_bits_read"].tolist() == [102400]


class TestEncoder:
    """1x1 windows over 16 channels take a cycle each on 16 lanes and give 16 values a tile: the encoder is the bottleneck."""

    @pytest.mark.parametrize("entries", [1, 64, 4096])
    def test_it_stalls(self, entries: int) -> None:
        layers = (conv("a", ones(16), 32), conv("b", ones(32), 32))
        machine = Organisation(format="zfnaf", detect="output", encoder_buffer_entries=entries)
        first, second = costs_of(layers, machine)
        assert first.encoder_stall_cycles.tolist() == [max(0, 16 * 16 - entries - 16)]
        assert first.total_cycles.tolist() == [16 + max(0, 16 * 16 - entries - 16)]
        assert first.events["encoder_values"].tolist() == [32 * 16]
        assert second.encoder_stall_cycles.tolist() == [0]
        assert second.events["encoder_values"].tolist() == [0]

    def test_the_busiest_tile_counts_over_passes_and_groups(self) -> None:
        machine = Organisation(format="viai", detect="output", tiles=2, filters_per_tile=4, encoder_buffer_entries=1)
        layers = (conv("a", ones(16), 19), conv("b", ones(19), 4))
        # Passes of 8, 8 and 3 filters: 4 + 4 + 3 values for each of 16 windows; each pass takes 16 cycles.
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [11 * 16 - 1 - 3 * 16]

    def test_pooled_values_are_encoded_after_pooling(self) -> None:
        machine = Organisation(format="zfnaf", detect="output", encoder_buffer_entries=1)
        layers = (conv("a", ones(16), 32), conv("b", ones(32, 2, 2), 32))
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [4 * 16 - 1 - 16]

    def test_of_pooled_branches_each_encodes_its_own_values(self) -> None:
        machine = Organisation(format="zfnaf", detect="output", encoder_buffer_entries=1)
        # 32 of the 96 channels that the next layer reads come from this one, at each of 2x2 places.
        layers = (conv("a", ones(16), 32), conv("b", ones(96, 2, 2), 32))
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [4 * 16 - 1 - 16]
        # A map that was flattened has all its values at one place.
        layers = (conv("a", ones(16), 32), conv("b", ones(4 * 32, 1, 1), 32))
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [4 * 16 - 1 - 16]

    @settings(max_examples=40)
    @given(st.data(), st.sampled_from((1, 2, 4, 16)), st.sampled_from((4, 8, 20)))
    def test_window_by_window_tiles_wait_no_less(self, data: st.DataObject, lanes: int, entries: int) -> None:
        """A window gives its values when it ends; with no room for all of them the tile waits until there is."""
        maps = data.draw(integer_arrays((1, 16, 5, 6)))
        filters = 4
        machine = Organisation(
            format="zfnaf", detect="output", lanes=lanes, tiles=1, filters_per_tile=filters, encoder_buffer_entries=entries
        )
        held = waited = 0
        lengths = [
            int(time_layer(conv("a", maps[:, :, y : y + 1, x : x + 1], filters), [machine])[0].skip.cycles[0])  # type: ignore[union-attr]
            for y in range(5)
            for x in range(6)
        ]
        for cycles in lengths:
            held = max(0, held - cycles)
            wait = max(0, held + filters - entries)
            held, waited = held - wait + filters, waited + wait
        found = costs_of((conv("a", maps, filters), conv("b", ones(filters, 5, 6), 1)), machine)[0]
        assert found.encoder_stall_cycles.tolist() <= [waited]
        if max(lengths) <= filters:  # the encoder never runs dry, but has nothing to do before the first window ends
            assert waited == max(0, filters * 30 - entries - sum(lengths) + lengths[0])

    def test_raw_outputs_need_no_encoder(self) -> None:
        layers = (conv("a", ones(16), 32), conv("b", ones(32), 32))
        for machine in (
            Organisation(),
            dense(),
            Organisation(format="zfnaf", detect="output", layer_mode=LayerModes({"default": "skip", "b": "dense"})),
        ):
            for cost in costs_of(layers, machine):
                assert cost.encoder_stall_cycles.tolist() == cost.events["encoder_values"].tolist() == [0]
