"""Traffic of one image of one layer in plain Python loops, written from docs/cost.md and sharing no code with the package.

A value is (channel of the group, y, x); a value in the padding has a y or x outside the map. Where groups are set side by side,
everything here, what is stored too, is that of the merged layer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from reference import Given, Options, side_by_side, tiles_of

if TYPE_CHECKING:
    from cnvlutin2.layer import Layer

Value = tuple[int, int, int]


def is_row_packed(layer: Layer, o: Options) -> bool:
    return o.packing == "row" and layer.group_channels < o.brick and layer.dilations[1] == 1


class Traffic:
    """An image of a layer as it is stored; `events` walks every window and counts what the layer alone determines."""

    def __init__(self, layer: Layer, organisation: Given, image: int, mode: str) -> None:
        self.o, self.image = Options.of(organisation), image
        self.layer = side_by_side(layer, self.o)
        self.skip = mode == "skip"
        self.format = self.o.format if self.skip else "dense"
        self.row_packed = is_row_packed(self.layer, self.o)
        self.records = self._records()

    @cached_property
    def events(self) -> Counter[str]:
        """How often each event happens, over all groups."""
        counts: Counter[str] = Counter()
        for group in range(self.layer.groups):
            self._group(group, counts)
        return counts

    # Storage

    def effectual(self, group: int, value: Value) -> bool:
        channel, y, x = value
        height, width = self.layer.input_size
        if not (0 <= y < height and 0 <= x < width):
            return False
        at = int(self.layer.activations[self.image, group * self.layer.group_channels + channel, y, x])
        return abs(at) >= self.layer.threshold

    def brick_of(self, group: int, value: Value) -> tuple[int, ...]:
        channel, y, x = value
        if self.row_packed:
            return (group, y, (x * self.layer.group_channels + channel) // self.o.brick)
        return (group, y, x, channel // self.o.brick)

    def _records(self) -> dict[tuple[int, ...], tuple[int, int, int]]:
        """Of each brick, in storage order: effectual values, first bit and end in the stream."""
        height, width = self.layer.input_size
        counts: dict[tuple[int, ...], int] = {}
        for group in range(self.layer.groups):
            for y in range(height):
                for x in range(width):
                    for channel in range(self.layer.group_channels):
                        brick = self.brick_of(group, (channel, y, x))
                        counts[brick] = counts.get(brick, 0) + self.effectual(group, (channel, y, x))
        records, at = {}, 0
        for brick in sorted(counts):
            bits = self.record_bits(counts[brick])
            records[brick] = (counts[brick], at, at + bits)
            at += bits
        self.stream_bits = at
        self.order = {brick: number for number, brick in enumerate(records)}
        return records

    def offset_bits(self) -> int:
        return max(1, math.ceil(math.log2(self.o.brick)))

    def raw(self, brick: tuple[int, ...]) -> bool:
        room = self.o.brick * self.o.data_bits
        return self.format == "roe" and self.records[brick][0] * (self.o.data_bits + self.offset_bits()) > room

    def record_bits(self, count: int) -> int:
        size, bits = self.o.brick, self.o.data_bits
        if self.format == "packed_viai":
            return math.ceil((size + count * bits) / 16) * 16
        more = {"dense": 0, "zfnaf": size * self.offset_bits(), "roe": 1, "viai": size}
        return size * bits + more[self.format]

    def pointer_bits(self) -> int:
        return max(1, math.ceil(math.log2(self.stream_bits // 16))) if self.stream_bits > 16 else 1

    def footprint_bits(self) -> int:
        if self.format != "packed_viai":
            return self.stream_bits
        return self.stream_bits + math.ceil(len(self.records) / self.o.pointer_group) * self.pointer_bits()

    # Work

    def steps(self, oy: int, ox: int) -> Iterator[list[Value]]:
        layer = self.layer
        for ky in range(layer.kernel_size[0]):
            y = oy * layer.strides[0] - layer.pads[0] + ky * layer.dilations[0]
            row = [
                [
                    (channel, y, ox * layer.strides[1] - layer.pads[1] + kx * layer.dilations[1])
                    for channel in range(layer.group_channels)
                ]
                for kx in range(layer.kernel_size[1])
            ]
            if self.row_packed:
                yield [value for position in row for value in position]
            else:
                yield from row

    def _group(self, group: int, events: Counter[str]) -> None:
        layer, o = self.layer, self.o
        filters, at_a_time = range(layer.group_filters), o.tiles * o.filters_per_tile
        passes = [filters[i : i + at_a_time] for i in range(0, len(filters), at_a_time)]
        tiles = [tile for in_pass in passes for tile in tiles_of(in_pass, o) if tile]  # those in use, of all passes
        apart = self.skip and o.skip_weights != "none" and o.tile_sync == "layer"
        for oy in range(layer.output_size[0]):
            for ox in range(layer.output_size[1]):
                for tile in tiles:
                    for kind in ("written", "read"):
                        events[f"nbout_bits_{kind}"] += len(tile) * o.data_bits
                for number, step in enumerate(self.steps(oy, ox)):
                    for _ in range(len(tiles if apart else passes)):
                        self._fetch(group, step, events)
                    for tile in tiles:
                        self._multiply(group, number, step, tile, events)

    def in_map(self, value: Value) -> bool:
        return 0 <= value[1] < self.layer.input_size[0] and 0 <= value[2] < self.layer.input_size[1]

    def seen(self, group: int, value: Value) -> bool:
        if not self.skip or not self.o.skip_activations:
            return True
        if not self.in_map(value):
            return False
        carried_raw = self.o.detect == "output" and self.raw(self.brick_of(group, value))
        return carried_raw or self.effectual(group, value)

    def _fetch(self, group: int, step: list[Value], events: Counter[str]) -> None:
        o = self.o
        for brick in {self.brick_of(group, value) for value in step if self.in_map(value)}:
            _, begin, end = self.records[brick]
            row_bits = o.brick * o.data_bits + o.brick
            packed = self.format == "packed_viai"
            stepped_over = self.order[brick] % o.pointer_group if packed else 0
            bits = end - begin + stepped_over * o.brick
            events["nm_rows_read"] += (end - 1) // row_bits - begin // row_bits + 1 if packed else 1
            events["nm_bits_read"] += bits + (self.pointer_bits() if packed else 0)
            events["pointer_lookups"] += packed
            if self.skip:
                events["brick_buffer_bits_written"] += bits
                bare = self.format == "dense" or self.raw(brick)
                if o.skip_activations and o.detect == "dispatch" and bare:
                    events["detector_values"] += o.brick
        for value in step:
            if self.skip and self.in_map(value) and self.seen(group, value):
                events["brick_buffer_bits_read"] += o.data_bits + self.offset_bits()
                events["offsets_generated"] += self.needs_offset(group, value)

    def needs_offset(self, group: int, value: Value) -> bool:
        if not self.o.skip_activations or self.format == "zfnaf":
            return False
        if self.format == "roe":
            return self.o.detect == "dispatch" and self.raw(self.brick_of(group, value))
        return True

    def weight(self, group: int, number: int, index: int, filter_: int) -> bool:
        layer = self.layer
        if self.row_packed:
            ky, (kx, channel) = number, divmod(index, layer.group_channels)
        else:
            (ky, kx), channel = divmod(number, layer.kernel_size[1]), index
        return abs(int(layer.weights[group * layer.group_filters + filter_, channel, ky, kx])) >= layer.weight_threshold

    def _multiply(self, group: int, number: int, step: list[Value], tile: list[int], events: Counter[str]) -> None:
        o = self.o
        width = o.data_bits + (self.offset_bits() if self.skip else 0)
        skip_weights = o.skip_weights if self.skip else "none"
        vectors = {"none": 0, "shared": 1, "per_filter": len(tile)}[skip_weights]
        events["sb_vector_bits_read"] += vectors * len(step)
        for index, value in enumerate(step):
            if not self.seen(group, value):
                continue
            events["broadcast_bits"] += width
            events["nbin_bits_written"] += width
            effectual = [self.weight(group, number, index, filter_) for filter_ in tile]
            if skip_weights != "none" and not any(effectual):
                continue
            events["nbin_bits_read"] += width
            products = sum(effectual) if skip_weights == "per_filter" else len(tile)
            events["multiplications"] += products
            events["additions"] += products
            events["sb_weight_bits_read"] += products * o.data_bits
            events["offsets_generated"] += {"none": 0, "shared": 1, "per_filter": products}[skip_weights]
            events["activations_selected"] += products if skip_weights == "per_filter" else 0
