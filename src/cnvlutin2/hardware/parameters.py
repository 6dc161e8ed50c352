"""`Parameters`: what the hardware of an organisation is made of, and what of an organisation cannot be built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

from cnvlutin2.encodings import get_format
from cnvlutin2.errors import ConfigError
from cnvlutin2.machine import Machine
from cnvlutin2.organisation import Organisation

Form = Literal["dense", "raw", "viai", "packed_viai", "zfnaf", "roe"]
"""How NM holds runs (`design.run_layout`)."""


MOST = 1 << 24
"""Of any size of a design."""


@dataclass(frozen=True)
class Parameters:
    """What a design is made of: an organisation, and the sizes that it leaves open.

    Parameters
    ----------
    organisation : Organisation
    window_runs : int
        Most runs of a lane in a window: SB holds the weights of as many, each for a brick of values.
    fifo_depth : int
        Runs that the FIFO in front of each lane of each tile holds, where tiles walk for themselves.
    nm_rows : int
        Rows of a bank of NM, a run each; 0 leaves NM and fetch out, and runs come from outside alone.
    encoder_depth : int
        Bricks that wait before the encoder of each tile; 0 leaves encoders out.
    """

    organisation: Organisation
    window_runs: int
    fifo_depth: int
    nm_rows: int
    encoder_depth: int

    @classmethod
    def of(
        cls,
        organisation: Organisation,
        *,
        window_runs: int | None = None,
        fifo_depth: int | None = None,
        nm_rows: int | None = None,
        encoder_depth: int | None = None,
    ) -> Self:
        """Return the parameters of an organisation; sizes that are not given follow from its memories.

        Parameters
        ----------
        organisation : Organisation
        window_runs, fifo_depth, nm_rows, encoder_depth : int, optional
            By default what SB, NBin, NM and the encoders' buffers hold; no encoders where a tile's outputs are no brick
            (`bricks_are_outputs`). A FIFO as deep as a lane's runs in a window never makes anybody wait.

        Raises
        ------
        ConfigError
            If the organisation has no hardware; it names the key, and what would do.
        """
        _refuse_what_is_not_built(organisation)
        o, machine = organisation, Machine.of(organisation)
        encoders = max(2, o.encoder_buffer_entries // o.brick) if _bricks_are_outputs(o) else 0
        if encoder_depth and not encoders:
            raise ConfigError(
                f"{encoder_depth} is not allowed: what a tile puts out is no storage brick, whose encoder could stand behind it; "
                "give 0, or an organisation with filters_per_tile=brick, filter_map=blocked and filter_sync other than window",
                "encoder_depth",
            )
        return cls(
            o,
            _runs_in_sb(o, machine) if window_runs is None else _at_least("window_runs", window_runs, 1),
            max(4, o.nbin_entries // o.brick) if fifo_depth is None else _at_least("fifo_depth", fifo_depth, 1),
            _rows_in_nm(o, machine) if nm_rows is None else _at_least("nm_rows", nm_rows, 0),
            encoders if encoder_depth is None else _at_least("encoder_depth", encoder_depth, 0),
        )

    @property
    def tiles(self) -> int:
        """Tiles; where the filters of a tile wait for each other at a window's end alone, each of them is a tile."""
        o = self.organisation
        return o.tiles * o.filters_per_tile if self._filters_are_tiles else o.tiles

    @property
    def filters_per_tile(self) -> int:
        """Filters of such a tile."""
        return 1 if self._filters_are_tiles else self.organisation.filters_per_tile

    @property
    def _filters_are_tiles(self) -> bool:
        return self.organisation.filters_part and self.organisation.drift is None

    @property
    def lanes(self) -> int:
        """Neuron lanes."""
        return self.organisation.lanes

    @property
    def brick(self) -> int:
        """Values of a run, at most."""
        return self.organisation.brick

    @property
    def data_bits(self) -> int:
        """Bits of an activation or weight."""
        return self.organisation.data_bits

    @property
    def offset_bits(self) -> int:
        """Bits of an offset within a run."""
        return self.organisation.offset_bits

    @property
    def rows_bits(self) -> int:
        """Bits of the NM rows that fetching a run touches, `r`; 0 where it is always one."""
        return most_rows(self.brick, self.data_bits).bit_length() if self.form == "packed_viai" else 0

    @cached_property
    def form(self) -> Form:
        """How NM holds runs, and so how lanes find their next value."""
        o = self.organisation
        if not o.skips or (not o.skip_activations and not get_format(o.format).indirect):
            return "dense"
        by_format: dict[str, Form] = {
            "dense": "raw",
            "zfnaf": "zfnaf",
            "roe": "roe",
            "viai": "viai",
            "packed_viai": "packed_viai",
        }
        return by_format[o.format]

    @property
    def always_forced(self) -> bool:
        """Whether lanes take all values of a run, effectual or not, in every layer."""
        return not self.organisation.skips or not self.organisation.skip_activations

    @property
    def detects(self) -> bool:
        """Whether values that are stored without a mark are compared with the threshold at fetch."""
        o = self.organisation
        return not self.always_forced and o.detect == "dispatch" and self.form in ("raw", "roe")

    @property
    def record_bits(self) -> int:
        """Bits of a run's record (`design.run_layout.RowLayout`): its values, and what marks them."""
        marks = {"viai": self.brick, "packed_viai": self.brick, "zfnaf": self.brick * self.offset_bits, "roe": 1}
        return self.brick * self.data_bits + marks.get(self.form, 0)

    @property
    def user_bits(self) -> int:
        """Bits beside a run's record: at which offsets it has a value, ``live``, and `r` above it."""
        return self.brick + self.rows_bits

    @property
    def row_bits(self) -> int:
        """Bits of a row of NM: a run's record and what stands beside it."""
        return self.record_bits + self.user_bits

    @property
    def skip_weights(self) -> Literal["none", "shared", "per_filter"]:
        """Which weights are skipped."""
        return self.organisation.skip_weights if self.organisation.skips else "none"

    @property
    def mask_streams(self) -> int:
        """Masks that a run has in a tile: none, one for all its filters, or one for each."""
        return {"none": 0, "shared": 1, "per_filter": self.filters_per_tile}[self.skip_weights]

    @property
    def tiles_in_step(self) -> bool:
        """Whether tiles that skip weights wait for each other at every run: the lanes of all tiles are one with more streams."""
        return self.skip_weights != "none" and self.organisation.tile_sync == "brick"

    @property
    def walks(self) -> int:
        """How many walk a window, each for itself: one for all tiles, or each tile behind its FIFOs."""
        return 1 if self.skip_weights == "none" or self.tiles_in_step else self.tiles

    @property
    def tile_streams(self) -> int:
        """Values that a lane gives a tile in a cycle: one, or one for each filter."""
        return self.filters_per_tile if self.skip_weights == "per_filter" else 1

    @property
    def streams(self) -> int:
        """Streams of a lane: those of its tile, or of all."""
        return self.tile_streams * (self.tiles if self.tiles_in_step else 1)

    @property
    def drift(self) -> int:
        """How many runs a stream may be ahead of the slowest of its lane; never more than a window has behind the first."""
        return min(self.organisation.drift or 0, self.window_runs - 1)

    @property
    def run_overhead(self) -> int:
        """Cycles added to every run that is not forced by the layer's mode."""
        return self.organisation.run_overhead if self.organisation.skips else 0

    @property
    def window_overhead(self) -> int:
        """Cycles added to every window."""
        return self.organisation.window_overhead

    @property
    def run_number_bits(self) -> int:
        """Bits of `q`, the number of a run within its lane's window."""
        return max(1, (self.window_runs - 1).bit_length())

    @property
    def word_bits(self) -> int:
        """Bits of an address in SB: `q`, and the offset below it."""
        return self.run_number_bits + self.offset_bits

    @property
    def lane_bits(self) -> int:
        """Bits of a lane's number."""
        return max(1, (self.lanes - 1).bit_length())

    @property
    def tile_bits(self) -> int:
        """Bits of a tile's number."""
        return max(1, (self.tiles - 1).bit_length())

    @property
    def nm_address_bits(self) -> int:
        """Bits of a row's number within its bank of NM."""
        return max(1, (self.nm_rows - 1).bit_length())

    @property
    def accumulator_bits(self) -> int:
        """Bits of an accumulator: whatever a window adds up to fits."""
        terms = self.window_runs * self.brick * self.lanes
        return 2 * self.data_bits + (terms - 1).bit_length()

    @property
    def fill(self) -> int:
        """Cycles from ``start``, its own included, to the first in which a window is open: fetch, FIFO, P and the barrier."""
        return 4 if self.walks == 1 else 6

    @property
    def drain(self) -> int:
        """Cycles from the last in which a window is open to ``done``, neither included: SB, multipliers, adder trees."""
        return 3

    @property
    def bricks_are_outputs(self) -> bool:
        """Whether what a tile puts out in a window is a storage brick, so that its encoder stands behind it."""
        return _bricks_are_outputs(self.organisation)

    @property
    def record_most_bits(self) -> int:
        """Bits of the largest record that an encoder writes."""
        return get_format(self.organisation.format).most_bits(self.brick, self.data_bits)

    @property
    def record_length_bits(self) -> int:
        """Bits of a record's length."""
        return self.record_most_bits.bit_length()


def _bricks_are_outputs(o: Organisation) -> bool:
    part = o.filters_part and o.drift is None  # then every filter is a tile
    return o.filters_per_tile == o.brick and o.filter_map == "blocked" and not part


def most_rows(brick: int, data_bits: int) -> int:
    """Return the most NM rows that a record of packed VIAI can touch: where it begins at a row's last bit."""
    return (get_format("packed_viai").most_bits(brick, data_bits) - 2) // (brick * data_bits + brick) + 2


def saturated_threshold(threshold: int, data_bits: int) -> int:
    """Return a layer's threshold in `data_bits` bits: from one more than the largest magnitude on, nothing is effectual."""
    return min(threshold, (1 << (data_bits - 1)) + 1)


def _runs_in_sb(o: Organisation, machine: Machine) -> int:
    runs = machine.tile_weight_bits // (o.filters_per_tile * o.lanes * o.brick * o.data_bits)
    return _of_memory("window_runs", runs, "sb_bytes_per_tile")


def _rows_in_nm(o: Organisation, machine: Machine) -> int:
    return _of_memory("nm_rows", machine.memory("nm").rows // o.lanes, "nm_bytes")


def _of_memory(name: str, value: int, key: str) -> int:
    if value > MOST:
        raise ConfigError(f"makes {name}={value}, more than the {MOST} that a design has; choose less, or give {name}", key)
    return max(1, value)


def _at_least(name: str, value: int, least: int) -> int:
    if not least <= value <= MOST:
        raise ConfigError(f"{value} is not allowed: give from {least} to {MOST}", name)
    return value


def _refuse_what_is_not_built(o: Organisation) -> None:
    known = ("dense", "zfnaf", "roe", "viai", "packed_viai")
    if o.format not in known:
        raise ConfigError(f"{o.format!r} has no hardware; choose one of {', '.join(known)}", "format")
    if o.skips and o.skip_weights != "none" and o.tile_sync == "layer":
        raise ConfigError(
            f"'layer' with skip_weights={o.skip_weights} lets tiles run apart without bound, and no buffer holds that; "
            "choose tile_sync=window or brick",
            "tile_sync",
        )
