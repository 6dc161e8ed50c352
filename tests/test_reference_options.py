"""The slow references under bounded drift, other seats of filters, groups side by side and encoders' rates.

By hand, against the shared vectors, and by laws. The package is not asked: it is held against these references elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_reference import Chain, Placement, decide_modes
from reference import Options
from traffic_reference import Traffic

from cnvlutin2.layer import Layer
from cnvlutin2.testing import integer_arrays, layers

VECTORS = {
    ("vectors", "expected"): (10, 16),
    ("vectors", "expected_drift"): (10, 7),
    ("vectors", "expected_spread"): (10, 7),
    ("grouped", "expected_groups"): (7, 10),
}
"""Folder and file: so many traces, and organisations of each."""

CASES = [(*where, number) for where, (traces, _) in VECTORS.items() for number in range(traces)]


def load_trace(path: Path) -> Layer:
    with np.load(path, allow_pickle=False) as file:
        fields = {key: file[key] if file[key].ndim == 4 else file[key].tolist() for key in file.files}
    # t09 has 17 filters for 4 groups; the odd one belongs to no group, and nothing is expected of it.
    fields["weights"] = fields["weights"][: len(fields["weights"]) // fields["groups"] * fields["groups"]]
    return Layer(path.stem, **fields)


class TestSharedVectors:
    @pytest.mark.parametrize(("folder", "file", "number"), CASES)
    def test_cycles_and_slots(self, folder: str, file: str, number: int, shared: Path) -> None:
        trace = f"{folder[0].replace('v', 't')}{number:02}"
        expected = json.loads((shared / folder / f"{file}.json").read_text("utf-8"))[trace]
        slots = json.loads((shared / folder / "expected_slots.json").read_text("utf-8"))
        layer = load_trace(shared / folder / f"{trace}.npz")
        assert len(expected["organisations"]) == VECTORS[folder, file][1]
        for name, case in expected["organisations"].items():
            (result,) = reference.simulate(layer, case["config"])
            found = (result.cycles, result.dense_cycles, result.effectual_macs)
            assert found == (case["cycles"], expected["dense_cycles"], expected["effectual_macs"]), name
            if f"{trace}/{name}" in slots:
                assert case["config"] == slots[f"{trace}/{name}"]["config"]
                assert result.slots == slots[f"{trace}/{name}"]["slots"], name

    @pytest.mark.parametrize("folder", ["vectors", "grouped"])
    def test_no_slots_are_left_out(self, folder: str, shared: Path) -> None:
        slots = json.loads((shared / folder / "expected_slots.json").read_text("utf-8"))
        files = [file for where, file in VECTORS if where == folder]
        cases = [json.loads((shared / folder / f"{file}.json").read_text("utf-8")) for file in files]
        checked = {f"{trace}/{name}" for case in cases for trace in case for name in case[trace]["organisations"]}
        assert slots
        assert set(slots) <= checked


def conv(maps: Any, weights: Any, groups: int = 1, **more: Any) -> Layer:
    """A layer of 1x1 kernels on a map of one row: `maps` are ``[C][W]``, `weights` ``[Co][Cg]``."""
    a = np.array(maps, dtype=np.int16)[None, :, None, :]
    return Layer("conv", a, np.array(weights, dtype=np.int16)[:, :, None, None], groups=groups, **more)


def slots(**counts: int) -> dict[str, int]:
    return dict.fromkeys(reference.CLASSES, 0) | counts


# Two filters on one lane, bricks of 4: three runs. All activations are effectual, so a run costs a filter as many cycles as it
# has weights there, and 1 for the run where it has none: filter 0 takes 4, 1, 1 and filter 1 takes 1, 1, 4.
DRIFTING = [[1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1]]
ONE_LANE = {"tiles": 1, "filters_per_tile": 2, "lanes": 1, "brick": 4, "skip_weights": "per_filter"}


class TestBoundedDrift:
    @pytest.mark.parametrize(
        ("sync", "cycles", "waiting"),
        [
            # Each run waits for both: 4 + 1 + 4. Waiting: filter 1 for 3, filter 0 for 0 and 3, and in the second run filter 0
            # has nothing to multiply while filter 1 does.
            ("brick", 9, 3 + 1 + 3),
            # Run 2 may begin when both have ended run 0, at 4. Filter 0: 4, 5, 6. Filter 1: 1, 2, waits to 4, 8. Filter 0 waits
            # from 6 to 8.
            (1, 8, 2 + 2),
            # Run 2 has nothing to wait for: there is room for all three runs. 4 + 1 + 1 and 1 + 1 + 4.
            (2, 6, 0),
            (4096, 6, 0),
            ("window", 6, 0),
        ],
    )
    def test_three_runs_of_two_filters(self, sync: str | int, cycles: int, waiting: int) -> None:
        layer = conv([[1]] * 12, DRIFTING)
        (result,) = reference.simulate(layer, ONE_LANE | {"filter_sync": sync})
        assert result.cycles == cycles
        fetching = 0 if sync == "brick" else 1  # filter 0 in run 1: its own, where filters are free
        assert result.slots == slots(effectual=5 + 6, filter_sync=waiting, fetch=fetching)

    def test_overhead_is_part_of_a_run(self) -> None:
        # Costs 5, 2, 2 and 2, 2, 5; run 2 begins at 5 at the earliest. Filter 0: 5, 7, 9. Filter 1: 2, 4, waits to 5, 10.
        layer = conv([[1]] * 12, DRIFTING)
        (result,) = reference.simulate(layer, ONE_LANE | {"filter_sync": 1, "run_overhead": 1})
        assert result.cycles == 10
        assert result.slots == slots(effectual=11, fetch=1, overhead=6, filter_sync=1 + 1)

    def test_every_window_starts_afresh(self) -> None:
        # 8 and 8. Were the second window's runs to follow as runs 3, 4, 5, the lane would end at 14.
        layer = conv([[1, 1]] * 12, DRIFTING)
        (result,) = reference.simulate(layer, ONE_LANE | {"filter_sync": 1})
        assert result.cycles == 16

    @pytest.mark.parametrize("sync", ["window", 1, 2])
    def test_a_barrier_over_tiles_rules(self, sync: str | int) -> None:
        options = ONE_LANE | {"tiles": 2, "tile_sync": "brick"}
        layer = conv([[1]] * 12, [*DRIFTING, [0] * 12, [1] * 12])
        assert reference.simulate(layer, options | {"filter_sync": sync}) == reference.simulate(layer, options)

    def test_tiles_that_run_freely(self) -> None:
        # Two windows; the second has activations in its middle run only. Tile 0 has the two filters from above: 8 cycles, and
        # 1 + 1 + 1. Tile 1 has two with weights in the middle run only: 1 + 4 + 1, twice. Together 8 + 6, freely 12.
        maps = [[1, 4 <= c < 8] for c in range(12)]
        layer = conv(maps, [*DRIFTING, [0] * 4 + [1] * 4 + [0] * 4, [0] * 4 + [1] * 4 + [0] * 4])
        options = ONE_LANE | {"tiles": 2, "filter_sync": 1}
        assert reference.simulate(layer, options)[0].cycles == 14
        (free,) = reference.simulate(layer, options | {"tile_sync": "layer"})
        assert free.cycles == 12
        # Tile 0: 11 products, 1 to fetch and 4 of waiting, then 1 product and 5 to fetch, then a cycle of two filters until
        # tile 1 is done. Tile 1: 4 products and 2 to fetch, of two filters in two windows.
        assert free.slots == slots(effectual=11 + 1 + 16, fetch=1 + 5 + 8, filter_sync=4, lane_sync=2)

    @settings(max_examples=30)
    @given(layers(max_images=1), st.sampled_from(("window", "layer")), st.sampled_from(("sliced", "interleaved")))
    def test_counts_lie_between_brick_and_window(self, layer: Layer, tile_sync: str, lane_map: str) -> None:
        options = {"tiles": 2, "filters_per_tile": 4, "lanes": 2, "brick": 4, "skip_weights": "per_filter"}
        options |= {"tile_sync": tile_sync, "lane_map": lane_map}
        syncs = ("window", 4096, 5, 2, 1, "brick")
        totals = [reference.simulate(layer, options | {"filter_sync": sync})[0].cycles for sync in syncs]
        assert totals == sorted(totals)
        assert totals[0] == totals[1]  # no lane has so many runs in a window


class TestSeats:
    @pytest.mark.parametrize(
        ("filter_map", "tiles", "seats"),
        [
            ("blocked", 2, [[[0, 1, 2], [3, 4, 5]], [[6, 7]]]),
            ("spread", 2, [[[0, 2, 4], [1, 3, 5]], [[6], [7]]]),
            ("blocked", 5, [[[0, 1, 2], [3, 4, 5], [6, 7]]]),
            ("spread", 5, [[[0, 5], [1, 6], [2, 7], [3], [4]]]),
        ],
    )
    def test_by_hand(self, filter_map: str, tiles: int, seats: list[list[list[int]]]) -> None:
        layer = conv([[1]] * 2, [[1]] * 16, groups=2)
        machine = reference.Machine(layer, Options(tiles=tiles, filters_per_tile=3, filter_map=filter_map))
        second = [[[8 + f for f in tile] for tile in in_pass] for in_pass in seats]
        assert list(machine.passes()) == [(0, in_pass) for in_pass in seats] + [(1, in_pass) for in_pass in second]

    def test_shared_offsets(self) -> None:
        # Two tiles of two filters, of which there are three; one run. Blocked, tile 0 takes values 0, 1, 2 for its filters and
        # tile 1 value 0. Spread, tile 0 has filters 0 and 2, which want value 0, and tile 1 filter 1, which wants 1 and 2.
        layer = conv([[1]] * 4, [[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]])
        options = {"tiles": 2, "filters_per_tile": 2, "lanes": 1, "brick": 4, "skip_weights": "shared"}
        (blocked,) = reference.simulate(layer, options)
        assert (blocked.cycles, blocked.slots) == (
            3,
            slots(unused_filters=3, effectual=1 + 2 + 1, ineffectual_weight=2 + 1, lane_sync=2),
        )
        (spread,) = reference.simulate(layer, options | {"filter_map": "spread"})
        assert (spread.cycles, spread.slots) == (2, slots(unused_filters=2, effectual=2 + 2, lane_sync=2))

    @settings(max_examples=40)
    @given(st.data(), st.sampled_from(("shared", "per_filter")), st.sampled_from(("brick", "window", "layer")))
    def test_full_passes_are_blocked_ones_of_reordered_filters(self, data: st.DataObject, skip: str, sync: str) -> None:
        tiles, per_tile = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
        at_a_time = tiles * per_tile
        weights = data.draw(integer_arrays((2 * at_a_time, 6, 1, 2)))
        layer = Layer("spread", data.draw(integer_arrays((1, 6, 2, 3))), weights)
        order = [p * at_a_time + slot * tiles + tile for p in (0, 1) for tile in range(tiles) for slot in range(per_tile)]
        reordered = Layer("blocked", layer.activations, weights[order])
        options: dict[str, object] = {"tiles": tiles, "filters_per_tile": per_tile, "lanes": 2, "brick": 4}
        options |= {"skip_weights": skip, "tile_sync": sync, "filter_sync": 1, "weight_format": "packed"}
        spread = options | {"filter_map": "spread"}
        assert reference.simulate(layer, spread) == reference.simulate(reordered, options)
        assert Traffic(layer, spread, 0, "skip").events == Traffic(reordered, options, 0, "skip").events
        of_tiles = [
            Placement([one], o, 0, ["skip"], [1]).of_pass_and_tile(0) for one, o in ((layer, spread), (reordered, options))
        ]
        assert of_tiles[0] == of_tiles[1]


class TestGroupsSideBySide:
    layer = conv([[1], [2], [0], [4]], [[1, 1], [1, 0]], groups=2)
    options: ClassVar = {"tiles": 1, "filters_per_tile": 4, "lanes": 4, "brick": 2, "group_map": "parallel"}

    # One cycle of four lanes and four filters in place of two; filters 2 and 3 do not exist. Filter 0 has weights 1, 1 for values
    # 1, 2 and nothing, as it is of the first group, for 0, 4; filter 1 nothing for 1, 2, and 1, 0 for 0, 4.
    @pytest.mark.parametrize(
        ("more", "counts"),
        [
            # All 8 products: those of value 0, then outside of the blocks and the weight that is 0.
            ({"layer_mode": "dense"}, {"ineffectual_activation": 2, "ineffectual_weight": 4, "effectual": 2}),
            # Lanes 0, 1 and 3 multiply, outside of the blocks too; lane 2 has nothing.
            ({}, {"ineffectual_weight": 4, "effectual": 2, "fetch": 2}),
            # No filter wants value 4.
            ({"skip_weights": "shared"}, {"ineffectual_weight": 2, "effectual": 2, "fetch": 4}),
            # Filter 1 waits for filter 0 on lanes 0 and 1.
            ({"skip_weights": "per_filter"}, {"effectual": 2, "filter_sync": 2, "fetch": 4}),
        ],
    )
    def test_two_groups(self, more: dict[str, object], counts: dict[str, int]) -> None:
        (serial,) = reference.simulate(self.layer, self.options | more | {"group_map": "serial"})
        assert (serial.cycles, serial.dense_cycles, serial.effectual_macs) == (2, 2, 2)
        (parallel,) = reference.simulate(self.layer, self.options | more)
        assert (parallel.cycles, parallel.dense_cycles, parallel.effectual_macs) == (1, 1, 2)
        assert parallel.slots == slots(unused_filters=8, **counts)

    # Six groups of a channel and a filter, one window. Together 1, 2, 3 or 6, on four lanes 6, 3, 2 or 2 dense cycles; on two
    # lanes 6, 3, 4 or 3.
    @pytest.mark.parametrize(
        ("lanes", "brick", "filters", "groups"),
        [
            (4, 4, 6, 1),  # a tie of 3 and 6: the largest
            (4, 4, 5, 2),  # a pass holds no 6 filters
            (2, 4, 6, 1),  # a tie of 2 and 6
            (2, 2, 6, 3),  # lanes hold no 6 channels; 2 at a time are quicker than 3
            (4, 4, 1, 6),
        ],
    )
    def test_how_many(self, lanes: int, brick: int, filters: int, groups: int) -> None:
        layer = conv([[1]] * 6, [[1]] * 6, groups=6)
        options = Options(tiles=filters, filters_per_tile=1, lanes=lanes, brick=brick, group_map="parallel")
        assert reference.side_by_side(layer, options).groups == groups

    def test_rows_are_packed_by_the_merged_channels(self) -> None:
        # Depthwise, a kernel of a row of 2: packed, a group's step has 2 values. Four together are bricks at each position.
        layer = Layer("rows", np.ones((1, 4, 1, 2), np.int16), np.ones((4, 1, 1, 2), np.int16), groups=4)
        serial = reference.Machine(layer, Options(lanes=4, brick=2))
        assert (serial.row_packed, [len(step) for step in serial.steps], serial.dense_cycles()) == (True, [2], 4)
        parallel = reference.Machine(layer, Options(lanes=4, brick=2, group_map="parallel"))
        assert (parallel.row_packed, [len(step) for step in parallel.steps], parallel.dense_cycles()) == (False, [4, 4], 2)

    @settings(max_examples=30)
    @given(st.data(), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3))
    def test_the_merged_layer_computes_the_same(self, data: st.DataObject, groups: int, channels: int, filters: int) -> None:
        maps = data.draw(integer_arrays((1, groups * channels, 3, 3)))
        weights = data.draw(integer_arrays((groups * filters, channels, 2, 2)))
        layer = Layer("grouped", maps, weights, groups=groups)
        options = Options(tiles=2, filters_per_tile=3, lanes=3, brick=2, skip_weights="per_filter", group_map="parallel")
        merged = reference.side_by_side(layer, options)
        assert (reference.convolve(merged) == reference.convolve(layer)).all()
        (result,) = reference.simulate(layer, options)
        assert result.slots["effectual"] == result.effectual_macs == reference.effectual_macs(merged)[0]
        serial = reference.Machine(layer, Options(tiles=2, filters_per_tile=3, lanes=3, brick=2))
        assert result.dense_cycles <= serial.dense_cycles()


class TestTraffic:
    # Four groups of a channel and a filter side by side; values 5, 6, 0, 8 in a brick of 4, of which 5, 6, 8 are sent, each with
    # 2 bits of offset. The weights are 1, 1, 1, 0 on the diagonal, so 5 and 6 meet one.
    layer = conv([[5], [6], [0], [8]], [[1], [1], [1], [0]], groups=4)
    options: ClassVar = {
        "tiles": 2,
        "filters_per_tile": 3,
        "lanes": 4,
        "brick": 4,
        "skip_weights": "shared",
        "group_map": "parallel",
    }

    # Blocked, both meet it in tile 0, whose three filters all multiply them; spread, 5 meets it in tile 0 (filters 0, 2) and
    # 6 in tile 1 (filters 1, 3).
    @pytest.mark.parametrize(("filter_map", "products"), [("blocked", 2 * 3), ("spread", 2 * 2)])
    def test_merged_groups(self, filter_map: str, products: int) -> None:
        found = Traffic(self.layer, self.options | {"filter_map": filter_map}, 0, "skip").events
        assert found == {
            "nm_rows_read": 1,
            "nm_bits_read": 64,
            "pointer_lookups": 0,
            "brick_buffer_bits_written": 64,
            "brick_buffer_bits_read": 3 * 18,
            "detector_values": 4,
            "offsets_generated": 3 + 2,  # for what is sent, and in the tiles for what meets a weight
            "broadcast_bits": 2 * 3 * 18,
            "nbin_bits_written": 2 * 3 * 18,
            "nbin_bits_read": 2 * 18,
            "sb_vector_bits_read": 2 * 4,  # a bit a value and tile, outside of the blocks too
            "sb_weight_bits_read": products * 16,
            "multiplications": products,
            "additions": products,
            "activations_selected": 0,
            "nbout_bits_written": 4 * 16,
            "nbout_bits_read": 4 * 16,
        }

    def test_merged_groups_are_blocked_together(self) -> None:
        serial = Traffic(self.layer, self.options | {"group_map": "serial", "packing": "brick"}, 0, "skip")
        assert serial.footprint_bits() == 4 * 64  # each group fills a brick of its own
        assert Traffic(self.layer, self.options, 0, "skip").footprint_bits() == 64

    # Two filters use one tile, or two: values are sent to each, and with tiles that run apart each fetches the brick.
    @pytest.mark.parametrize(("filter_map", "used"), [("blocked", 1), ("spread", 2)])
    def test_tiles_in_use(self, filter_map: str, used: int) -> None:
        options = self.options | {"filter_map": filter_map, "tile_sync": "layer"}
        found = Traffic(conv([[5], [6], [0], [8]], [[1] * 4] * 2), options, 0, "skip").events
        assert (found["nm_rows_read"], found["broadcast_bits"]) == (used, used * 3 * 18)
        assert found["nbin_bits_read"] == used * 3 * 18
        assert found["multiplications"] == 2 * 3


class TestWeightsInTiles:
    @pytest.mark.parametrize(
        ("weight_format", "filter_bits"), [("dense", [64] * 4), ("bit_vector", [68] * 4), ("packed", [20, 20, 20, 4])]
    )
    def test_blocks_are_stored_with_their_zeros(self, weight_format: str, filter_bits: list[int]) -> None:
        # A filter has 4 weights when four groups are side by side, one of which, or none in the last, is effectual.
        options = TestTraffic.options | {"weight_format": weight_format}
        a, b, c, d = filter_bits
        placed = Placement([TestTraffic.layer], options, 0, ["skip"], [1])
        assert placed.of_pass_and_tile(0) == [[a + b + c, d]]
        spread = Placement([TestTraffic.layer], options | {"filter_map": "spread"}, 0, ["skip"], [1])
        assert spread.of_pass_and_tile(0) == [[a + c, b + d]]

    # Two filters of 8 weights on two tiles that hold 8 each, three windows: in one tile, one of them comes once and the
    # other for every window; in two tiles, both stay.
    @pytest.mark.parametrize(("filter_map", "loaded"), [("blocked", 128 + 3 * 128), ("spread", 0)])
    def test_what_fits(self, filter_map: str, loaded: int) -> None:
        layer = conv([[1, 1, 1]] * 8, [[1] * 8] * 2)
        options = {"tiles": 2, "filters_per_tile": 2, "sb_bytes_per_tile": 16, "filter_map": filter_map}
        (events,) = Placement([layer], options, 0, ["skip"], [1]).events
        assert (events["dram_weight_bits_read"], events["sb_bits_written"]) == (loaded, loaded)

    def test_the_fullest_tile_decides(self) -> None:
        # Packed, the filter in tile 0 takes 8 bits, that in tile 1 8 and 8 * 16; a tile holds 120 and, beside them, 7. What
        # exceeds it, 9 bits, comes for each of three windows.
        layer = conv([[1, 1, 1]] * 8, [[0] * 8, [1] * 8])
        options = {"tiles": 2, "filters_per_tile": 1, "sb_bytes_per_tile": 15, "weight_format": "packed"}
        (events,) = Placement([layer], options, 0, ["skip"], [1]).events
        assert events["dram_weight_bits_read"] == 8 + 127 + 3 * 9


def square(number: int, size: int, channels: int, filters: int, **more: Any) -> Layer:
    """A 1x1 layer; its number makes its input unlike the others'."""
    maps = np.full((1, channels, size, size), number + 1, np.int16)
    weights = np.ones((filters, channels // more.get("groups", 1), 1, 1), np.int16)
    return Layer(f"l{number}", maps, weights, **more)


class TestWaitingForEncoders:
    # Eleven 1x1 layers of 16 channels at 16x16. Each computes for 256 cycles, a window a cycle, and gives 16 values a window,
    # all in one tile, whose encoder takes 4096 cycles for them; the last writes its results raw.
    @pytest.mark.parametrize("entries", [1, 64, 4096, 1 << 20])
    @pytest.mark.parametrize(
        ("more", "total"),
        [
            ({}, 10 * 4096 + 256),
            ({"encoder_values_per_cycle": 2}, 10 * 2048 + 256),
            ({"encoder_values_per_cycle": 3}, 10 * 1366 + 256),  # 4096 / 3, and the rest
            ({"encoder_values_per_cycle": 16}, 11 * 256),
            ({"encoder_values_per_cycle": 0}, 11 * 256),
            ({"filter_map": "spread"}, 11 * 256),  # a filter a tile
            ({"format": "dense", "detect": "dispatch"}, 11 * 256),
        ],
    )
    def test_a_chain(self, entries: int, more: dict[str, object], total: int) -> None:
        chain = [square(number, 16, 16, 16) for number in range(11)]
        options: dict[str, object] = {"format": "zfnaf", "detect": "output", "encoder_buffer_entries": entries, **more}
        cycles = [reference.simulate(chain[0], options)[0].cycles] * len(chain)
        placed = Placement(chain, options, 0, ["skip"] * len(chain), cycles)
        assert cycles[0] == 256
        assert sum(placed.total) == total
        assert placed.total[-1] == 256

    # 16 windows, two tiles of 4 filters. 11 filters are 8 and 3: blocked, tile 0 has 4 and 3; spread, 4 and 2. Two groups of 3
    # filters are twice 3 in tile 0, or, spread, twice 2; side by side 4 and 2, or, spread, 3 and 3.
    @pytest.mark.parametrize(
        ("filters", "groups", "more", "busiest"),
        [
            (11, 1, {}, 4 + 3),
            (11, 1, {"filter_map": "spread"}, 4 + 2),
            (6, 2, {}, 3 + 3),
            (6, 2, {"filter_map": "spread"}, 2 + 2),
            (6, 2, {"group_map": "parallel"}, 4),
            (6, 2, {"group_map": "parallel", "filter_map": "spread"}, 3),
        ],
    )
    def test_the_busiest_tile(self, filters: int, groups: int, more: dict[str, object], busiest: int) -> None:
        chain = [square(0, 4, 8, filters, groups=groups), square(1, 4, filters, 1)]
        options = Options.of({"tiles": 2, "filters_per_tile": 4, "format": "viai", **more})
        assert Chain(chain, options, ["skip", "skip"]).encoder_wait(0, 10) == 16 * busiest - 10
        assert Chain(chain, options, ["skip", "skip"]).encoder_wait(0, 16 * busiest) == 0
        assert Chain(chain, options, ["skip", "dense"]).encoder_wait(0, 10) == 0
        assert Chain(chain, options, ["skip", "skip"]).encoder_wait(1, 10) == 0

    def test_only_positions_that_are_stored_are_encoded(self) -> None:
        # A pooled map has 4 positions of 16, a flattened one 16 values for each of 8 filters at a single position.
        options = Options(format="viai")
        assert Chain([square(0, 4, 8, 8), square(1, 2, 8, 1)], options, ["skip"] * 2).encoder_wait(0, 0) == 4 * 8
        assert Chain([square(0, 4, 8, 8), square(1, 1, 128, 1)], options, ["skip"] * 2).encoder_wait(0, 0) == 16 * 8


class TestAutomaticModes:
    """Two layers; the first gives 16 x 16 = 256 values in its busiest tile, and waits if they are encoded."""

    chain = (square(0, 4, 16, 32), square(1, 4, 32, 16))

    def decide(self, first: tuple[list[int], list[int]], second: tuple[list[int], list[int]], **options: object) -> list[str]:
        cycles = {"dense": [first[0], second[0]], "skip": [first[1], second[1]]}
        return decide_modes(self.chain, {"format": "zfnaf", "layer_mode": "auto"} | options, cycles)

    @pytest.mark.parametrize(
        ("dense", "skip", "mode"),
        [
            ([300], [200], "skip"),  # 300 against 256
            ([257], [256], "skip"),
            ([250], [100], "dense"),  # 256 with either: a tie
            ([200], [300], "dense"),
            ([300, 200], [310, 180], "dense"),  # 300 + 256 against 310 + 256, though 500 against 490 without the waits
        ],
    )
    def test_by_cycles_and_the_layers_own_wait(self, dense: list[int], skip: list[int], mode: str) -> None:
        # The second layer has no reader and does not wait.
        one, two = [1] * len(dense), [2] * len(dense)
        assert self.decide((dense, skip), (two, one)) == [mode, "skip"]

    def test_without_a_wait(self) -> None:
        free = {"encoder_values_per_cycle": 0}
        assert self.decide(([250], [100]), ([2], [1]), **free) == ["skip", "skip"]
        stays_raw = {"layer_mode": {"default": "auto", "l1": "dense"}}
        assert self.decide(([250], [100]), ([2], [1]), **stays_raw) == ["skip", "dense"]
        assert self.decide(([250], [100]), ([2], [1]), format="dense") == ["skip", "skip"]

    def test_in_the_order_of_execution(self) -> None:
        # The first layer is decided before its reader, which may skip; that this one turns out dense does not change it.
        assert self.decide(([250], [100]), ([1], [2])) == ["dense", "dense"]

    def test_all_layers_that_read_the_networks_input_are_first(self) -> None:
        chain = [square(0, 4, 16, 16, first=True), square(1, 4, 16, 16, first=True), square(2, 4, 16, 16)]
        cycles = {"dense": [[900]] * 3, "skip": [[1]] * 3}
        modes = decide_modes(chain, {"format": "zfnaf", "layer_mode": {"first": "dense", "default": "auto"}}, cycles)
        assert modes == ["dense", "dense", "skip"]
