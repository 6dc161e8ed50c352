"""NM, SB, DRAM and encoders of one image of a network in plain loops, written from docs/cost.md ("Memory system").

What a layer stores comes from `traffic_reference`; nothing is taken from the package but the layers, the organisation, and
each layer's mode and compute cycles.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from traffic_reference import Traffic

if TYPE_CHECKING:
    from cnvlutin2.layer import Layer
    from cnvlutin2.organisation import Organisation

GB_PER_S = {"lpddr4": Fraction("12.8"), "ddr4-3200": Fraction("25.6"), "hbm2": Fraction(256)}


class Placement:
    """Walks the layers of one image in order.

    `events` holds, by layer, what the neighbours determine; `stalls`, `dram` and `total` are cycles.
    """

    def __init__(
        self, layers: Sequence[Layer], organisation: Organisation, image: int, modes: Sequence[str], cycles: Sequence[int]
    ) -> None:
        self.layers, self.o, self.image = layers, organisation, image
        self.stored = [Traffic(layer, organisation, image, mode) for layer, mode in zip(layers, modes, strict=True)]
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
        self.stalls = [self._stall(index) for index in range(len(layers))]
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

    def same(self, one: int, other: int) -> bool:
        """Whether two layers read the same tensor, stored alike."""
        first, second = self.layers[one], self.layers[other]
        return (
            first.activations.shape == second.activations.shape
            and bool((first.activations == second.activations).all())
            and first.threshold == second.threshold
            and first.groups == second.groups
            and self.stored[one].row_packed == self.stored[other].row_packed
            and self.stored[one].format == self.stored[other].format
        )

    def fresh(self, index: int) -> bool:
        return not any(self.same(index, earlier) for earlier in range(index))

    def passes(self, index: int) -> int:
        return math.ceil(self.layers[index].group_filters / (self.o.tiles * self.o.filters_per_tile))

    def _input(self, index: int) -> None:
        """The layer's input: written by the layer before, out to DRAM as far as there is no room, and back in."""
        outside = max(0, self.rows(index) - self.room)
        from_dram = self.bits_of_rows(index, outside) * (self.passes(index) - 1)
        if not self.fresh(index):
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

    def of_pass_and_tile(self, layer: Layer) -> dict[tuple[int, int, int], int]:
        """Bits of the weights of each group, pass and tile."""
        bits: dict[tuple[int, int, int], int] = {}
        for number, values in enumerate(layer.weights.reshape(layer.filters, -1).tolist()):
            group, index = divmod(number, layer.group_filters)
            taken, left = divmod(index, self.o.tiles * self.o.filters_per_tile)
            key = (group, taken, left // self.o.filters_per_tile)
            effectual = sum(abs(value) >= layer.weight_threshold for value in values)
            of_filter = {
                "dense": self.o.data_bits * len(values),
                "bit_vector": (self.o.data_bits + 1) * len(values),
                "packed": len(values) + self.o.data_bits * effectual,
            }
            bits[key] = bits.get(key, 0) + of_filter[self.o.weight_format]
        return bits

    def capacity(self) -> int:
        bits = 8 * self.o.sb_bytes_per_tile
        return bits if self.o.weight_format == "dense" else bits + bits // self.o.data_bits

    def _weights(self) -> list[int]:
        stored = [self.of_pass_and_tile(layer) for layer in self.layers]
        by_tile: Counter[int] = Counter()
        for bits in stored:
            for (_, _, tile), count in bits.items():
                by_tile[tile] += count
        if max(by_tile.values()) <= self.capacity():
            return [0 for _ in self.layers]
        turn, loads = self.image % self.o.batch, []
        for layer, bits in zip(self.layers, stored, strict=True):
            excess = sum(max(0, count - self.capacity()) for count in bits.values())
            once = sum(bits.values()) - excess
            share = once * (turn + 1) // self.o.batch - once * turn // self.o.batch
            loads.append(share + excess * math.prod(layer.output_size))
        return loads

    # Time

    def _stall(self, index: int) -> int:
        readers = [later for later in range(index + 1, len(self.layers)) if self.fresh(later)]
        if not readers or self.stored[readers[0]].format == "dense":
            return 0
        layer, (height, width) = self.layers[index], self.layers[readers[0]].input_size
        positions = height * width
        if positions == 1:
            positions = self.layers[readers[0]].activations[0].size // layer.filters
        positions = min(positions, math.prod(layer.output_size))
        values = 0
        for _ in range(layer.groups):
            for begin in range(0, layer.group_filters, self.o.tiles * self.o.filters_per_tile):
                values += positions * min(self.o.filters_per_tile, layer.group_filters - begin)
        return max(0, values - self.o.encoder_buffer_entries - self.cycles[index])

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
                own: Counter[int] = Counter()
                for (_, _, tile), count in self.of_pass_and_tile(self.layers[index]).items():
                    own[tile] += count
                free = sum(max(0, self.capacity() - own[tile]) for tile in range(self.o.tiles)) // self.o.batch
                ahead = min(self.weights[index + 1], math.floor(idle * rate), free)
        return found
