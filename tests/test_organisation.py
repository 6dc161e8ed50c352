"""The organisation: its defaults, what it refuses and in which words, presets, files and overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cnvlutin2.errors import ConfigError
from cnvlutin2.organisation import LayerModes, Organisation, load_organisations, preset, preset_names, to_yaml, with_overrides
from cnvlutin2.organisation.organisation import Concern
from cnvlutin2.testing import organisations

PRESETS = (
    *("dadiannao", "cnv", "cnv-roe", "cnv-viai", "cnv-packed", "cnv2-dispatch"),
    *("cnv2-weights-shared", "cnv2-weights", "cnv2-weights-drift"),
)
KEYS = tuple(Organisation.model_fields)


def refusal(values: dict[str, object]) -> ConfigError:
    """What is said about some values; always one line."""
    with pytest.raises(ConfigError) as caught:
        Organisation.parse(values, source="mine.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("(mine.yaml)")
    return caught.value


class TestModel:
    def test_the_published_machine_is_the_default(self) -> None:
        machine = Organisation()
        assert (machine.filters, machine.slots_per_cycle) == (256, 256 * 16)
        assert (machine.brick, machine.data_bits, machine.offset_bits, machine.row_bits) == (16, 16, 4, 272)
        assert (machine.nm_bytes, machine.sb_bytes_per_tile * machine.tiles) == (4 << 20, 32 << 20)
        assert (machine.nbin_entries, machine.nbout_entries, machine.clock_ghz) == (64, 64, 1.0)

    @pytest.mark.parametrize(("brick", "bits"), [(2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (16, 4), (17, 5), (64, 6)])
    def test_offset_bits(self, brick: int, bits: int) -> None:
        assert Organisation(brick=brick).offset_bits == bits

    def test_it_is_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            Organisation().tiles = 8

    @pytest.mark.parametrize("key", ["tiles", "filters_per_tile", "lanes", "nbin_entries", "nbout_entries"])
    def test_counts(self, key: str) -> None:
        for allowed in (1, 4096):
            assert getattr(Organisation.parse({key: allowed}), key) == allowed
        for value, limit in (
            (0, "greater than or equal to 1"),
            (4097, "less than or equal to 4096"),
            (-3, "greater than or equal to 1"),
        ):
            error = refusal({key: value})
            assert f"{value} is not allowed: should be {limit} at {key}" in str(error)
            assert error.where == key

    @pytest.mark.parametrize(
        ("key", "least", "most"),
        [
            ("brick", 2, 64),
            ("data_bits", 2, 16),
            ("run_overhead", 0, 1_000_000),
            ("window_overhead", 0, 1_000_000),
            ("pointer_group", 1, (1 << 31) - 1),
            ("nm_bytes", 1, 1 << 50),
            ("sb_bytes_per_tile", 1, 1 << 50),
        ],
    )
    def test_ranges(self, key: str, least: int, most: int) -> None:
        for allowed in (least, most):
            assert getattr(Organisation.parse({key: allowed}), key) == allowed
        assert f"should be greater than or equal to {least} at {key}" in str(refusal({key: least - 1}))
        assert f"should be less than or equal to {most} at {key}" in str(refusal({key: most + 1}))

    @pytest.mark.parametrize("value", [0, -1.0, 101, float("nan"), float("inf")])
    def test_clock(self, value: float) -> None:
        assert str(refusal({"clock_ghz": value})).split(": ", 1)[1].startswith("should be")
        assert refusal({"clock_ghz": value}).where == "clock_ghz"
        assert Organisation.parse({"clock_ghz": 2}).clock_ghz == 2.0

    @pytest.mark.parametrize(
        ("key", "allowed"),
        [
            ("skip_weights", ("none", "shared", "per_filter")),
            ("filter_sync", ("brick", "window")),
            ("filter_map", ("blocked", "spread")),
            ("group_map", ("serial", "parallel")),
            ("tile_sync", ("brick", "window", "layer")),
            ("lane_map", ("sliced", "interleaved")),
            ("format", ("dense", "zfnaf", "roe", "viai", "packed_viai")),
            ("detect", ("output", "dispatch")),
            ("packing", ("row", "brick")),
            ("layer_mode", ("skip", "dense", "auto")),
        ],
    )
    def test_choices(self, key: str, allowed: tuple[str, ...]) -> None:
        for choice in allowed:
            values = {key: choice} | ({"format": "zfnaf"} if (key, choice) == ("detect", "output") else {})
            assert getattr(Organisation.parse(values), key) == choice
        for wrong in ("sometimes", 0, None, ["none"]) + (({"a": "b"},) if key != "layer_mode" else ()):
            error = refusal({key: wrong})
            assert error.where == key
            assert all(f"'{choice}'" in str(error) for choice in allowed)

    @pytest.mark.parametrize("key", KEYS)
    def test_types_are_strict(self, key: str) -> None:
        """No key takes a list, and none takes the text of a number for a number."""
        assert refusal({key: [1]}).where == key
        if key not in ("name", "description"):
            assert refusal({key: "8"}).where == key

    def test_whole_numbers_and_truth_values(self) -> None:
        for value in (8.0, 8.5, True, None):
            assert "should be a valid integer at tiles" in str(refusal({"tiles": value}))
        for wrong in (1, "true", None):
            assert "should be a valid boolean at skip_activations" in str(refusal({"skip_activations": wrong}))

    @pytest.mark.parametrize("name", ["", "a\nb", "a\x1b[31m"])
    def test_names_fit_a_line(self, name: str) -> None:
        assert "is no name; give printable text on one line at name" in str(refusal({"name": name}))

    def test_unknown_keys_are_answered_with_the_known_ones(self) -> None:
        error = refusal({"tile": 8})
        assert str(error).startswith("unknown key 'tile'; the keys are name, description, tiles, ")
        assert all(key in str(error) for key in KEYS)
        assert error.where == "tile"

    def test_all_problems_are_named_at_once(self) -> None:
        text = str(refusal({"tiles": 0, "lanes": 0, "format": "zip"}))
        assert "(at tiles)" in text
        assert "(at lanes)" in text
        assert "(at format)" in text

    def test_endless_values_are_cut_short(self) -> None:
        endless: list[Any] = ["x"] * 10
        for _ in range(12):
            endless = [endless] * 10
        assert len(str(refusal({"layer_mode": endless}))) < 2000
        assert len(str(refusal({"tiles": "9" * 10_000}))) < 400
        assert len(str(refusal({"k" * 10_000: 1}))) < 11_000

    def test_detection_at_the_output_needs_a_format_that_carries_it(self) -> None:
        values: dict[str, object] = {"detect": "output", "format": "dense"}
        assert "zfnaf, roe, viai, packed_viai" in str(refusal(values))
        for harmless in ({"layer_mode": "dense"}, {"skip_activations": False}, {"format": "viai"}):
            assert Organisation.parse(values | harmless).detect == "output"


class TestLayerModes:
    def test_one_for_all(self) -> None:
        for mode in ("skip", "dense", "auto"):
            organisation = Organisation.parse({"layer_mode": mode})
            assert {organisation.mode_for("x", first=first) for first in (True, False)} == {mode}
            assert organisation.skips == (mode != "dense")

    def test_a_map(self) -> None:
        organisation = Organisation.parse({"layer_mode": {"default": "auto", "first": "dense", "conv3": "skip"}})
        assert organisation.mode_for("conv1", first=True) == "dense"
        assert organisation.mode_for("conv2", first=False) == "auto"
        assert organisation.mode_for("conv3", first=False) == "skip"
        assert organisation.mode_for("conv3", first=True) == "skip"  # a name is more than a place
        assert organisation.skips

    def test_what_a_map_leaves_open_skips(self) -> None:
        organisation = Organisation.parse({"layer_mode": {"fc6": "dense"}})
        assert organisation.mode_for("conv1", first=True) == "skip"
        assert organisation.mode_for("fc6", first=False) == "dense"
        assert Organisation.parse({"layer_mode": {"default": "dense"}}).mode_for("conv1", first=True) == "dense"

    def test_a_wrong_mode_is_named_with_its_layer(self) -> None:
        error = refusal({"layer_mode": {"default": "skip", "conv2": "fast"}})
        assert error.where == "layer_mode.conv2"
        assert str(error).startswith("'fast' is not allowed: should be 'skip', 'dense' or 'auto' at layer_mode.conv2")


class TestPresets:
    def test_names(self) -> None:
        assert preset_names() == PRESETS

    def test_unknown(self) -> None:
        for name in ("cnv3", "../presets/cnv", "__init__", ""):
            with pytest.raises(
                ConfigError, match=r"unknown organisation .*; the presets are dadiannao, cnv, .*, or give a YAML file"
            ):
                preset(name)

    @pytest.mark.parametrize("name", PRESETS)
    def test_each_is_the_published_machine_with_a_name_and_a_description(self, name: str) -> None:
        found = preset(name)
        assert found.name == name
        assert len(found.description) > 20
        same = ("tiles", "filters_per_tile", "lanes", "brick", "data_bits", "packing", "lane_map", "tile_sync", "run_overhead")
        assert {key: getattr(found, key) for key in same} == {key: getattr(Organisation(), key) for key in same}

    # format, where zeros are found, which weights are skipped, and how the first layer and the others run
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("dadiannao", ("dense", "dispatch", "none", "dense", "dense")),
            ("cnv", ("zfnaf", "output", "none", "dense", "skip")),
            ("cnv-roe", ("roe", "output", "none", "dense", "skip")),
            ("cnv-viai", ("viai", "output", "none", "dense", "skip")),
            ("cnv-packed", ("packed_viai", "output", "none", "dense", "skip")),
            ("cnv2-dispatch", ("dense", "dispatch", "none", "skip", "skip")),
            ("cnv2-weights-shared", ("dense", "dispatch", "shared", "dense", "skip")),
            ("cnv2-weights", ("dense", "dispatch", "per_filter", "dense", "skip")),
        ],
    )
    def test_what_they_are(self, name: str, expected: tuple[str, ...]) -> None:
        found = preset(name)
        modes = (found.mode_for("conv1", first=True), found.mode_for("conv2", first=False))
        assert (found.format, found.detect, found.skip_weights, *modes) == expected


class TestLoading:
    def names(self, spec: Any) -> list[str]:
        return [organisation.name for organisation in load_organisations(spec)]

    def test_lists(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine.yaml"
        mine.write_text("base: cnv\ntiles: 8\n", "utf-8")
        assert self.names("cnv, cnv2-weights,,cnv") == ["cnv", "cnv2-weights"]
        assert self.names("all") == list(PRESETS)
        assert self.names(["cnv2-weights", mine, Organisation(name="own"), "dadiannao,cnv"]) == [
            *("cnv2-weights", "mine", "own", "dadiannao", "cnv")
        ]
        assert self.names(f"cnv,{mine}") == ["cnv", "mine"]

    def test_nothing_and_two_of_one_name(self) -> None:
        empty: list[str] = []
        for nothing in ("", " , ", empty):
            with pytest.raises(ConfigError, match="no organisation given; name at least one at arch"):
                load_organisations(nothing)
        with pytest.raises(ConfigError, match="two different organisations are called 'cnv'; give one another name"):
            load_organisations(["cnv", Organisation(name="cnv")])

    def test_a_file_may_stand_on_a_preset(self, tmp_path: Path) -> None:
        file = tmp_path / "small.yaml"
        file.write_text("base: cnv-packed\ntiles: 4 # a quarter\nlayer_mode: {default: auto, conv2: dense}\n", "utf-8")
        (found,) = load_organisations(file)
        assert found == Organisation.parse(
            {
                "name": "small",
                "format": "packed_viai",
                "detect": "output",
                "tiles": 4,
                "layer_mode": {"default": "auto", "conv2": "dense"},
            }
        )
        file.write_text("name: other\ndescription: mine\nlanes: 8\n", "utf-8")
        assert load_organisations(str(file)) == [Organisation(name="other", description="mine", lanes=8)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("tiles: 8\nlanes: 4\ntiles: 9\n", r'not valid YAML: found duplicate key "tiles" .* \(line 3\)'),
            ("layer_mode:\n  conv1: dense\n  conv1: skip\n", r'found duplicate key "conv1" .* \(line 3\)'),
            ("tiles: [1\n", "not valid YAML"),
            ("tiles: *none\n", "undefined alias"),
            ("tiles: !!python/object/apply:os.system [true]\n", "not valid YAML: could not determine a constructor"),
            ("--- {tiles: 1}\n--- {tiles: 2}\n", "another document"),
            ("a: " + "[" * 20_000, "nested too deeply"),
            ("", "the organisation must be a YAML mapping"),
            ("- tiles\n", "the organisation must be a YAML mapping"),
            ("base: cnv3\n", "'cnv3' is not a preset; one of dadiannao, cnv, .* at base"),
            ("base: [cnv]\n", "is not a preset"),
            ("1: 2\n", "unknown key '1'"),
            ("tiles: eight\n", "'eight' is not allowed: should be a valid integer at tiles"),
            ("base: cnv\nformat: dense\n", "detect=output needs a format"),
        ],
    )
    def test_bad_files(self, text: str, message: str, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text(text, "utf-8")
        with pytest.raises(ConfigError, match=message) as caught:
            load_organisations(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "latin.yaml").write_bytes(b"description: caf\xe9")
        for file, message in (("none.yaml", "No such file"), ("latin.yaml", "not UTF-8 text"), ("", "it is no file")):
            with pytest.raises(ConfigError, match=f"cannot read the organisation .*{message}"):
                load_organisations(tmp_path / file)

    @given(organisations(data_bits=None))
    def test_yaml_round_trip(self, tmp_path_factory: pytest.TempPathFactory, organisation: Organisation) -> None:
        file = tmp_path_factory.getbasetemp() / "round-trip.yaml"
        file.write_text(to_yaml(organisation), "utf-8")
        assert load_organisations(file) == [organisation]
        assert [line.split(":")[0] for line in to_yaml(organisation).splitlines() if line[0] != " "] == list(KEYS)


class TestOverrides:
    def test_text_and_mappings(self) -> None:
        found = with_overrides(
            preset("cnv2-weights"), ["tiles=8", " skip_weights = shared", "clock_ghz=1.5", "skip_activations=false"]
        )
        assert (found.name, found.tiles, found.skip_weights, found.clock_ghz) == ("cnv2-weights", 8, "shared", 1.5)
        assert not found.skip_activations
        assert with_overrides(preset("cnv2-weights"), {"tiles": 8, "skip_weights": "shared"}).tiles == 8
        assert with_overrides(preset("cnv"), []) == preset("cnv")
        assert preset("cnv2-weights").tiles == 16

    def test_filters_may_drift_so_many_runs(self) -> None:
        assert Organisation.parse({"filter_sync": 3, "skip_weights": "per_filter"}).drift == 3
        assert Organisation.parse({"filter_sync": 4096}).drift is None  # no effect, so nothing waits in NBin
        for wrong in (0, True, 4097, 1.5, "3"):
            error = refusal({"filter_sync": wrong, "skip_weights": "per_filter"})
            assert error.where == "filter_sync"
            assert "'brick', 'window' or a whole number of runs from 1 to 4096" in str(error)
        assert "for 0 runs say 'brick'" in str(refusal({"filter_sync": 0}))
        with pytest.raises(ConfigError, match="nbin_entries=64; give at least 80"):
            Organisation.parse({"filter_sync": 4, "skip_weights": "per_filter"})
        assert Organisation.parse({"filter_sync": 4, "skip_weights": "per_filter", "nbin_entries": 80}).drift == 4

    def test_it_is_immutable_and_hashable(self) -> None:
        modes = preset("cnv").layer_mode
        assert isinstance(modes, LayerModes)
        with pytest.raises(TypeError):
            modes["first"] = "skip"  # type: ignore[index]
        assert preset("cnv").mode_for("conv1", first=True) == "dense"
        same = Organisation.parse(preset("cnv").model_dump())
        assert same == preset("cnv")
        assert hash(same) == hash(preset("cnv"))
        assert len({preset(name) for name in PRESETS} | {same}) == len(PRESETS)

    def test_every_parameter_says_what_it_concerns(self) -> None:
        assert sorted(key for concern in get_args(Concern) for key in Organisation.concerning(concern)) == sorted(KEYS)

    def test_single_layers(self) -> None:
        found = with_overrides(preset("cnv"), ["layer_mode.conv3=auto", "layer_mode.first=skip"])
        assert found.layer_mode == LayerModes({"default": "skip", "first": "skip", "conv3": "auto"})
        found = with_overrides(preset("dadiannao"), ["layer_mode.conv3=skip"])
        assert found.layer_mode == LayerModes({"default": "dense", "conv3": "skip"})
        found = with_overrides(preset("cnv"), ["layer_mode.block.1/conv=dense"])
        assert found.mode_for("block.1/conv", first=False) == "dense"
        assert with_overrides(preset("cnv"), ["layer_mode={default: auto}"]).layer_mode == LayerModes({"default": "auto"})

    @given(st.sampled_from(PRESETS), organisations(data_bits=None))
    def test_all_keys_at_once_make_the_other(self, name: str, other: Organisation) -> None:
        assert with_overrides(preset(name), other.model_dump()) == other

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("tiles", "cannot read 'tiles': write KEY=VALUE"),
            ("=8", "cannot read '=8': write KEY=VALUE"),
            ("tiles=", "None is not allowed: should be a valid integer at tiles"),
            ("tiles=0", "0 is not allowed: should be greater than or equal to 1 at tiles"),
            ("tiles=1e1", "10.0 is not allowed: should be a valid integer at tiles"),
            ("tiles.all=8", "'tiles' has no parts; write tiles=VALUE at tiles.all"),
            ("tiles.=8", "'tiles' has no parts"),
            ("bricks=8", "unknown key 'bricks'; the keys are name, "),
            ("layer_mode.conv1=fast", "'fast' is not allowed: should be 'skip', 'dense' or 'auto' at layer_mode.conv1"),
            ("tiles={a: b", "cannot read the value '{a: b'.* at tiles"),
            ("name=!!python/name:os.system x", "cannot read the value .* at name"),
            ("detect=maybe", "'maybe' is not allowed: should be 'output' or 'dispatch' at detect"),
        ],
    )
    def test_refused(self, override: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message) as caught:
            with_overrides(preset("cnv"), [override])
        assert str(caught.value).endswith("(--set)")
        assert "\n" not in str(caught.value)
