"""What can be wrong with a record, as one integer, so that decoders can say it of many records at once."""

from __future__ import annotations

RAN_OUT, VECTOR, OFFSET, ENTRY, UNUSED, FLAG = 1, 2, 3, 4, 5, 6

TEXTS = {
    RAN_OUT: "its record reaches beyond the end of the stream",
    VECTOR: "its vector disagrees with its values",
    OFFSET: "its offsets do not ascend within the brick",
    ENTRY: "an entry holds an ineffectual value",
    UNUSED: "its unused bits are not zero",
    FLAG: "it is flagged raw although its entries fit",
}


def result(record: int, kind: int) -> int:
    """Return what a decoder returns for a record that is wrong."""
    return -(1 + record * 8 + kind)
