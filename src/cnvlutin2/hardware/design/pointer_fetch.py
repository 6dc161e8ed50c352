"""`PointerFetch`: finds the records of packed VIAI through the indirection array."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cnvlutin2.encodings import get_format


class PointerFetch(wiring.Component):
    """Fetches a brick's record, and says how many NM rows it touched.

    It reads two memories: the indirection array, and NM's rows of ``B * b + B`` bits, in which the stream's bit `i` is bit
    ``i mod R`` of row ``i div R``. Both answer in the cycle after an address was put.

    Parameters
    ----------
    brick, data_bits : int
    pointer_group : int
        Bricks to a pointer; up to ``pointer_group - 1`` records are stepped over by their vectors.
    pointer_bits : int
        Bits of a pointer, at least.
    coordinate_bits : int
        Bits of each of y, x and cb, and of what they are multiplied by.

    Attributes
    ----------
    row_bricks, position_bricks : unsigned, in
        Bricks of a row of the map (``W * CB``) and of a position (``CB``). Row-packed: bricks of a row, and 1, and the brick in
        its row for x.
    places : stream, in
        Payload: ``y``, ``x``, ``cb``.
    records : stream, out
        Payload: ``bits``, as many as the largest record has, zero from its own end on; ``rows``, `r`, the rows that the
        record touches.
    pointer_address, pointer_data : out, in
        Of the indirection array; the pointer counts 16-bit units.
    row_address, row_data : out, in
        Of NM.
    """

    def __init__(self, brick: int, data_bits: int, pointer_group: int, pointer_bits: int, coordinate_bits: int) -> None:
        most_bits = get_format("packed_viai").most_bits(brick, data_bits)
        row_bits = brick * data_bits + brick
        most_rows = (most_bits - 2) // row_bits + 2
        place = data.StructLayout(dict.fromkeys(("y", "x", "cb"), coordinate_bits))
        super().__init__(
            {
                "row_bricks": In(coordinate_bits),
                "position_bricks": In(coordinate_bits),
                "places": In(stream.Signature(place)),
                "records": Out(stream.Signature(data.StructLayout({"bits": most_bits, "rows": range(most_rows + 1)}))),
                "pointer_address": Out(2 * coordinate_bits + 1),
                "pointer_data": In(pointer_bits),
                "row_address": Out(pointer_bits + 4),
                "row_data": In(row_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        raise NotImplementedError
