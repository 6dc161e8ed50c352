"""NM, SB, DRAM and encoders of one image of a network in plain loops, written from docs/cost.md ("Memory system").

What a layer stores comes from `traffic_reference`; nothing is taken from the package but the layers, the organisation, and
each layer's mode and compute cycles. `decide_modes` finds the modes, from the cycles that each layer takes in either.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from reference import Given, Options, side_by_side, tiles_of
from traffic_reference import Traffic, is_row_packed

if TYPE_CHECKING:
    from cnvlutin2.layer import Layer

GB_PER_S = {"lpddr4": Fraction("12.8"), "ddr4-3200": Fraction("25.6"), "hbm2": Fraction(256)}


class Chain:
    """Layers in the order of execution, each in its mode: who reads what, in which format, and who waits for encoders.

    Layers read the same tensor whose activations are the same array object.
    """

    def __init__(self, layers: Sequence[Layer], options: Options, modes: Sequence[str]) -> None:
        self.layers, self.o = [side_by_side(layer, options) for layer in layers], options
        self.formats = [options.format if mode == "skip" else "dense" for mode in modes]

    def same(self, one: int, other: int) -> bool:
        """Whether two layers read the same tensor, stored alike."""
        first, second = self.layers[one], self.layers[other]
        return (
            first.activations is second.activations
            and (self.formats[one] == "dense" or first.threshold == second.threshold)
            and first.groups == second.groups
            and is_row_packed(first, self.o) == is_row_packed(second, self.o)
            and self.formats[one] == self.formats[other]
        )

    def fresh(self, index: int) -> bool:
        return not any(self.same(index, earlier) for earlier in range(index))

    def passes(self, index: int) -> list[list[list[int]]]:
        """Return the filters of each tile of the machine, in each pass of each group."""
        layer, at_a_time = self.layers[index], self.o.tiles * self.o.filters_per_tile
        found = []
        for group in range(layer.groups):
            own = range(group * layer.group_filters, (group + 1) * layer.group_filters)
            found += [tiles_of(own[i : i + at_a_time], self.o) for i in range(0, len(own), at_a_time)]
        return found

    def encoder_wait(self, index: int, cycles: int) -> int:
        """Return how long a layer that computes for `cycles` goes on waiting for the encoder of its busiest tile."""
        readers = [later for later in range(index + 1, len(self.layers)) if self.fresh(later)]
        if not readers or self.formats[readers[0]] == "dense" or self.o.encoder_values_per_cycle == 0:
            return 0
        layer, (height, width) = self.layers[index], self.layers[readers[0]].input_size
        positions = height * width
        if positions == 1:
            positions = self.layers[readers[0]].activations[0].size // layer.filters
        positions = min(positions, math.prod(layer.output_size))
        values = [0] * self.o.tiles
        for tiles in self.passes(index):
            for tile, filters in enumerate(tiles):
                values[tile] += positions * len(filters)
        return max(0, math.ceil(Fraction(max(values), self.o.encoder_values_per_cycle)) - cycles)


def decide_modes(layers: Sequence[Layer], organisation: Given, cycles: Mapping[str, Sequence[Sequence[int]]]) -> list[str]:
    """Return each layer's mode; `cycles[mode][layer][image]` are those of the datapath.

    `auto` is decided in the order of execution, by cycles and the layer's own wait for encoders, summed over the images, dense
    on a tie. Whether a layer's output is encoded depends on its reader's mode. One that is `auto` itself comes later and is
    not decided yet: it is taken to skip.
    """
    options = Options.of(organisation)
    wanted = [options.mode(layer) for layer in layers]
    modes: list[str] = []
    for index, mode in enumerate(wanted):
        if mode == "auto":
            later = ["skip" if m == "auto" else m for m in wanted[index + 1 :]]
            totals = {}
            for tried in ("dense", "skip"):
                chain = Chain(layers, options, [*modes, tried, *later])
                totals[tried] = sum(c + chain.encoder_wait(index, c) for c in cycles[tried][index])
            mode = "skip" if totals["skip"] < totals["dense"] else "dense"
        modes.append(mode)
    return modes


class Placement:
    """Walks the layers of one image in order.

    `events` holds, by layer, what the neighbours determine; `stalls` (waits for encoders), `dram` and `total` are cycles.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        organisation: Given,
        image: int,
        modes: Sequence[str],
        cycles: Sequence[int],
    ) -> None:
        self.o, self.image = Options.of(organisation), image
        self.chain = Chain(layers, self.o, modes)
        self.stored = [Traffic(layer, self.o, image, mode) for layer, mode in zip(layers, modes, strict=True)]
        self.layers = layers = self.chain.layers
        self.cycles = cycles
        self.events: list[Counter[str]] = [Counter() for _ in layers]
        self.room = (8 * self.o.nm_bytes // (self.o.brick * self.o.data_bits)) // self.o.batch
        for index in range(len(layers)):
            self._input(index)
        last = math.prod(layers[-1].output_size) * layers[-1].filters * self.o.data_bits
        for name in ("nm_bits_written", "nm_bits_spilled", "dram_activation_bits_written"):
            self.events[-1][name] += last
        self.weights = self._weights()
        for events, bits in zip(self.events, self.weights, strict=True):
            events["dram_weight_bits_read"] += bits
            events["sb_bits_written"] += bits
        self.stalls = [self.chain.encoder_wait(index, own) for index, own in enumerate(cycles)]
        self.dram = self._transfers()
        busy = [a + b for a, b in zip(cycles, self.stalls, strict=True)]
        self.total = [max(a, b) for a, b in zip(busy, self.dram, strict=True)]

    # Activations

    def row_bits(self, index: int) -> int:
        stored = self.stored[index]
        if stored.format == "packed_viai":
            return self.o.brick * self.o.data_bits + self.o.brick
        return stored.stream_bits // len(stored.records)

    def rows(self, index: int) -> int:
        return math.ceil(self.stored[index].footprint_bits() / self.row_bits(index))

    def bits_of_rows(self, index: int, rows: int) -> int:
        return min(self.stored[index].footprint_bits(), rows * self.row_bits(index))

    def passes_over_input(self, index: int) -> int:
        return len(self.chain.passes(index)) // self.layers[index].groups

    def _input(self, index: int) -> None:
        """The layer's input: written by the layer before, out to DRAM as far as there is no room, and back in."""
        outside = max(0, self.rows(index) - self.room)
        from_dram = self.bits_of_rows(index, outside) * (self.passes_over_input(index) - 1)
        if not self.chain.fresh(index):
            from_dram += self.bits_of_rows(index, outside)
        elif index == 0:
            from_dram += self.stored[0].footprint_bits()
        else:
            left = max(0, self.room - self.rows(index - 1))
            spilled = self.bits_of_rows(index, max(0, self.rows(index) - left))
            from_dram += spilled
            self.events[index - 1]["nm_bits_written"] += self.stored[index].footprint_bits()
            self.events[index - 1]["nm_bits_spilled"] += spilled
            self.events[index - 1]["dram_activation_bits_written"] += spilled
            if self.stored[index].format != "dense":
                self.events[index - 1]["encoder_values"] += self.layers[index].activations[0].size
        self.events[index]["dram_activation_bits_read"] += from_dram
        self.events[index]["nm_bits_filled"] += from_dram

    # Weights

    def of_pass_and_tile(self, index: int) -> list[list[int]]:
        """Return the bits of the weights of each tile, for each pass of each group.

        Of groups side by side, a filter has the zeros outside of its block too: as values in the formats that hold all of
        them, as bits of the vector where only the effectual ones follow.
        """
        layer = self.layers[index]
        bits = [self.filter_bits(layer, values) for values in layer.weights.reshape(layer.filters, -1).tolist()]
        return [[sum(bits[f] for f in tile) for tile in tiles] for tiles in self.chain.passes(index)]

    def filter_bits(self, layer: Layer, values: list[int]) -> int:
        effectual = sum(abs(value) >= layer.weight_threshold for value in values)
        return {
            "dense": self.o.data_bits * len(values),
            "bit_vector": (self.o.data_bits + 1) * len(values),
            "packed": len(values) + self.o.data_bits * effectual,
        }[self.o.weight_format]

    def capacity(self) -> int:
        bits = 8 * self.o.sb_bytes_per_tile
        return bits if self.o.weight_format == "dense" else bits + bits // self.o.data_bits

    def _weights(self) -> list[int]:
        stored = [self.of_pass_and_tile(index) for index in range(len(self.layers))]
        by_tile = [sum(tiles[t] for passes in stored for tiles in passes) for t in range(self.o.tiles)]
        if max(by_tile) <= self.capacity():
            return [0 for _ in self.layers]
        turn, loads = self.image % self.o.batch, []
        for layer, passes in zip(self.layers, stored, strict=True):
            bits = [count for tiles in passes for count in tiles]
            excess = sum(max(0, count - self.capacity()) for count in bits)
            once = sum(bits) - excess
            share = once * (turn + 1) // self.o.batch - once * turn // self.o.batch
            loads.append(share + excess * math.prod(layer.output_size))
        return loads

    # Time

    def _transfers(self) -> list[int]:
        if self.o.dram == "unlimited":
            return [0 for _ in self.layers]
        gb_per_s = GB_PER_S[self.o.dram] if isinstance(self.o.dram, str) else Fraction(str(self.o.dram))
        rate = 8 * gb_per_s / Fraction(str(self.o.clock_ghz))
        found, ahead = [], 0
        for index, events in enumerate(self.events):
            moved = sum(count for name, count in events.items() if name.startswith("dram_")) - ahead
            found.append(math.ceil(moved / rate))
            ahead = 0
            if self.o.prefetch_weights and index + 1 < len(self.layers):
                idle = max(0, self.cycles[index] + self.stalls[index] - found[index])
                own = [sum(of_tile) for of_tile in zip(*self.of_pass_and_tile(index), strict=True)]
                free = sum(max(0, self.capacity() - count) for count in own) // self.o.batch
                ahead = min(self.weights[index + 1], math.floor(idle * rate), free)
        return found
