"""Energy and area: events times prices, worked out by hand; what must grow with what."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console

from cnvlutin2 import ArrayNetwork, Layer, Organisation, preset, preset_names, simulate
from cnvlutin2.cli.grid import show
from cnvlutin2.cli.printed_tables import cost_grid
from cnvlutin2.cli.run_command import run_command
from cnvlutin2.cost import COMPONENTS, STATIC, LayerCost, MachineCost, Prices, area_mm2, baseline_of, load_table, static_mw
from cnvlutin2.cost.energy import by_component, cautions, total_pj
from cnvlutin2.cost.event_counts import ROW
from cnvlutin2.cost.float_sums import mean, sum_in_order
from cnvlutin2.cost.float_sums import total as total_of
from cnvlutin2.cost.packed_rows import PackedRows
from cnvlutin2.errors import ConfigError
from cnvlutin2.machine import DRAM, EVENTS
from cnvlutin2.network import Findings
from cnvlutin2.organisation import with_overrides
from cnvlutin2.testing import integer_arrays, organisations

TABLE = load_table("45nm")


def chain(first: NDArray[np.int16], second: NDArray[np.int16]) -> ArrayNetwork:
    rng = np.random.default_rng(0)
    layers = []
    for name, maps, filters in (("l0", first, second.shape[1]), ("l1", second, 5)):
        weights = rng.integers(-2, 3, (filters, maps.shape[1], 3, 3), np.int16)
        layers.append(Layer(name, maps, weights, pads=(1, 1, 1, 1)))
    return ArrayNetwork(layers)


class TestPrices:
    def test_each_event_costs_something_but_rows(self) -> None:
        for name, price in Prices.of(preset("cnv2-weights"), TABLE).pj.items():
            assert (price > 0) == (name != "nm_rows_read"), name

    @pytest.mark.parametrize(
        ("event", "pj"),
        [
            ("nm_bits_read", 274.232 / 256),
            ("nm_bits_written", 274.232 / 256),
            ("nm_bits_filled", 274.232 / 256),
            ("nm_bits_spilled", 274.232 / 256),
            ("sb_weight_bits_read", 35.075 / 256),
            ("sb_vector_bits_read", 35.075 / 256),
            ("sb_bits_written", 35.075 / 256),
            ("nbin_bits_read", 7.221 / 256),
            ("nbin_bits_written", 10.007 / 256),
            ("nbout_bits_read", 7.221 / 256),
            ("nbout_bits_written", 10.007 / 256),
            ("brick_buffer_bits_read", 7.221 / 256),
            ("brick_buffer_bits_written", 10.007 / 256),
            ("multiplications", 1.0),
            ("additions", 0.1),
            ("pointer_lookups", 0.05),
            ("broadcast_bits", 0.0625),
            ("dram_weight_bits_read", 3.92),
            ("dram_activation_bits_read", 3.92),
            ("dram_activation_bits_written", 3.92),
        ],
    )
    def test_by_hand(self, event: str, pj: float) -> None:
        machine = Organisation(dram="hbm2")
        counts = np.zeros((len(EVENTS), 2), np.int64)
        counts[ROW[event], 0] = 3
        energies = Prices.of(machine, TABLE).energy_pj(counts, np.zeros(2, np.int64))
        assert energies[COMPONENTS.index(EVENTS[event].payer)].tolist() == pytest.approx([3 * pj, 0])
        assert float(energies.sum()) == pytest.approx(3 * pj)

    @given(st.integers(0, 1 << 20), st.sampled_from(preset_names()))
    def test_they_are_added_up_in_the_order_of_events_and_parts(self, seed: int, name: str) -> None:
        """To the last bit: a builtin sum differs among versions of Python, a sum of NumPy's among shapes."""
        rng = np.random.default_rng(seed)
        counts, cycles = rng.integers(0, 1 << 48, (3, len(EVENTS), 4)), rng.integers(0, 1 << 40, (3, 4))
        prices = Prices.of(preset(name), TABLE)
        found = prices.energy_pj(counts, cycles)
        for layer, image in np.ndindex(3, 4):
            paid = dict.fromkeys(COMPONENTS, 0.0)
            for (event, row), payer in zip(ROW.items(), (event.payer for event in EVENTS.values()), strict=True):
                paid[payer] += float(counts[layer, row, image]) * prices.pj[event]
            paid[STATIC] = float(cycles[layer, image]) * (prices.static_mw / prices.clock_ghz)
            assert found[layer, :, image].tolist() == list(paid.values())
            energy = 0.0
            for each in paid.values():
                energy += each
            events, waits = counts[layer, :, image : image + 1].copy(), cycles[layer, image : image + 1].copy()
            (record,) = LayerCost(events, waits, waits, waits, waits, prices.energy_pj(events, waits)).records()
            assert record["energy_pj"] == {**paid, "total": energy}
            assert total_pj(by_component(found[layer]))[image] == energy

    def test_sums_of_floats_are_not_compensated(self) -> None:
        """Each 1 is rounded away; the builtin sum from Python 3.12 on, and a sum by halves, would keep some of them."""
        values = [1e16, *[1.0] * 20]
        assert sum_in_order(values) == total_of(np.array(values)) == 1e16
        assert MachineCost(np.ones(1, np.int64), {}, dict(zip("abcdefghijklmnopqrstu", values, strict=True))).total_mm2 == 1e16
        assert sum_in_order([np.full((1, 1), value) for value in values]).tolist() == [[1e16]]
        assert mean(np.array(values)) == 1e16 / 21

    def test_static_energy_is_power_times_time(self) -> None:
        for clock in (1.0, 0.5):
            machine = Organisation(clock_ghz=clock)
            energies = Prices.of(machine, TABLE).energy_pj(np.zeros((len(EVENTS), 1), np.int64), np.array([1000]))
            watts = static_mw(machine, TABLE) / 1000
            seconds = 1000 / (clock * 1e9)
            assert energies[COMPONENTS.index(STATIC)].tolist() == pytest.approx([watts * seconds * 1e12])
            assert not np.delete(energies, COMPONENTS.index(STATIC), axis=0).any()

    def test_static_power_by_hand(self) -> None:
        # All of the machine: 256 macros of SB (128 KiB), 32 of buffers (2 KiB), NM's 16 banks, and logic by its area.
        machine = preset("dadiannao")
        areas = area_mm2(machine, TABLE)
        logic = areas["multipliers"] + areas["adders"]
        milliwatts = 256 * 10.9464 + 32 * TABLE.memories.buffers.static_per_bank.to("mW")
        milliwatts += 16 * TABLE.memories.nm.static_per_bank.to("mW") + logic * 12.598
        milliwatts += 256 * 2.825 / 40 + 16 * 5.630 / 40  # nJ in 40 us: refresh of SB and NM
        assert static_mw(machine, TABLE) == pytest.approx(milliwatts)


class TestMonotonicity:
    """Fewer effectual activations never cost more dynamic energy, whatever the format, NM's size and the pointers."""

    @settings(max_examples=150)
    @given(st.data(), organisations(), st.sampled_from((1, 700, 2000, 1 << 20)), st.sampled_from((3, 16, 20)))
    def test_activations(self, data: st.DataObject, drawn: Organisation, nm_bytes: int, channels: int) -> None:
        machine = with_overrides(drawn, {"layer_mode": "skip", "nm_bytes": nm_bytes, "tiles": 1})
        dense = [data.draw(integer_arrays((1, size, 4, 3))) for size in (channels, 7)]
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        sparse = [np.where(rng.random(maps.shape) < 0.5, maps, 0).astype(np.int16) for maps in dense]
        costs = []
        for maps in (dense, sparse):
            cost = simulate(chain(maps[0], maps[1]), organisations=[machine], energy="45nm", jobs=1).networks[0].costs["drawn"]
            costs.append(float((cost.machine.total_pj - cost.machine.energy_pj[STATIC])[0]))
        assert costs[1] <= costs[0] * (1 + 1e-12)

    @given(st.integers(0, 50), st.sampled_from(("cnv2-weights", "cnv2-weights-shared")), st.sampled_from(("dense", "packed")))
    def test_weights(self, seed: int, name: str, form: str) -> None:
        rng = np.random.default_rng(seed)
        machine = with_overrides(preset(name), {"layer_mode": "skip", "weight_format": form, "sb_bytes_per_tile": 64})
        maps = rng.integers(-1, 2, (1, 9, 4, 4), np.int16)
        weights = rng.integers(-3, 4, (20, 9, 2, 2), np.int16)
        fewer = np.where(rng.random(weights.shape) < 0.5, weights, 0).astype(np.int16)
        energies = []
        for values in (weights, fewer):
            cost = simulate(Layer("l", maps, values), organisations=[machine]).networks[0].costs[name]
            energies.append(float((cost.machine.total_pj - cost.machine.energy_pj[STATIC])[0]))
        assert energies[1] <= energies[0] * (1 + 1e-12)


class TestArea:
    def test_the_published_machine(self) -> None:
        areas = area_mm2(preset("dadiannao"), TABLE)
        assert set(areas) == {"nm", "sb", "nbin", "nbout", "multipliers", "adders"}
        assert areas["nm"] == pytest.approx(6.5540191086)
        assert areas["sb"] == pytest.approx(256 * 0.165010056668)
        assert areas["nbin"] == pytest.approx(16 * 0.013463269288)
        assert areas["multipliers"] == pytest.approx(4096 * 6350e-6 / 4 * (45 / 40) ** 2)

    def test_logic_by_hand(self) -> None:
        """A comparator has 2.21875 um^2 a bit at 40 nm, a two-way multiplexer 1.575."""
        scale = 1e-6 * (45 / 40) ** 2
        cnv, dispatch, weights = (area_mm2(preset(name), TABLE) for name in ("cnv", "cnv2-dispatch", "cnv2-weights"))
        assert cnv["encoders"] == pytest.approx(16 * 16 * 2.21875 * scale)
        assert dispatch["detectors"] == pytest.approx(16 * 16 * 16 * 2.21875 * scale)
        assert dispatch["offset_generators"] == pytest.approx(16 * 16 * 2.21875 * scale)
        assert weights["offset_generators"] == pytest.approx((16 + 4096) * 16 * 2.21875 * scale)
        assert weights["activation_selectors"] == pytest.approx(4096 * 15 * 16 * 1.575 * scale)

    def test_banks_of_single_weights_by_hand(self) -> None:
        """A tile's 2 MiB are 2**20 weights: 256 banks of 4096 rows, where 16 banks had 4096; 1.575 um^2 at 40 nm."""
        rows = 16 * (256 - 16) * 4096
        assert area_mm2(preset("cnv2-weights"), TABLE)["weight_row_drivers"] == pytest.approx(rows * 1.575e-6 * 1.265625)

    def test_buffers_by_hand(self) -> None:
        bit = 0.013463269288 / (8 * 2048)
        areas = area_mm2(preset("cnv"), TABLE)
        assert areas["nbin"] == pytest.approx(16 * 64 * 16 * 20 * bit)
        assert areas["brick_buffer"] == pytest.approx(16 * 320 * bit)
        assert areas["encoder_buffer"] == pytest.approx(16 * 64 * 20 * bit)

    def test_what_each_design_adds(self) -> None:
        parts = {name: set(area_mm2(preset(name), TABLE)) for name in preset_names()}
        base = {"nm", "sb", "nbin", "nbout", "multipliers", "adders"}
        assert parts["dadiannao"] == base
        assert parts["cnv"] - base == {"brick_buffer", "encoder_buffer", "encoders"}
        assert parts["cnv-viai"] - base == {"brick_buffer", "encoder_buffer", "encoders", "offset_generators"}
        assert parts["cnv2-dispatch"] - base == {"brick_buffer", "detectors", "offset_generators"}
        assert parts["cnv2-weights"] - parts["cnv2-dispatch"] == {"activation_selectors", "weight_row_drivers"}

    def test_faster_encoders_and_their_buffers_take_area(self) -> None:
        machine = preset("cnv")
        before, faster = (area_mm2(o, TABLE) for o in (machine, with_overrides(machine, {"encoder_values_per_cycle": 4})))
        larger = area_mm2(with_overrides(machine, {"encoder_buffer_entries": 128}), TABLE)
        assert {part: faster[part] / before[part] for part in before if faster[part] != before[part]} == {"encoders": 4}
        assert {part: larger[part] / before[part] for part in before if larger[part] != before[part]} == {"encoder_buffer": 2}

    @pytest.mark.parametrize("name", preset_names())
    def test_skipping_takes_area(self, name: str) -> None:
        machine = preset(name)
        found = sum(area_mm2(machine, TABLE).values()) - sum(area_mm2(baseline_of(machine), TABLE).values())
        assert (found > 0) == (name != "dadiannao")


class TestResults:
    maps = np.random.default_rng(1).integers(0, 2, (3, 16, 6, 6), np.int16)

    def simulate(self, **options: Any) -> Any:
        chosen = {"organisations": "dadiannao,cnv,cnv2-weights", **options}
        return simulate(chain(self.maps, self.maps[:, :7]), **chosen)

    def test_the_baseline_equals_the_dense_organisation(self) -> None:
        network = self.simulate().networks[0]
        cost = network.costs["dadiannao"]
        assert cost.machine.energy_pj.keys() == cost.baseline.energy_pj.keys()
        for name, energy in cost.machine.energy_pj.items():
            assert energy.tolist() == cost.baseline.energy_pj[name].tolist()
        assert cost.speedup == cost.energy_gain == cost.edp_gain() == cost.ed2p_gain(chip=True) == 1
        assert cost.area_overhead == 0
        assert network.costs["cnv"].baseline is cost.baseline

    def test_the_gains(self) -> None:
        cost = self.simulate().networks[0].costs["cnv2-weights"]
        energies = [float(m.total_pj.sum()) for m in (cost.baseline, cost.machine)]
        times = [int(m.total_cycles.sum()) for m in (cost.baseline, cost.machine)]
        edp = [energy * time for energy, time in zip(energies, times, strict=True)]
        ed2p = [product * time for product, time in zip(edp, times, strict=True)]
        assert cost.edp_gain() == pytest.approx(edp[0] / edp[1])
        assert cost.ed2p_gain() == pytest.approx(ed2p[0] / ed2p[1])
        assert cost.machine.total_pj.tolist() == pytest.approx((cost.machine.chip_pj + cost.machine.energy_pj[DRAM]).tolist())

    def test_records_frames_and_totals_agree(self) -> None:
        results = self.simulate()
        frame, document = results.to_frame(), results.to_dict()
        assert document["provenance"]["energy_table"] == "65nm"
        for total in document["networks"][0]["totals"]:
            runs = [run for run in document["runs"] if run["arch"] == total["arch"]]
            rows = frame[frame["arch"] == total["arch"]]
            assert sum(run["total_cycles"] for run in runs) == sum(total["cost"]["total_cycles"]) == rows["total_cycles"].sum()
            energy = sum(total["cost"]["total_energy_pj"])
            assert sum(run["energy_pj"]["total"] for run in runs) == pytest.approx(energy)
            assert rows["energy_total_pj"].sum() == pytest.approx(energy)
            assert rows["events_nm_bits_read"].sum() == sum(run["events"]["nm_bits_read"] for run in runs)
            assert {f"events_{name}" for name in EVENTS} < set(frame.columns)
            for run in runs:
                assert run["total_cycles"] >= run["cycles"] + run["encoder_stall_cycles"]
                assert sum(run["events"][name] for name in ("multiplications",)) == sum(
                    run["slots"][kind] for kind in ("effectual", "ineffectual_activation", "ineffectual_weight")
                )

    def test_prices_are_told_apart_by_more_than_a_name(self, tmp_path: Path) -> None:
        """A file that changes one number has another digest; one that changes nothing has the same."""
        digests = []
        for number, extra in enumerate(("", "", "dram:\n  default: {value: 20, unit: pJ/bit, source: a guess}\n")):
            path = tmp_path / f"{number}.yaml"
            path.write_text(f"base: 65nm\nname: mine\n{extra}")
            provenance = self.simulate(energy=path).to_dict()["provenance"]
            assert provenance["energy_table"] == "mine"
            digests.append(provenance["energy_table_sha256"])
        assert digests[0] == digests[1] != digests[2]
        assert all(len(digest) == 64 for digest in digests)

    def test_doubtful_prices_are_told_with_the_totals_that_they_are_part_of(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine.yaml"
        mine.write_text(
            "base: 65nm\noperations:\n  selection: {value: 0.1, unit: pJ, node_nm: 65, source: my synthesis}\n"
            "cells:\n  row_driver: {value: 0.5, unit: um^2, node_nm: 65, source: my synthesis}\n"
        )
        archs = "dadiannao,cnv,cnv2-weights-shared,cnv2-weights,cnv2-weights-drift"
        for energy, expected in (("65nm", {"cnv2-weights", "cnv2-weights-drift"}), (mine, set())):
            results = self.simulate(organisations=archs, energy=energy)
            told = {total["arch"]: total["cost"]["cautions"] for total in results.to_dict()["networks"][0]["totals"]}
            assert {arch for arch, cautions in told.items() if cautions} == expected
            for arch in expected:
                selection, banks = told[arch]
                assert "three to four times too low" in selection
                assert "area of banks" in banks
            text = cost_grid(results.networks[0], archs.split(",")).caption
            assert ("cnv2-weights, cnv2-weights-drift: the price of selecting an activation" in text) == bool(expected)
            printed = io.StringIO()
            show(Console(file=printed, width=120), cost_grid(results.networks[0], archs.split(",")))
            begins = [line for line in printed.getvalue().splitlines() if line.startswith("cnv2-weights, cnv2-weights-drift:")]
            assert len(begins) == 2 * bool(expected)  # each on lines of its own

    def test_nothing_is_told_of_prices_that_nobody_paid(self) -> None:
        counts = np.zeros((len(EVENTS), 1), np.int64)
        assert cautions(preset("cnv"), counts[None], TABLE) == ()
        counts[ROW["activations_selected"]] = 1
        of_layers = np.stack([np.zeros_like(counts), counts])
        assert cautions(preset("cnv"), of_layers, TABLE) == (TABLE.operations.selection.caution,)
        assert cautions(preset("cnv2-weights"), of_layers[:1], TABLE) == (TABLE.cells.row_driver.caution,)

    def test_it_can_be_left_out(self) -> None:
        results = self.simulate(cost=False)
        assert results.networks[0].costs == {}
        assert all(layer.cost is None for layer in results.networks[0].layers)
        assert not [name for name in results.to_frame().columns if name.startswith(("events_", "energy_"))]
        assert results.to_dict()["networks"][0]["totals"][0]["cost"] is None

    @pytest.mark.parametrize("size", [1, 2])
    def test_batches_and_threads_change_nothing(self, size: int) -> None:
        whole = self.simulate(jobs=2)

        class Streamed(ArrayNetwork):
            def generate(self, inputs: Any, numeric: Any) -> Any:
                for layer in super().generate(inputs, numeric):
                    for first in range(0, layer.images, size):
                        some = layer.activations[first : first + size]
                        yield replace(layer, activations=some, first_image=first)
                return Findings()

        network = chain(self.maps, self.maps[:, :7])
        streamed = simulate(Streamed(list(network._layers)), organisations="dadiannao,cnv,cnv2-weights", jobs=1)
        assert list(streamed.runs()) == list(whole.runs())

    def test_the_command_line(self) -> None:
        arguments = ["digits", "--limit", "2", "--arch", "cnv2-dispatch", "--dram", "0.5", "--set", "sb_bytes_per_tile=1024"]
        found = CliRunner().invoke(run_command, [*arguments, "--energy", "45nm", "--json", "-"])
        assert found.exit_code == 0, found.output
        document = json.loads(found.stdout)
        assert document["provenance"]["energy_table"] == "45nm"
        assert document["organisations"]["cnv2-dispatch"]["dram"] == 0.5
        for run in document["runs"]:
            moved = sum(count for name, count in run["events"].items() if name.startswith("dram_"))
            assert run["dram_cycles"] == -(-moved // 4)
            assert run["total_cycles"] == max(run["cycles"], run["dram_cycles"])
        assert any(run["total_cycles"] > run["cycles"] for run in document["runs"])
        table = CliRunner().invoke(run_command, [*arguments, "--energy", "45nm"]).stdout
        total = np.mean(document["networks"][0]["totals"][0]["cost"]["total_cycles"])
        assert f"{total:,.0f}" in table
        cost = document["networks"][0]["totals"][0]["cost"]
        lines = table.partition("of an image (mean)")[2].partition("\nspeed-up and gains")[0].splitlines()[1:]
        rows = {name.strip(): cell for name, cell in (line.rsplit(maxsplit=1) for line in lines)}
        for part, names in {"SB": ["sb"], "leakage": ["static"], "DRAM": ["dram"], "energy, uJ": list(cost["energy_pj"])}.items():
            assert float(rows[part].replace(",", "")) == pytest.approx(
                sum(np.mean(cost["energy_pj"][name]) for name in names) / 1e6, abs=0.051
            )
        for gain in ("EDP", "ED2P"):
            assert rows[f"{gain} gain"] == f"{cost['relative'][gain.lower() + '_gain']:.2f}x"
            assert rows[f"{gain} gain on chip"] == f"{cost['relative'][f'chip_{gain.lower()}_gain']:.2f}x"
        assert "waiting for DRAM" in table

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--dram", "ddr9", "'ddr9' is not allowed: should be unlimited, lpddr4, ddr4-3200, hbm2, or GB/s"),
            ("--dram", "0", "or GB/s from 0.001"),
            ("--energy", "7nm", "there is no cost table '7nm'; the tables are 32nm, 45nm, 65nm"),
            ("--energy", "none.yaml", "cannot read the cost table none.yaml: No such file"),
        ],
    )
    def test_what_the_command_line_refuses(self, option: str, value: str, message: str) -> None:
        found = CliRunner().invoke(run_command, ["digits", "--limit", "1", option, value])
        assert isinstance(found.exception, ConfigError)
        assert message in str(found.exception)

    def test_other_tables(self) -> None:
        small, large = (self.simulate(energy=name).networks[0].costs["cnv"].machine for name in ("45nm", "65nm"))
        assert small.total_cycles.tolist() == large.total_cycles.tolist()
        assert (small.total_pj < large.total_pj).all()
        assert small.total_mm2 < large.total_mm2


class TestPackedRows:
    @pytest.mark.parametrize("images", [1, 63, 64, 1000])
    def test_they_are_what_they_were(self, images: int) -> None:
        random = np.random.default_rng(images)
        for most in (1, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1):
            counts = random.integers(0, most, (3, images), endpoint=True)
            counts[0], counts[1, 0] = most, -1  # the same for all, and one that is negative
            counts[2, -1] = most
            found = PackedRows(counts).array()
            assert found.dtype == np.int64
            assert found.tolist() == counts.tolist()
        energies = random.random((3, images))
        energies[0], energies[1] = 0.1, -0.0
        energies[1, 0] = 0.0
        assert PackedRows(energies).array().tobytes() == energies.tobytes()

    def test_they_take_what_their_values_need(self) -> None:
        values = np.arange(1000) % 200
        rows = np.stack([np.full(1000, 1 << 40), values, 300 * values, 70_000 * values, values << 40])
        assert PackedRows(rows).nbytes == 8 + 1000 * (1 + 2 + 4 + 8)
        assert PackedRows(rows[:, :63]).nbytes == 5 * 63 * 8

    def test_results_of_many_images_take_less_than_200_bytes(self) -> None:
        """A layer, an organisation and an image; footprints, shared by organisations, and densities apart."""
        random = np.random.default_rng(0)
        images = (random.integers(-99, 99, (256, 16, 8, 8)) * (random.random((256, 1, 8, 8)) < 0.5)).astype(np.int16)
        layer = Layer("conv", images, random.integers(-9, 9, (32, 16, 3, 3)).astype(np.int16))
        for found in simulate(ArrayNetwork([layer]), organisations="all").networks[0].layers:
            assert found.cost is not None
            arrays = [value.nbytes for value in vars(found.cost).values() if isinstance(value, (np.ndarray, PackedRows))]
            assert sum(arrays) + found.packed_slots.nbytes + found.cycles.nbytes < 200 * 256
