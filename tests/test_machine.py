"""What machines are made of, by hand: memories, units, rates, events."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import pytest
from hypothesis import given

from cnvlutin2 import Organisation, preset, preset_names
from cnvlutin2.machine import EVENTS, PAYERS, Machine
from cnvlutin2.organisation import with_overrides
from cnvlutin2.testing import organisations

KIB = 8 * 1024
SMALL = {
    "tiles": 3,
    "filters_per_tile": 5,
    "lanes": 7,
    "brick": 8,
    "data_bits": 9,
    "nm_bytes": 1000,
    "sb_bytes_per_tile": 105,
    "nbin_entries": 11,
    "nbout_entries": 13,
    "encoder_buffer_entries": 17,
}
"""Sizes without a common factor; 8 values of 9 bits are a raw brick of 72 bits, an offset has 3 bits."""


def small(**options: object) -> Machine:
    return Machine.of(Organisation.parse({"name": "small", **SMALL, **options}))


def rows_by_width(machine: Machine) -> dict[str, tuple[int, int, int]]:
    """Of each memory: rows, bits of a row, how many of it."""
    return {memory.name: (memory.rows, memory.row_bits, memory.count) for memory in machine.memories}


class TestMemories:
    def test_the_published_machine(self) -> None:
        machine = Machine.of(preset("dadiannao"))
        assert {memory.name: memory.bits for memory in machine.memories} == {
            "nm": 4096 * KIB,
            "sb": 16 * 2048 * KIB,
            "nbin": 16 * 2 * KIB,
            "nbout": 16 * 2 * KIB,
        }
        assert rows_by_width(machine) == {
            "nm": (131072, 256, 1),
            "sb": (4096, 4096, 16),
            "nbin": (64, 256, 16),
            "nbout": (64, 256, 16),
        }

    def test_lanes_that_run_apart_have_rows_of_their_own(self) -> None:
        # 16 weights of 16 bits a row of SB, one entry of 16 + 4 bits a row of NBin, a row of NM for each lane's brick.
        machine = Machine.of(preset("cnv"))
        assert rows_by_width(machine) == {
            "nm": (131072, 320, 1),
            "sb": (65536, 256, 16),
            "nbin": (1024, 20, 16),
            "nbout": (64, 256, 16),
            "brick_buffer": (16, 320, 1),
            "encoder_buffer": (64, 20, 16),
        }
        assert {memory.name: memory.banks for memory in machine.memories} == {
            "nm": 16,
            "sb": 16,
            "nbin": 16,
            "nbout": 1,
            "brick_buffer": 16,
            "encoder_buffer": 1,
        }

    @pytest.mark.parametrize(
        ("name", "row", "joined_and_each"),
        [
            ("cnv-roe", 257, 0),
            ("cnv-viai", 272, 0),
            ("cnv-packed", 272, 0),
            ("cnv2-dispatch", 256, 0),
            ("cnv2-weights-shared", 256, 65536),
            ("cnv2-weights", 256, 1048576),
        ],
    )
    def test_presets(self, name: str, row: int, joined_and_each: int) -> None:
        machine = Machine.of(preset(name))
        assert machine.memory("nm").bits == 131072 * row
        assert machine.memory("brick_buffer").bits == 16 * row
        assert machine.memory("sb").bits == 16 * (2048 * KIB + joined_and_each)

    def test_buffers_by_hand(self) -> None:
        dense = small(layer_mode="dense")
        assert dense.memory("nbin").bits == 3 * 11 * 7 * 9
        assert dense.memory("nbout").bits == 3 * 13 * 5 * 9
        assert not dense.has("brick_buffer")
        assert not dense.has("encoder_buffer")
        listed = small(format="zfnaf", detect="output")
        assert listed.memory("nbin").bits == 3 * 11 * 7 * (9 + 3)
        assert listed.memory("nbout").bits == 3 * 13 * 5 * 9
        assert listed.memory("brick_buffer").bits == 7 * 8 * (9 + 3)
        assert listed.memory("encoder_buffer").bits == 3 * 17 * (9 + 3)

    def test_an_encoder_of_a_machine_that_never_skips_keeps_no_offsets(self) -> None:
        assert small(layer_mode="dense", format="zfnaf").memory("encoder_buffer").bits == 3 * 17 * 9

    @pytest.mark.parametrize(
        ("format_name", "row"), [("dense", 72), ("zfnaf", 96), ("roe", 73), ("viai", 80), ("packed_viai", 80)]
    )
    def test_a_brick_buffer_holds_a_row_a_lane(self, format_name: str, row: int) -> None:
        machine = small(format=format_name)
        assert rows_by_width(machine)["brick_buffer"] == (7, row, 1)
        assert rows_by_width(machine)["nm"] == (8000 // 72, row, 1)

    @pytest.mark.parametrize("skip_weights", ["none", "shared", "per_filter"])
    @pytest.mark.parametrize("tile_sync", ["brick", "window", "layer"])
    def test_tiles_that_run_freely_have_a_dispatcher_each(self, skip_weights: str, tile_sync: str) -> None:
        machine = small(skip_weights=skip_weights, tile_sync=tile_sync)
        count = 3 if skip_weights != "none" and tile_sync == "layer" else 1
        assert machine.dispatchers == machine.memory("brick_buffer").count == count
        assert machine.memory("brick_buffer").bits == count * 7 * 72
        assert small(skip_weights=skip_weights, tile_sync=tile_sync, layer_mode="dense").dispatchers == 1

    @pytest.mark.parametrize(
        ("options", "bits", "row", "banks"),
        [
            # 840 bits are 93 weights of 9 bits, and 18 rows of 5.
            ({"layer_mode": "dense"}, 840, 7 * 5 * 9, 1),
            ({}, 840, 5 * 9, 7),
            ({"skip_weights": "shared"}, 840 + 18, 5 * 9 + 1, 7),
            ({"skip_weights": "per_filter"}, 840 + 93, 9 + 1, 35),
            ({"weight_format": "packed"}, 840 + 93, 5 * (9 + 1), 7),
            ({"weight_format": "bit_vector", "skip_weights": "shared"}, 840 + 93 + 18, 5 * (9 + 1) + 1, 7),
            ({"weight_format": "packed", "skip_weights": "per_filter"}, 840 + 93, 9 + 1, 35),
            ({"weight_format": "packed", "layer_mode": "dense"}, 840 + 93, 7 * 5 * (9 + 1), 1),
        ],
    )
    def test_weights_and_their_vectors(self, options: dict[str, object], bits: int, row: int, banks: int) -> None:
        memory = small(**options).memory("sb")
        assert (memory.capacity_bits, memory.row_bits, memory.banks, memory.count) == (bits, row, banks, 3)
        assert memory.rows == -(-bits // row)

    def test_stored_weights(self) -> None:
        """Vectors that are made while loading are no room for weights."""
        assert small(skip_weights="per_filter").tile_weight_bits == small(skip_weights="shared").tile_weight_bits == 840
        assert small(weight_format="bit_vector").tile_weight_bits == small(weight_format="packed").tile_weight_bits == 840 + 93


class TestUnits:
    def units(self, **options: object) -> dict[str, tuple[str, int, int]]:
        return {unit.name: (unit.kind, unit.count, unit.width) for unit in small(**options).units}

    datapath: ClassVar = {"multipliers": ("multiplier", 105, 9), "adders": ("adder", 105, 9)}

    def test_dense(self) -> None:
        assert self.units(layer_mode="dense") == self.datapath

    def test_stored_offsets_take_encoders_alone(self) -> None:
        assert self.units(format="zfnaf", detect="output") == {**self.datapath, "encoders": ("comparator", 3, 9)}

    def test_vectors_take_encoders_and_who_finds_offsets(self) -> None:
        assert self.units(format="viai", detect="output") == {
            **self.datapath,
            "encoders": ("comparator", 3, 9),
            "offset_generators": ("priority_encoder", 7, 8),
        }

    def test_raw_bricks_take_detectors(self) -> None:
        assert self.units() == {
            **self.datapath,
            "detectors": ("comparator", 7 * 8, 9),
            "offset_generators": ("priority_encoder", 7, 8),
        }
        assert set(self.units(format="roe", detect="dispatch")) - set(self.datapath) == {
            *("encoders", "detectors", "offset_generators")
        }
        assert set(self.units(format="roe", detect="output")) - set(self.datapath) == {"encoders"}

    def test_skipped_weights(self) -> None:
        shared = self.units(skip_weights="shared", skip_activations=False)
        assert shared == {**self.datapath, "offset_generators": ("priority_encoder", 21, 8)}
        each = self.units(skip_weights="per_filter", format="zfnaf", detect="output")
        assert each["offset_generators"] == ("priority_encoder", 105, 8)
        assert each["activation_selectors"] == ("multiplexer", 105 * 7, 9)
        # 840 bits are 93 weights in rows of their own, or 19 rows of 5 filters'.
        assert each["weight_row_drivers"] == ("row_driver", 3 * (93 - 19), 1)
        assert self.units(skip_weights="per_filter")["offset_generators"] == ("priority_encoder", 7 + 105, 8)

    @pytest.mark.parametrize(("rate", "comparators"), [(1, 3), (4, 12), (0, 15)])
    def test_an_encoder_has_a_comparator_for_each_value_of_a_cycle(self, rate: int, comparators: int) -> None:
        machine = {"format": "zfnaf", "detect": "output", "encoder_values_per_cycle": rate}
        assert self.units(**machine)["encoders"] == ("comparator", comparators, 9)


class TestRates:
    @pytest.mark.parametrize(
        ("dram", "clock", "bits"),
        [
            ("lpddr4", 1.0, Fraction(1024, 10)),
            ("ddr4-3200", 1.0, Fraction(2048, 10)),
            ("hbm2", 2.0, Fraction(1024)),
            (25, 0.5, Fraction(400)),
            (0.1, 0.3, Fraction(8, 3)),
        ],
    )
    def test_dram_bits_are_exact(self, dram: str | float, clock: float, bits: Fraction) -> None:
        assert small(dram=dram, clock_ghz=clock).rates.dram_bits == bits

    def test_what_never_limits(self) -> None:
        assert small().rates.dram_bits is None
        assert small(encoder_values_per_cycle=0).rates.encoder_values is None

    def test_encoders(self) -> None:
        assert small().rates.encoder_values == 1
        assert small(encoder_values_per_cycle=5).rates.encoder_values == 5


class TestTheWhole:
    @given(organisations(data_bits=None))
    def test_one_object_a_machine(self, drawn: Organisation) -> None:
        machine = Machine.of(drawn)
        assert Machine.of(with_overrides(drawn, {"name": "other"})) == machine
        assert len({machine, Machine.of(drawn)}) == 1
        names = [memory.name for memory in machine.memories] + [unit.name for unit in machine.units]
        assert len(set(names)) == len(names)
        assert all(machine.has(name) for name in names)
        assert not machine.has("toaster")
        for memory in machine.memories:
            assert memory.bits == memory.capacity_bits * memory.count
            assert (memory.rows - 1) * memory.row_bits < memory.capacity_bits <= memory.rows * memory.row_bits

    def test_it_is_asked_by_name(self) -> None:
        with pytest.raises(KeyError, match="brick_buffer"):
            Machine.of(preset("dadiannao")).memory("brick_buffer")

    @pytest.mark.parametrize("name", preset_names())
    def test_memories_that_pay_are_parts(self, name: str) -> None:
        """Whoever pays for an event in a memory is one that some machine has."""
        machine = Machine.of(preset(name))
        paying = {"nm", "sb", "nbin", "nbout", "brick_buffer"}
        assert paying - {memory.name for memory in machine.memories} == (set() if name != "dadiannao" else {"brick_buffer"})
        assert paying < set(PAYERS) == {event.payer for event in EVENTS.values()}
