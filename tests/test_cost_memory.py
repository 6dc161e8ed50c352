"""Capacity and bandwidth: what fits, what streams, and how long the machine waits; by plain loops and worked out by hand."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_reference import Placement, decide_modes
from numpy.typing import NDArray

from cnvlutin2 import ArrayNetwork, Layer, Organisation, simulate
from cnvlutin2.cost import CostObserver, LayerCost, NetworkCost, TimedLayer, baseline_of, load_table, settle_modes
from cnvlutin2.cost.weight_storage import WeightStorage, store_weights
from cnvlutin2.machine import Machine
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import LayerModes, preset, with_overrides
from cnvlutin2.testing import integer_arrays, layers, organisations
from cnvlutin2.timing import SLOT_KINDS, make_engine
from cnvlutin2.timing.engine import LayerTimings, OrganisationTiming, Timing
from cnvlutin2.timing.observed import InputTensor, ObservedLayer, ObservedWeights

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


def observed_costs(
    chain: Sequence[Layer], machine: Organisation, modes: Sequence[str], cycles: NDArray[np.int64]
) -> tuple[list[LayerCost], NetworkCost]:
    """Return what layers cost that take so many cycles ``[layers, N]`` in these modes, whatever an engine says."""
    observer = CostObserver(load_table())
    for layer, mode, own in zip(chain, modes, cycles, strict=True):
        timing = Timing(own, np.zeros((layer.images, len(SLOT_KINDS)), np.int64))
        either = (timing, None) if mode == "skip" else (None, timing)
        nothing = np.zeros(layer.images, np.int64)
        found = OrganisationTiming(cast(Any, mode), 0, *either)
        observer(ObservedLayer(layer), [machine], LayerTimings(nothing, nothing, [found]))
    runs = [SimpleNamespace(name=la.name, mode=m, cycles=c) for la, m, c in zip(chain, modes, cycles, strict=True)]
    return observer.costs(machine, runs)


def stored_weights(layer: Layer, machine: Organisation) -> WeightStorage:
    return store_weights(ObservedWeights(layer), Schedule.of(layer.geometry, machine))


def events(costs: Sequence[LayerCost], name: str) -> list[int]:
    return [int(cost.events[name][0]) for cost in costs]


@st.composite
def networks(draw: st.DrawFn, data_bits: int) -> list[Layer]:
    """Draw one to four layers of one to three images, some of which read what an earlier one has read."""
    chain: list[Layer] = []
    images = draw(st.integers(1, 3))
    for number in range(draw(st.integers(1, 4))):
        again = bool(chain) and draw(st.booleans())
        layer = draw(st.sampled_from(chain) if again else layers(data_bits=data_bits, max_channels=20))
        maps = layer.activations if again else np.resize(layer.activations, (images, *layer.activations.shape[1:])).copy()
        tensor = layer.tensor if again else number
        threshold = draw(st.sampled_from((1, layer.threshold))) if again else layer.threshold
        chain.append(replace(layer, name=f"l{number}", activations=maps, threshold=threshold, first=number == 0, tensor=tensor))
    return chain


@st.composite
def machines(draw: st.DrawFn) -> Organisation:
    """Draw any organisation with memories that some layers fit and others do not."""
    return with_overrides(
        draw(organisations(data_bits=None)),
        {
            "nm_bytes": draw(st.sampled_from((1, 100, 700, 3000, 1 << 20))),
            "sb_bytes_per_tile": draw(st.sampled_from((1, 60, 400, 1 << 20))),
            "encoder_buffer_entries": draw(st.sampled_from((1, 20, 64))),
            "encoder_values_per_cycle": draw(st.sampled_from((0, 1, 2, 3, 7))),
            "weight_format": draw(st.sampled_from(("dense", "bit_vector", "packed"))),
            "dram": draw(st.sampled_from(("unlimited", "lpddr4", "ddr4-3200", "hbm2", 0.37, 3))),
            "clock_ghz": draw(st.sampled_from((1.0, 0.606))),
            "prefetch_weights": draw(st.booleans()),
            "batch": draw(st.integers(1, 3)),
        },
    )


class TestAgainstLoops:
    @settings(max_examples=200)
    @given(st.data(), machines())
    def test_what_neighbours_determine(self, data: st.DataObject, machine: Organisation) -> None:
        chain = data.draw(networks(machine.data_bits))
        images = chain[0].images
        modes = [data.draw(st.sampled_from(("skip", "skip", "dense"))) for _ in chain]
        cycles = np.array([[data.draw(st.integers(1, 400)) for _ in range(images)] for _ in chain], np.int64)
        found, network = observed_costs(chain, machine, modes, cycles)
        base = baseline_of(machine)
        dense_cycles = [Schedule.of(layer.geometry, base).dense_cycles for layer in chain]
        for image in range(images):
            expected = Placement(chain, machine, image, modes, cycles[:, image].tolist())
            for index, cost in enumerate(found):
                placed = {name: int(cost.events[name][image]) for name in PLACED}
                assert placed == {name: expected.events[index][name] for name in PLACED}
                assert int(cost.encoder_stall_cycles[image]) == expected.stalls[index]
                assert int(cost.dram_cycles[image]) == expected.dram[index]
                assert int(cost.total_cycles[image]) == expected.total[index]
            dense = Placement(chain, base, image, ["dense"] * len(chain), dense_cycles)
            assert int(network.baseline.total_cycles[image]) == sum(dense.total)
            assert int(network.machine.total_cycles[image]) == sum(expected.total)

    @settings(max_examples=60)
    @given(st.data(), organisations(data_bits=None))
    def test_of_a_simulation(self, data: st.DataObject, drawn: Organisation) -> None:
        machine = with_overrides(drawn, {"nm_bytes": 700, "sb_bytes_per_tile": 60, "dram": 3})
        chain = data.draw(networks(machine.data_bits))
        found = simulate(ArrayNetwork(chain), organisations=[machine], jobs=1).networks[0].layers
        modes = [layer.mode for layer in found]
        for image in range(chain[0].images):
            expected = Placement(chain, machine, image, modes, [int(layer.cycles[image]) for layer in found])
            for index, cost in enumerate(layer.cost for layer in found):
                assert cost is not None
                placed = {name: int(cost.events[name][image]) for name in PLACED}
                assert placed == {name: expected.events[index][name] for name in PLACED}
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
        twin = conv("c", values, 16)
        costs = costs_of((conv("a", ones(16), 64), conv("b", values, 16), twin), dense(nm_bytes=40 * 32))
        assert events(costs, "nm_bits_written") == [64 * 256, 0, 16 * 16 * 16]
        assert events(costs, "dram_activation_bits_read")[2] == 24 * 256


class TestWeights:
    @pytest.mark.parametrize("weight_format", ["dense", "packed"])
    def test_what_layers_share_is_not_written_to(self, weight_format: str) -> None:
        found = stored_weights(conv("a", ones(16), 16), dense(weight_format=weight_format))
        with pytest.raises(ValueError, match="read-only"):
            found.tile_bits[0] = 1

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
        found = stored_weights(layer, machine)
        assert Machine.of(machine).tile_weight_bits == room
        assert found.tile_bits.tolist() == [sum(v for key, v in by_pass.items() if key[2] == tile) for tile in range(2)]
        assert found.excess_bits == sum(max(0, bits - room) for bits in by_pass.values())

    def test_a_huge_machine_takes_no_huge_arrays(self) -> None:
        """Of 4096 x 4096 filters at a time, a group of a depthwise layer uses one."""
        weights = np.ones((500, 1, 3, 3), np.int16)
        layer = Layer("depthwise", np.ones((1, 500, 3, 3), np.int16), weights, groups=500)
        tracemalloc.start()
        found = stored_weights(layer, dense(tiles=4096, filters_per_tile=4096, sb_bytes_per_tile=1))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1 << 20
        assert (found.tile_bits[0], found.bits, found.excess_bits) == (500 * 144, 500 * 144, 500 * 136)


class TestBandwidth:
    layers = (conv("a", ones(16), 64), conv("b", ones(64), 32))

    def test_unlimited(self) -> None:
        costs = costs_of(self.layers, dense(sb_bytes_per_tile=1))
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


class TestSeats:
    """Three filters on two tiles of two, and four groups of one channel: what is stored where, by hand."""

    def test_spread_filters_share_the_tiles(self) -> None:
        layer = conv("a", ones(16), 3)
        blocked, spread = (dense(tiles=2, filters_per_tile=2, filter_map=kind) for kind in ("blocked", "spread"))
        assert stored_weights(layer, blocked).tile_bits.tolist() == [2 * 256, 256]
        assert stored_weights(layer, spread).tile_bits.tolist() == [2 * 256, 256]
        # Of two filters, blocks give both to the first tile.
        layer = conv("a", ones(16), 2)
        assert stored_weights(layer, blocked).tile_bits.tolist() == [2 * 256, 0]
        assert stored_weights(layer, spread).tile_bits.tolist() == [256, 256]

    def test_two_passes(self) -> None:
        layer, machine = conv("a", ones(16), 7), dense(tiles=2, filters_per_tile=3, filter_map="spread", sb_bytes_per_tile=64)
        # The first pass gives three filters to each tile, the second its one to the first; 512 bits fit of each pass.
        found = stored_weights(layer, machine)
        assert found.tile_bits.tolist() == [4 * 256, 3 * 256]
        assert found.excess_bits == 2 * (3 * 256 - 512)

    @pytest.mark.parametrize(
        ("form", "serial", "parallel"),
        [("dense", 4 * 16, 4 * 4 * 16), ("bit_vector", 4 * 17, 4 * 4 * 17), ("packed", 4 + 3 * 16, 4 * 4 + 3 * 16)],
    )
    def test_zeros_outside_of_the_blocks(self, form: str, serial: int, parallel: int) -> None:
        """Four groups of a channel and a filter, one of them 0; side by side each filter has four weights."""
        weights = np.array([1, 1, 0, 1], np.int16).reshape(4, 1, 1, 1)
        layer = Layer("depthwise", ones(4), weights, groups=4)
        for kind, bits in (("serial", serial), ("parallel", parallel)):
            assert stored_weights(layer, dense(weight_format=form, group_map=kind)).bits == bits

    def test_the_baseline_merges_the_same_way(self) -> None:
        machine = with_overrides(preset("cnv2-weights"), {"group_map": "parallel", "filter_map": "spread", "dram": "hbm2"})
        base = baseline_of(machine)
        assert (base.group_map, base.dram, base.layer_mode, base.filter_map) == ("parallel", "hbm2", "dense", "blocked")
        layer = Layer("depthwise", ones(16), np.ones((16, 1, 1, 1), np.int16), groups=16)
        cycles = np.array([[16]], np.int64)
        assert observed_costs([layer], machine, ["skip"], cycles)[1].baseline.total_cycles.tolist() == [16]
        apart = with_overrides(machine, {"group_map": "serial"})
        assert observed_costs([layer], apart, ["skip"], cycles)[1].baseline.total_cycles.tolist() == [16 * 16]


class TestEncoder:
    """1x1 windows over 16 channels take a cycle each on 16 lanes and give 16 values a tile: the encoder is the bottleneck."""

    @pytest.mark.parametrize("entries", [1, 64, 4096])
    @pytest.mark.parametrize(("rate", "stall"), [(1, 240), (2, 112), (3, 70), (15, 2), (16, 0), (17, 0), (0, 0)])
    def test_it_stalls(self, entries: int, rate: int, stall: int) -> None:
        """16 windows of a cycle, 16 values each; of a begun cycle all is waited for, and the buffer's size changes nothing."""
        layers = (conv("a", ones(16), 32), conv("b", ones(32), 32))
        machine = Organisation(format="zfnaf", detect="output", encoder_buffer_entries=entries, encoder_values_per_cycle=rate)
        first, second = costs_of(layers, machine)
        assert first.encoder_stall_cycles.tolist() == [stall]
        assert first.total_cycles.tolist() == [16 + stall]
        assert first.events["encoder_values"].tolist() == [32 * 16]
        assert second.encoder_stall_cycles.tolist() == [0]
        assert second.events["encoder_values"].tolist() == [0]

    @pytest.mark.parametrize("entries", [1, 64, 4096])
    def test_nothing_is_carried_from_layer_to_layer(self, entries: int) -> None:
        """Of eleven layers, ten take the 4096 cycles of their encoders, whatever their buffers hold; the last has none."""
        rng = np.random.default_rng(0)
        layers = [conv(f"l{i}", rng.integers(1, 9, (1, 16, 16, 16), np.int16), 16) for i in range(11)]
        costs = costs_of(layers, Organisation(format="zfnaf", detect="output", encoder_buffer_entries=entries))
        assert [int(cost.total_cycles[0]) for cost in costs] == [4096] * 10 + [256]

    def test_the_busiest_tile_counts_over_passes_and_groups(self) -> None:
        machine = Organisation(format="viai", detect="output", tiles=2, filters_per_tile=4)
        layers = (conv("a", ones(16), 19), conv("b", ones(19), 4))
        # Passes of 8, 8 and 3 filters: 4 + 4 + 3 values for each of 16 windows; each pass takes 16 cycles.
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [11 * 16 - 3 * 16]

    def test_the_busiest_tile_by_seat(self) -> None:
        machine = Organisation(format="viai", detect="output", tiles=2, filters_per_tile=4, filter_map="spread")
        layers = (conv("a", ones(16), 19), conv("b", ones(19), 4))
        cycles = np.array([[48], [48]], np.int64)
        # The 3 filters of the last pass sit in two tiles: 4 + 4 + 2 values of the first.
        found, _ = observed_costs(layers, machine, ["skip", "skip"], cycles)
        assert found[0].encoder_stall_cycles.tolist() == [10 * 16 - 48]

    def test_groups_side_by_side(self) -> None:
        first = Layer("a", ones(4), np.ones((4, 1, 1, 1), np.int16), groups=4)
        layers = (first, conv("b", ones(4) * 2, 4))
        cycles = np.array([[16], [16]], np.int64)
        for kind, filter_map, busiest in (("serial", "blocked", 4), ("parallel", "blocked", 4), ("parallel", "spread", 2)):
            machine = with_overrides(preset("cnv-viai"), {"tiles": 2, "group_map": kind, "filter_map": filter_map})
            found, _ = observed_costs(layers, machine, ["skip", "skip"], cycles)
            assert found[0].encoder_stall_cycles.tolist() == [busiest * 16 - 16]

    def test_pooled_values_are_encoded_after_pooling(self) -> None:
        machine = Organisation(format="zfnaf", detect="output")
        layers = (conv("a", ones(16), 32), conv("b", ones(32, 2, 2), 32))
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [4 * 16 - 16]

    def test_of_pooled_branches_each_encodes_its_own_values(self) -> None:
        machine = Organisation(format="zfnaf", detect="output")
        # 32 of the 96 channels that the next layer reads come from this one, at each of 2x2 places.
        layers = (conv("a", ones(16), 32), conv("b", ones(96, 2, 2), 32))
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [4 * 16 - 16]
        # A map that was flattened has all its values at one place.
        layers = (conv("a", ones(16), 32), conv("b", ones(4 * 32, 1, 1), 32))
        assert costs_of(layers, machine)[0].encoder_stall_cycles.tolist() == [4 * 16 - 16]

    @settings(max_examples=40)
    @given(st.data(), st.sampled_from((1, 2, 4, 16)), st.sampled_from((1, 3, 4)))
    def test_window_by_window_tiles_wait_no_less(self, data: st.DataObject, lanes: int, rate: int) -> None:
        """A window gives its values when it ends; the encoder has nothing to do before the first does."""
        maps = data.draw(integer_arrays((1, 16, 5, 6)))
        filters = 4
        machine = Organisation(
            format="zfnaf", detect="output", lanes=lanes, tiles=1, filters_per_tile=filters, encoder_values_per_cycle=rate
        )
        windows = [conv(f"a{y}{x}", maps[:, :, y : y + 1, x : x + 1], filters) for y in range(5) for x in range(6)]
        lengths = [int(found.organisations[0].of("skip").cycles[0]) for found in make_engine(1).time(windows, [machine])]
        held = 0
        for cycles in lengths:
            held = max(0, held - cycles * rate) + filters
        waited = -(-held // rate)
        found = costs_of((conv("a", maps, filters), conv("b", ones(filters, 5, 6), 1)), machine)[0]
        assert found.encoder_stall_cycles.tolist() <= [waited]
        if max(lengths) * rate <= filters:  # the encoder never runs dry
            assert waited == -(-(filters * 30 - rate * (sum(lengths) - lengths[0])) // rate)

    def test_raw_outputs_need_no_encoder(self) -> None:
        layers = (conv("a", ones(16), 32), conv("b", ones(32), 32))
        for machine in (
            Organisation(),
            dense(),
            Organisation(format="zfnaf", detect="output", layer_mode=LayerModes({"default": "skip", "b": "dense"})),
        ):
            for cost in costs_of(layers, machine):
                assert cost.encoder_stall_cycles.tolist() == cost.events["encoder_values"].tolist() == [0]


class TestSettlingModes:
    """`auto`: which mode a layer takes, its own wait for encoders included."""

    machine = Organisation(format="zfnaf", detect="output", layer_mode="auto", tiles=2)

    def timed(self, layer: Layer, dense: Sequence[int], skip: Sequence[int], mode: str = "auto") -> TimedLayer:
        cycles: Any = {"dense": np.array(dense, np.int64), "skip": np.array(skip, np.int64)}
        return TimedLayer(layer.geometry, ObservedLayer(layer).tensor, cast(Any, mode), cycles)

    # 32 filters on two tiles at 16 positions: an encoder passes 256 values.
    a, b, c = conv("a", ones(16), 32), conv("b", ones(32), 32), conv("c", ones(32) * 2, 4)

    def test_the_last_layer_waits_for_nothing(self) -> None:
        for dense_cycles, skip, mode in ((9, 10, "dense"), (10, 10, "dense"), (10, 9, "skip")):
            assert settle_modes([self.timed(self.a, [dense_cycles], [skip])], self.machine) == [mode]

    def test_where_both_wait_for_the_encoder_dense_is_as_fast(self) -> None:
        last = self.timed(self.b, [9], [8], "skip")
        assert settle_modes([self.timed(self.a, [256], [16]), last], self.machine) == ["dense", "skip"]
        assert settle_modes([self.timed(self.a, [257], [16]), last], self.machine) == ["skip", "skip"]
        assert settle_modes([self.timed(self.a, [257], [257]), last], self.machine) == ["dense", "skip"]

    def test_a_dense_reader_makes_nobody_wait(self) -> None:
        last = self.timed(self.b, [9], [8], "dense")
        assert settle_modes([self.timed(self.a, [256], [16]), last], self.machine) == ["skip", "dense"]

    def test_a_reader_that_is_not_settled_is_taken_to_skip(self) -> None:
        # b turns out dense, so that a would not have waited; but a was settled before.
        for b_skip, modes in ((8, ["dense", "skip"]), (9, ["dense", "dense"])):
            layers = [self.timed(self.a, [100], [16]), self.timed(self.b, [9], [b_skip])]
            assert settle_modes(layers, self.machine) == modes

    def test_images_are_summed(self) -> None:
        last = self.timed(self.b, [0, 0], [1, 1], "skip")
        # Waiting, they take 256 + 300 and 256 + 299; without, 16 + 300 and 60 + 299 would favour dense.
        first = TimedLayer(
            self.a.geometry, InputTensor("x", 1), "auto", {"dense": np.array([16, 300]), "skip": np.array([60, 299])}
        )
        assert settle_modes([first, last], self.machine) == ["skip", "skip"]
        never = with_overrides(self.machine, {"encoder_values_per_cycle": 0})
        assert settle_modes([first, last], never) == ["dense", "skip"]

    def test_modes_that_were_asked_for_stay(self) -> None:
        layers = [self.timed(self.a, [1], [9], "skip"), self.timed(self.b, [9], [1], "dense")]
        assert settle_modes(layers, self.machine) == ["skip", "dense"]

    @settings(max_examples=150)
    @given(st.data(), machines())
    def test_by_loops(self, data: st.DataObject, drawn: Organisation) -> None:
        chain = data.draw(networks(drawn.data_bits))
        asked = st.sampled_from(("auto", "auto", "skip", "dense"))
        machine = with_overrides(drawn, {"layer_mode": {layer.name: data.draw(asked) for layer in chain}})
        drawn_cycles = st.lists(st.integers(1, 60), min_size=chain[0].images, max_size=chain[0].images)
        cycles = {mode: [data.draw(drawn_cycles) for _ in chain] for mode in ("dense", "skip")}
        layers = []
        for index, layer in enumerate(chain):
            mode = machine.mode_for(layer.name, first=layer.first)
            layers.append(self.timed(layer, cycles["dense"][index], cycles["skip"][index], mode))
        assert settle_modes(layers, machine) == decide_modes(chain, machine, cycles)
