"""The compiled codecs (Numba), one module a format, beside the layout and bit helpers that they share.

They work on a chunk of bricks that fits the processor's second-level cache. A format's module has two functions:

``encode(values, brick, data_bits, high, low, words, bit, starts)``
    appends the records of the bricks `values` (int16, flat, whole bricks) to the stream `words` (uint64) from bit `bit` on and
    returns the bit after the last record.
``decode(words, bit, end, brick, data_bits, high, low, raw, values, starts)``
    fills `values` from the records at `bit`, none of which may reach beyond bit `end`, and returns the bit after the last
    one. A negative result is ``-(1 + brick number * 8 + fault)`` (`cnvlutin2.encodings.faults`).

Both write each record's first bit to `starts` (int64, one a brick) if records differ in size. ``encode_16`` and ``decode_16`` are
the same for 16 values of 16 bits, the commonest widths: the compiler knows them and unrolls the brick.

An activation is effectual if it is greater than `high` or less than `low` (``threshold - 1`` and its negative, as int16).
`words` has two more words than the stream needs: a fetch reads the word after its own, a push writes it. Indices are unsigned
because a signed one costs a test for wrapping at every access.

What must not become a branch (a coin toss a value, which mispredicts) is written as a table look-up, `KEEP[flag]`.
"""
