"""The constants that were chosen by measurement, with the machine and the date; `python -m benchmarks` shows what they do.

Measured on 2 cores of an x86-64 server with AVX-512 (BITALG), 24 GiB, in November 2026.
"""

BAND = 1 << 18
"""Activations of a band of a layer: its bits and counts stay in the second-level cache."""

ACTIVATIONS_PER_NS, LOOKS_PER_NS = 4, 1
"""How many activations are counted, and how many digits of weights looked up for 64 windows, in a nanosecond."""

THREAD_GRAIN_NS = 400_000
"""Estimated time below which a thread costs more than it brings: kernels are short, and hand the interpreter's lock about."""

BLOCK = 512
"""Windows whose masks are held at a time where weights are skipped, at most: with their sums they stay in the cache."""

LEAD_WINDOWS = 1
"""Windows for each filter of a tile from which looking for the filters that lead pays."""

ROWS = 512
"""Rows of row-packed maps whose bricks are looked at together, where some are stored raw: their words stay in the first cache."""
