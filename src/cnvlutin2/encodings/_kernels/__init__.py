"""The compiled codecs (Numba), one module a format, beside the layout and bit helpers that they share.

They work on a chunk of bricks that fits the processor's second-level cache. A format's module has two functions:

``encode(brick, data_bits, values, high, low, words, bit, starts)``
    appends the records of the bricks `values` (int16, flat, whole bricks) to the stream `words` (uint64) from bit `bit` on and
    returns the bit after the last record.
``decode(brick, data_bits, words, bit, end, high, low, raw, values, starts)``
    fills `values` from the records at `bit`, none of which may reach beyond bit `end`, and returns the bit after the last
    one, or `REFUSED` if no encoder can have written these. What is wrong with them is left to the NumPy twin to say.

Both write each record's first bit to `starts` (int64, one a brick) if records differ in size. ``encode_16x8`` and the like, where
there are any, are the same for 16 values of 8 bits: the compiler knows the sizes and unrolls the brick.

An activation is effectual if it is greater than `high` or less than `low` (``threshold - 1`` and its negative, as int16).
`words` has two more words than the stream needs: a fetch reads the word after its own, a push writes it, a peek reads 7 bytes on.
Indices are unsigned because a signed one costs a test for wrapping at every access.

What must not become a branch (a coin toss a value, which mispredicts) is written as a table look-up, `KEEP[flag]`.
"""
