"""Cost tables: units, where each number comes from, and what is refused."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import pytest

from cnvlutin2.cost import DEFAULT_TABLE, CostTable, load_table, static_mw, table_names
from cnvlutin2.cost.physical_units import parse_unit, to_base
from cnvlutin2.cost.tables import Cells, Macro, Macros, Operations, Quantity
from cnvlutin2.errors import ConfigError
from cnvlutin2.organisation import preset

MACROS = {
    "nm": "NM_4MB_256b_16bank_eDRAM",
    "sb": "SB_CNV_subunit_128KB_256b_eDRAM",
    "buffers": "NBin_DaDN_2KB_256b",
}
SMALL_SRAM = "SRAM8K_64b"


class TestUnits:
    @pytest.mark.parametrize(
        ("value", "unit", "wanted", "expected"),
        [
            (1, "fJ", "pJ", 0.001),
            (2, "nJ", "pJ", 2000),
            (238.88, "fJ/bit", "pJ/bit", 0.23888),
            (1, "pJ/byte", "pJ/bit", 0.125),
            (6350, "um^2", "mm^2", 0.00635),
            (4, "MiB", "bit", 4 * 2**23),
            (80, "uW", "mW", 0.08),
            (1, "W/mm^2", "mW/mm^2", 1000),
            (1, "uW/um^2", "mW/mm^2", 1000),
            (12, "bit/bit", "bit/bit", 12),
        ],
    )
    def test_conversions(self, value: float, unit: str, wanted: str, expected: float) -> None:
        assert to_base(value, unit, wanted) == pytest.approx(expected, rel=1e-15)

    def test_dimensions(self) -> None:
        assert parse_unit("pJ/bit")[0] == (("energy", 1), ("information", -1))
        assert parse_unit("pJ/nJ")[0] == ()

    @pytest.mark.parametrize(("unit", "wanted"), [("pJ", "pJ/bit"), ("mm^2", "mW"), ("bit", "pJ"), ("pJ/bit", "pJ/mm^2")])
    def test_what_measures_something_else(self, unit: str, wanted: str) -> None:
        with pytest.raises(ConfigError, match=r"does not measure what is wanted"):
            to_base(1, unit, wanted)

    @pytest.mark.parametrize("unit", ["", "joule", "pJ/bit/bit", "pj", "pJ*bit", "/bit"])
    def test_what_is_no_unit(self, unit: str) -> None:
        with pytest.raises(ConfigError, match="is not a unit"):
            parse_unit(unit)


SLICE_NJ = {65: 5.656, 45: 2.825, 32: 2.030}
"""DESTINY's energies of refreshing a slice of SB."""


class TestShipped:
    def test_names(self) -> None:
        assert DEFAULT_TABLE in table_names()
        assert {"65nm", "45nm"} <= set(table_names())

    @pytest.mark.parametrize("name", table_names())
    def test_every_number_says_where_it_comes_from(self, name: str) -> None:
        table = load_table(name)
        parts = [table.operations, table.cells, table.memories, table.static]
        numbers: list[Quantity | Macro] = [getattr(part, key) for part in parts for key in type(part).model_fields]
        for number in (*numbers, *table.dram.values()):
            assert len(number.source) > 15
        for number in numbers:
            assert number.node_nm in {table.node_nm, *(scale.from_nm for scale in table.scaling)}
        for dram in table.dram.values():
            assert dram.node_nm is None

    @pytest.mark.parametrize("name", table_names())
    def test_memories_are_cactis(self, name: str, shared: Path) -> None:
        table = load_table(name)
        with (shared / "cacti7.csv").open() as file:
            rows = {(row["name"], round(1000 * float(row["tech_um"]))): row for row in csv.DictReader(file)}
        for key, macro in MACROS.items():
            memory: Macro = getattr(table.memories, key)
            row = rows[macro, table.node_nm]
            assert macro in memory.source
            assert memory.capacity.to("byte") == float(row["bytes"])
            assert (memory.width_bits, memory.banks) == (int(row["bits"]), int(row["banks"]))
            assert memory.read.to("pJ") == float(row["read_pJ"])
            assert memory.static_per_bank.to("mW") == float(row["leak_mW_per_bank"])
            assert memory.area.to("mm^2") == pytest.approx(float(row["area_mm2"]), rel=1e-11)
            assert memory.read_pj_per_bit * 1000 == pytest.approx(float(row["read_fJ_per_bit"]), abs=0.01)
            if key == "buffers":
                assert memory.write is not None
                assert memory.write.to("pJ") == float(row["write_pJ"])
            else:  # of eDRAM, a write is taken to cost what a read costs
                assert memory.write is None
                assert table.write_pj_per_bit(key) == table.read_pj_per_bit(key)
        for scale in table.scaling:
            old, new = (float(rows[SMALL_SRAM, node]["read_fJ_per_bit"]) for node in (45, table.node_nm))
            assert scale.energy == pytest.approx(new / old, rel=1e-5)

    @pytest.mark.parametrize("name", table_names())
    def test_refresh_is_destinys(self, name: str, shared: Path) -> None:
        table = load_table(name)
        with (shared / "destiny.csv").open() as file:
            lines = [line for line in file if not line.startswith("#")]
        rows = {(row["memory"], int(row["node_nm"])): row for row in csv.DictReader(lines)}
        assert table.memories.buffers.refresh_per_bank is None
        for key, memory, banks in (("sb", "SB slice", 1), ("nm", "NM bank", 16)):
            macro: Macro = getattr(table.memories, key)
            refresh = macro.refresh_per_bank
            assert refresh is not None
            assert macro.banks == banks
            row = rows.get((memory, table.node_nm))
            if row is None:  # of NM at 32 nm: as much more than SB as at the other nodes
                ratios = [float(rows[memory, node]["refresh_nj_all_rows"]) / SLICE_NJ[node] for node in (65, 45)]
                assert refresh.value == pytest.approx(SLICE_NJ[table.node_nm] * sum(ratios) / 2, rel=1e-3)
                continue
            assert refresh.to("nJ") == float(row["refresh_nj_all_rows"])
            assert macro.capacity.to("byte") == banks * int(row["capacity_bytes"])
            # What the notes say: a write costs what a read costs, and reads are not far from CACTI's.
            assert float(row["write_pj"]) / float(row["read_pj"]) == pytest.approx(0.99, abs=0.005)
            cacti = macro.read.to("pJ") if key == "sb" else {65: 102.324, 45: 57.492}[table.node_nm]  # a bank by itself
            assert float(row["read_pj"]) / cacti == pytest.approx(1, abs=0.355)

    def test_refresh_by_hand(self) -> None:
        """36 mW for all of SB, 4.5 mW for NM, at 65 nm and 40 us."""
        table = load_table("65nm")
        assert table.retention_us == 40
        assert table.refresh_mw_per_bit("sb") * 8 * (32 << 20) == pytest.approx(256 * 5.656 / 40)
        assert table.refresh_mw_per_bit("nm") * 8 * (4 << 20) == pytest.approx(16 * 11.273 / 40)
        assert table.refresh_mw_per_bit("nbin") == 0
        assert load_table("45nm").refresh_mw_per_bit("sb") * 8 * (128 << 10) == pytest.approx(2.825 / 40)

    def test_refresh_of_another_node_scales_as_energy(self) -> None:
        values = load_table("65nm").model_dump()
        values["memories"]["sb"] = load_table("45nm").memories.sb.model_dump()
        scaled = CostTable.parse(values).refresh_mw_per_bit("sb")
        assert scaled == pytest.approx(1.66954 * load_table("45nm").refresh_mw_per_bit("sb"))

    @pytest.mark.parametrize("name", table_names())
    def test_areas_scale_by_the_square(self, name: str) -> None:
        table = load_table(name)
        for scale in table.scaling:
            assert scale.area == pytest.approx((table.node_nm / scale.from_nm) ** 2, rel=1e-5)

    def test_scaling_is_applied_once(self) -> None:
        old, new = load_table("45nm"), load_table("65nm")
        rule = {scale.from_nm: scale for scale in new.scaling}
        assert new.operation_pj("multiplication", 16) == pytest.approx(rule[45].energy * old.operation_pj("multiplication", 16))
        assert new.cell_mm2("multiplier", 16) == pytest.approx(rule[40].area * 1587.5e-6)
        assert new.dram_pj_per_bit("hbm2") == old.dram_pj_per_bit("hbm2") == 3.92

    @pytest.mark.parametrize(
        ("key", "power"), [("multiplication", 2), ("addition", 1), ("detection", 1), ("offset", 0), ("broadcast", 0)]
    )
    def test_widths(self, key: str, power: int) -> None:
        table = load_table("45nm")
        assert table.operation_pj(key, 8) == pytest.approx(table.operation_pj(key, 16) / 2**power)

    def test_horowitz(self) -> None:
        table = load_table("45nm")
        assert (table.operation_pj("addition", 16), table.dram_pj_per_bit("unlimited")) == (0.1, 640 / 32)
        # The interpolated multiplication lies between the published ones, not far from their geometric mean.
        assert 0.2 < table.operation_pj("multiplication", 16) < 3.1
        assert abs(math.log2(table.operation_pj("multiplication", 16) / math.sqrt(0.2 * 3.1))) < 0.5

    def test_dram(self) -> None:
        table = load_table()
        assert table.dram_pj_per_bit(12.8) == table.dram_pj_per_bit("unlimited") == table.dram["default"].to("pJ/bit")
        assert table.dram_pj_per_bit("lpddr4") == table.dram["lpddr4"].to("pJ/bit")


class TestOwnTables:
    def write(self, folder: Path, text: str) -> Path:
        path = folder / "mine.yaml"
        path.write_text(text, "utf-8")
        return path

    def test_one_number_replaced(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path,
            "base: 45nm\noperations:\n  multiplication: {value: 500, unit: fJ, node_nm: 45, source: my synthesis}\n",
        )
        table, base = load_table(path), load_table("45nm")
        assert (table.name, table.node_nm) == ("mine", 45)
        assert table.operation_pj("multiplication", 8) == 0.5  # the base's rule for widths went with its number
        assert table.operation_pj("addition", 16) == base.operation_pj("addition", 16)
        assert load_table(str(path)) == table
        assert load_table(table) is table

    def test_longer_retention(self, tmp_path: Path) -> None:
        table, base = load_table(self.write(tmp_path, "base: 65nm\nretention_us: 80\n")), load_table("65nm")
        machine = preset("dadiannao")
        saved = static_mw(machine, base) - static_mw(machine, table)
        assert saved == pytest.approx((256 * 5.656 + 16 * 11.273) / 80)

    def test_a_whole_table(self, tmp_path: Path) -> None:
        import json

        values = load_table("45nm").model_dump(mode="json")
        path = self.write(tmp_path, json.dumps(values))
        assert load_table(path) == load_table("45nm")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("base: 65nm\noperations: {addition: {value: 2, unit: mW, node_nm: 65, source: x}}", "'mW' does not measure"),
            ("base: 65nm\noperations: {addition: {value: 2, unit: pJ, node_nm: 22, source: x}}", "no rule from there to 65 nm"),
            ("base: 65nm\noperations: {addition: {value: 2, unit: pJ, source: x}}", "add node_nm at operations.addition"),
            ("base: 65nm\noperations: {addition: {value: 2, unit: '" + 99 * "p" + "', source: x}}", "at most 40 characters"),
            ("base: 65nm\noperations: {addition: {value: -2, unit: pJ, source: x}}", "greater than or equal to 0"),
            ("base: 65nm\noperations: {addition: {value: .inf, unit: pJ, source: x}}", "finite"),
            ("base: 65nm\noperations: {addition: {value: 2, unit: pJ}}", "missing key at operations.addition.source"),
            ("base: 65nm\noperations: {addition: {value: 2, unit: pJ, source: ''}}", "at least 1 character"),
            ("base: 65nm\noperations: {subtraction: {value: 2, unit: pJ, source: x}}", "at operations.subtraction"),
            ("base: 65nm\noperations: {subtraction: {value: 2, unit: pJ, source: x}}", "the keys are multiplication, addition"),
            ("base: 65nm\nenergies: {}", "the keys are name, node_nm"),
            ('base: 65nm\n"a\\nb": 1', "at 'a\\nb'"),
            ('base: 65nm\nname: "a\\nb"', "is no name"),
            ("base: 65nm\ndram: {hmb2: {value: 2, unit: pJ/bit, source: x}}", "no key 'hmb2'; the keys are default, unlimited"),
            ("base: 65nm\ndram: {hbm2: {value: 2, unit: pJ, source: x}}", "'pJ' does not measure"),
            ("base: 65nm\nmemories: {nm: 3}", "memories.nm"),
            ("base: 65nm\nretention_us: 0", "greater than 0 at retention_us"),
            ("base: 28nm", "'28nm' is not a cost table; one of 32nm, 45nm, 65nm"),
            ("base: {}", "is not a cost table"),
            ("name: mine", "missing key; `base: 65nm` would fill in from a shipped table, at node_nm"),
            ("base: 45nm\nnode_nm: 28", "no rule from there to 28 nm"),
            ("[1, 2]", "the cost table must be a YAML mapping"),
            ("a: {", "not valid YAML"),
            ("- " * 2000, "nested too deeply"),
            ("a: !!python/object:os.system {}", "not valid YAML"),
            ("base: 65nm\nbase: 45nm", "not valid YAML"),
        ],
    )
    def test_what_is_refused(self, text: str, message: str, tmp_path: Path) -> None:
        path = self.write(tmp_path, text)
        with pytest.raises(ConfigError, match=r".") as caught:
            load_table(path)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)

    def test_an_empty_memory(self, tmp_path: Path) -> None:
        values = load_table("45nm").model_dump()
        values["memories"]["nm"]["area"]["value"] = 0.0
        with pytest.raises(ConfigError, match=r"above 0 at memories\.nm"):
            CostTable.parse(values)

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            load_table(tmp_path / "none.yaml")
        with pytest.raises(ConfigError, match=r"there is no cost table 'none'; the tables are 32nm, 45nm, 65nm"):
            load_table("none")
        large = tmp_path / "large.yaml"
        large.write_bytes(b"#" * (1 << 20) + b"##")
        with pytest.raises(ConfigError, match="larger than 1 MiB"):
            load_table(large)
        os.mkfifo(tmp_path / "pipe.yaml")
        with pytest.raises(ConfigError, match="it is no file"):
            load_table(tmp_path / "pipe.yaml")
        binary = tmp_path / "binary.yaml"
        binary.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="not UTF-8"):
            load_table(binary)

    def test_all_keys_are_documented(self) -> None:
        text = (Path(__file__).parents[1] / "docs" / "cost.md").read_text("utf-8")
        for part in (Operations, Cells, Macros):
            for key in part.model_fields:
                assert f"`{key}`" in text, key
