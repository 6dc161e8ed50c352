"""Traffic: against plain loops, against closed forms, and what must be conserved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from traffic_reference import Traffic

from cnvlutin2 import ArrayNetwork, Layer, Organisation, preset, simulate
from cnvlutin2.cost.event_counts import Events, as_events, count_events
from cnvlutin2.cost.traffic import PRODUCTS, LayerTraffic, dense_traffic, skip_traffic
from cnvlutin2.encodings import footprints
from cnvlutin2.machine import EVENTS
from cnvlutin2.mapping import StepMap
from cnvlutin2.network import Network, open_network, save_traces
from cnvlutin2.organisation import with_overrides
from cnvlutin2.testing import integer_arrays, layers, organisations
from cnvlutin2.timing import SLOT_KINDS, make_engine
from cnvlutin2.timing.observed import ObservedLayer


def slots_of(products: Any) -> NDArray[np.int64]:
    """Return slots of which so many multiply, ``[N, kinds]``; traffic asks for no others."""
    slots = np.zeros((len(products), len(SLOT_KINDS)), np.int64)
    slots[:, PRODUCTS[-1]] = products
    return slots


def traffic_of(layer: Layer, organisation: Organisation, mode: str, products: Any = None) -> LayerTraffic:
    """Measure a layer in a mode; by default with the products that the timing model finds."""
    observed = ObservedLayer(layer)
    if mode == "dense":
        return dense_traffic(observed, organisation)
    if products is not None:
        return skip_traffic(observed, organisation, slots_of(products))
    (timing,) = make_engine(1).time([layer], [with_overrides(organisation, {"layer_mode": mode})])[0].organisations
    return skip_traffic(observed, organisation, timing.of("skip").slots)


def events_of(layer: Layer, organisation: Organisation, mode: str, products: Any = None) -> Events:
    machine = with_overrides(organisation, {"layer_mode": mode})
    return as_events(count_events([traffic_of(layer, machine, mode, products)], machine)[0])


def layer_of(
    activations: NDArray[np.int16], filters: int = 1, kernel: tuple[int, int] = (1, 1), name: str = "layer", **options: Any
) -> Layer:
    weights = np.ones((filters, activations.shape[1] // options.get("groups", 1), *kernel), np.int16)
    return Layer(name, activations, weights, **options)


class TestAgainstLoops:
    @settings(max_examples=320)
    @given(
        layers(max_images=2, max_channels=20, max_filters=7), organisations(data_bits=None), st.sampled_from(("skip", "dense"))
    )
    def test_every_event_of_a_layer(self, layer: Layer, organisation: Organisation, mode: str) -> None:
        found = events_of(layer, organisation, mode)
        for image in range(layer.images):
            expected = Traffic(layer, organisation, image, mode).events
            assert {name: int(counts[image]) for name, counts in found.items()} == {name: expected[name] for name in EVENTS}

    @given(layers(max_images=5), st.integers(1, 4))
    def test_images_are_measured_together_as_one_by_one(self, layer: Layer, group: int) -> None:
        packed = with_overrides(preset("cnv2-dispatch"), {"format": "packed_viai", "pointer_group": group})
        by_image = [events_of(layer.image(image), packed, "skip") for image in range(layer.images)]
        found = events_of(layer, packed, "skip")
        assert {name: counts.tolist() for name, counts in found.items()} == {
            name: [int(events[name][0]) for events in by_image] for name in found
        }

    @given(layers(max_images=2), organisations(data_bits=None), st.sampled_from(("skip", "dense")))
    def test_the_stored_input(self, layer: Layer, organisation: Organisation, mode: str) -> None:
        stored = traffic_of(layer, organisation, mode, np.zeros(layer.images)).stored
        for image in range(layer.images):
            reference = Traffic(layer, organisation, image, mode)
            assert stored.bits[image] == reference.footprint_bits()
            assert stored.rows[image] * stored.row_bits >= stored.bits[image] > (stored.rows[image] - 1) * stored.row_bits

    @settings(max_examples=160)
    @given(layers(max_images=2, max_channels=20, max_filters=7), st.lists(organisations(data_bits=None), min_size=2, max_size=4))
    def test_what_organisations_share_of_a_layer_is_that_of_each(self, layer: Layer, several: list[Organisation]) -> None:
        observed = ObservedLayer(layer)
        products = np.ones(layer.images, np.int64)
        for organisation in several:
            together = skip_traffic(observed, organisation, slots_of(products))
            alone = skip_traffic(ObservedLayer(layer), organisation, slots_of(products))
            counts = count_events([together], organisation), count_events([alone], organisation)
            np.testing.assert_array_equal(*counts)
            assert together.executed == alone.executed
            assert together.stored.row_bits == alone.stored.row_bits
            np.testing.assert_array_equal(together.stored.bits, alone.stored.bits)
            np.testing.assert_array_equal(together.weights.tile_bits, alone.weights.tile_bits)


class TestWindowsThatReadABit:
    @pytest.mark.parametrize("together", [1, 1 << 14])
    @pytest.mark.parametrize("shape", [(2, 3, 20, 19), (1, 9, 7, 8), (1, 2, 40, 41)])
    def test_they_are_those_of_the_places_that_each_step_reads(
        self, shape: tuple[int, ...], together: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnvlutin2.timing.observed._WORDS_TOGETHER", together)
        bits = np.random.default_rng(3).random(shape) < 0.5
        layer = layer_of(bits.astype(np.int16), kernel=(3, 2), strides=(2, 1), pads=(1, 0, 2, 1), dilations=(1, 2))
        places = StepMap.of(layer.geometry, 1, "brick").places_read()
        expected = np.zeros((*shape[:2], len(places)), np.int32)
        for n, c, step in np.ndindex(*expected.shape):
            expected[n, c, step] = sum(bool(bits[n, c].flat[place]) for place in places[step] if place >= 0)
        found = ObservedLayer(layer).windows_with(bits)
        np.testing.assert_array_equal(found, expected.reshape(*shape[:2], 3, 2))


class TestConservation:
    @given(layers(), organisations(), st.sampled_from(("skip", "dense")))
    def test_what_is_multiplied_was_read(self, layer: Layer, organisation: Organisation, mode: str) -> None:
        events = events_of(layer, organisation, mode)
        entry = organisation.data_bits + (organisation.offset_bits if mode == "skip" else 0)
        values = events["nbin_bits_read"] // entry
        assert (events["nbin_bits_read"] <= events["nbin_bits_written"]).all()
        assert (events["nbin_bits_written"] == events["broadcast_bits"]).all()
        # A value that a tile takes out of NBin meets at most the tile's filters.
        assert (events["multiplications"] <= values * organisation.filters_per_tile).all()
        assert (events["sb_weight_bits_read"] == events["multiplications"] * organisation.data_bits).all()
        assert (events["brick_buffer_bits_written"] <= events["nm_bits_read"]).all()
        if mode == "skip" and organisation.skip_activations:
            # All values come from the brick buffer; a tile gets each at most as often as all of them are taken out of it.
            assert (events["broadcast_bits"] <= events["brick_buffer_bits_read"] * organisation.tiles).all()

    @given(st.data(), organisations(), st.integers(1, 3))
    def test_bits_written_are_the_footprint_of_the_output(
        self, data: st.DataObject, organisation: Organisation, images: int
    ) -> None:
        maps = [data.draw(integer_arrays((images, channels, 4, 3))) for channels in (3, 7, 20)]
        chain = [layer_of(values, 7 if i == 0 else 20, name=f"conv{i + 1}") for i, values in enumerate(maps)]
        result = simulate(ArrayNetwork(chain), organisations=[organisation], jobs=1).networks[0]
        for producer, consumer, layer in zip(result.layers, result.layers[1:], chain[1:], strict=False):
            stored = organisation.format if consumer.mode == "skip" else "dense"
            key = (organisation.brick, organisation.data_bits, organisation.packing, organisation.pointer_group)
            expected = [footprints(layer, image, *key)[stored] for image in range(images)]
            assert producer.cost is not None
            assert producer.cost.events["nm_bits_written"].tolist() == expected

    def test_the_last_layer_writes_its_raw_results(self) -> None:
        layer = layer_of(np.ones((1, 16, 2, 3), np.int16), 5)
        cost = simulate(layer, organisations="cnv").networks[0].layers[0].cost
        assert cost is not None
        for name in ("nm_bits_written", "nm_bits_spilled", "dram_activation_bits_written"):
            assert cost.events[name].tolist() == [5 * 6 * 16]


class TestTensorsThatAreTheSame:
    """What several layers read is written once: the same tensor of the network, stored alike; equal values are not enough."""

    values = np.random.default_rng(0).integers(-3, 4, (2, 16, 2, 3), np.int16)
    bits = 6 * 256  # of the values in bricks, dense

    def written(self, chain: Sequence[Layer] | Network, organisation: str | Organisation = "cnv2-dispatch") -> list[int]:
        """Bits that are written to memory of the input of the layers after the first two, of the first image."""
        layers = simulate(chain, organisations=organisation, jobs=1).networks[0].layers
        return [int(layer.cost.events["nm_bits_written"][0]) for layer in layers[1:-1] if layer.cost is not None]

    def chain(self, *readers: Layer) -> list[Layer]:
        return [layer_of(np.ones((2, 5, 2, 2), np.int16), name="a"), layer_of(self.values + np.int16(1), name="b"), *readers]

    def test_of_arrays_it_is_the_same_array(self) -> None:
        one, again, copy = (layer_of(x, name=n) for n, x in (("c", self.values), ("d", self.values), ("e", self.values.copy())))
        assert self.written(self.chain(one, again, copy)) == [self.bits, 0, self.bits]

    def test_equal_maps_of_one_value_and_reversed_rows_are_others(self) -> None:
        constant = [layer_of(np.full((1, 16, 2, 3), v, np.int16), name=f"c{v}") for v in (1, 1, 2)][1:]
        first = layer_of(np.ones((1, 16, 2, 3), np.int16), name="one")
        assert self.written([layer_of(np.ones((1, 3, 2, 2), np.int16)), first, *constant]) == [self.bits, self.bits]
        turned = layer_of(np.ascontiguousarray(self.values[..., ::-1]), name="d")
        assert self.written(self.chain(layer_of(self.values, name="c"), turned)) == [self.bits, self.bits]
        view = layer_of(self.values[..., ::-1], name="d")
        assert self.written(self.chain(layer_of(self.values, name="c"), view)) == [self.bits, self.bits]

    def test_a_layer_may_say_which_it_reads(self) -> None:
        names = {"c": "x", "d": "x", "e": "y"}
        readers = [replace(layer_of(self.values.copy(), name=name), tensor=tensor) for name, tensor in names.items()]
        assert self.written(self.chain(*readers)) == [self.bits, 0, self.bits]
        same = [replace(layer_of(self.values, name=name), tensor=tensor) for name, tensor in names.items()]
        assert self.written(self.chain(*same)) == [self.bits, 0, self.bits]

    def test_a_threshold_makes_another_of_it_where_it_is_stored(self) -> None:
        readers = [replace(layer_of(self.values, name=f"r{t}"), threshold=t) for t in (1, 2)]
        assert self.written(self.chain(*readers), "cnv2-dispatch") == [self.bits, 0]  # raw
        assert self.written(self.chain(*readers), "cnv") == [6 * 320, 6 * 320]
        assert self.written(self.chain(readers[0], replace(readers[1], threshold=1)), "cnv") == [6 * 320, 0]

    def test_of_traces_each_is_another(self, tmp_path: Path) -> None:
        save_traces(self.chain(layer_of(self.values, name="c"), layer_of(self.values, name="d")), tmp_path)
        assert self.written(open_network(tmp_path)) == [self.bits, self.bits]


class TestClosedForms:
    """The dense baseline, whose traffic does not depend on values."""

    @given(layers(max_images=1))
    def test_dense(self, layer: Layer) -> None:
        machine = preset("dadiannao")
        events = {name: int(counts[0]) for name, counts in events_of(layer, machine, "dense").items()}
        passes, tiles = -(-layer.group_filters // 256), -(-layer.group_filters // 16)
        window_values = layer.windows * layer.weights[0].size * layer.groups
        assert events["multiplications"] == events["additions"] == layer.macs
        assert events["sb_weight_bits_read"] == 16 * layer.macs
        assert events["nbin_bits_read"] == events["nbin_bits_written"] == events["broadcast_bits"] == 16 * window_values * tiles
        assert events["nbout_bits_read"] == events["nbout_bits_written"] == 16 * layer.windows * layer.filters
        assert events["nm_bits_read"] == 256 * events["nm_rows_read"]
        assert events["nm_rows_read"] % passes == 0
        if layer.pads == (0, 0, 0, 0) and not layer.geometry.is_row_packed(16, "row"):
            positions = layer.windows * layer.kernel_size[0] * layer.kernel_size[1]
            assert events["nm_rows_read"] == positions * -(-layer.group_channels // 16) * layer.groups * passes
        for name in set(EVENTS) - {"multiplications", "additions", "nm_rows_read"}:
            if not name.startswith(("sb_weight", "nbin", "broadcast", "nbout", "nm_bits_read")):
                assert events[name] == 0, name


class TestByHand:
    """One window of two bricks at each of two positions; 20 filters, so two tiles."""

    values = np.zeros((1, 32, 1, 2), np.int16)
    values[0, [0, 3, 17], 0, 0] = (5, -2, 9)
    values[0, 31, 0, 1] = 1
    weights = np.ones((20, 32, 1, 2), np.int16)
    weights[:, 3] = 0
    weights[:16, 17] = 0
    layer = Layer("hand", values, weights)

    def test_dense(self) -> None:
        events = events_of(self.layer, preset("dadiannao"), "dense")
        assert events["nm_rows_read"].tolist() == [4]
        assert events["nm_bits_read"].tolist() == [4 * 256]
        assert events["broadcast_bits"].tolist() == [2 * 64 * 16]
        assert events["multiplications"].tolist() == [64 * 20]
        assert events["nbout_bits_written"].tolist() == [20 * 16]

    @pytest.mark.parametrize(
        ("name", "bits", "lookups", "detected", "offsets"),
        [
            ("cnv", 4 * 320, 0, 0, 0),
            ("cnv-roe", 4 * 257, 0, 0, 0),
            ("cnv-viai", 4 * 272, 0, 0, 4),
            # Records of 48, 32, 16 and 32 bits are 8 units of 16 bits: pointers of 3 bits.
            ("cnv-packed", 128 + 4 * 3, 4, 0, 4),
            ("cnv2-dispatch", 4 * 256, 0, 64, 4),
        ],
    )
    def test_formats(self, name: str, bits: int, lookups: int, detected: int, offsets: int) -> None:
        events = events_of(self.layer, preset(name), "skip")
        assert events["nm_bits_read"].tolist() == [bits]
        assert events["nm_rows_read"].tolist() == [4]
        assert events["pointer_lookups"].tolist() == [lookups]
        assert events["detector_values"].tolist() == [detected]
        assert events["offsets_generated"].tolist() == [offsets]
        assert events["broadcast_bits"].tolist() == events["nbin_bits_read"].tolist() == [2 * 4 * 20]
        assert events["brick_buffer_bits_read"].tolist() == [4 * 20]
        assert events["multiplications"].tolist() == [4 * 20]
        assert events["activations_selected"].tolist() == events["sb_vector_bits_read"].tolist() == [0]

    def test_pointers_for_groups_of_bricks(self) -> None:
        machine = Organisation(format="packed_viai", detect="output", pointer_group=3)
        events = events_of(self.layer, machine, "skip")
        # Reading the second and third brick of a group steps over one and two vectors of 16 bits.
        assert events["nm_bits_read"].tolist() == [128 + 4 * 3 + (1 + 2) * 16]

    @pytest.mark.parametrize("skip_weights", ["none", "shared", "per_filter"])
    @pytest.mark.parametrize(("channels", "effectual"), [(16, 13), (32, 29), (29, 26)])
    def test_raw_bricks(self, skip_weights: str, channels: int, effectual: int) -> None:
        """RoE stores bricks of 13 effectual values raw; walked as they are, their zeros go to the lanes, fill does not."""
        values = np.ones((1, channels, 1, 1), np.int16)
        values[0, :3] = 0
        layer = Layer("raw", values, np.ones((1, channels, 1, 1), np.int16))
        machine = Organisation.parse({"format": "roe", "skip_weights": skip_weights})
        found = {d: events_of(layer, with_overrides(machine, {"detect": d}), "skip") for d in ("dispatch", "output")}
        assert found["dispatch"]["brick_buffer_bits_read"].tolist() == [effectual * 20]
        assert found["output"]["brick_buffer_bits_read"].tolist() == [channels * 20]
        # While fetching, raw bricks of 16 values are looked through, and what is found needs an offset.
        bricks = -(-channels // 16)
        assert found["dispatch"]["detector_values"].tolist() == [16 * bricks]
        by_tile = skip_weights != "none"  # one filter: an offset for each value, whether for the tile or for the filter
        assert found["dispatch"]["offsets_generated"].tolist() == [effectual + by_tile * effectual]
        assert found["output"]["offsets_generated"].tolist() == [by_tile * channels]

    def test_shared(self) -> None:
        # The first tile needs values 0 and 31 of (0, 3, 17, 31), the second (4 filters) 17 too.
        events = events_of(self.layer, preset("cnv2-weights-shared"), "skip")
        assert events["nbin_bits_written"].tolist() == [2 * 4 * 20]
        assert events["nbin_bits_read"].tolist() == [5 * 20]
        assert events["multiplications"].tolist() == [2 * 16 + 3 * 4]
        assert events["offsets_generated"].tolist() == [4 + 5]
        assert events["sb_vector_bits_read"].tolist() == [2 * 64]

    def test_per_filter(self) -> None:
        events = events_of(self.layer, preset("cnv2-weights"), "skip")
        products = 2 * 16 + 3 * 4
        assert events["nbin_bits_read"].tolist() == [5 * 20]
        assert events["multiplications"].tolist() == events["activations_selected"].tolist() == [products]
        assert events["sb_weight_bits_read"].tolist() == [16 * products]
        assert events["offsets_generated"].tolist() == [4 + products]
        assert events["sb_vector_bits_read"].tolist() == [20 * 64]

    def test_tiles_that_run_freely_fetch_for_themselves(self) -> None:
        together, apart = (Organisation(skip_weights="shared", tile_sync=sync) for sync in ("window", "layer"))
        once, twice = (events_of(self.layer, machine, "skip") for machine in (together, apart))
        assert (twice["nm_bits_read"] == 2 * once["nm_bits_read"]).all()
        assert (twice["broadcast_bits"] == once["broadcast_bits"]).all()
