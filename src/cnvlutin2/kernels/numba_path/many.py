"""Many layers in one call, where layers are too small to share among threads.

These have no twins in `numpy_path`, which does every layer on its own. The tables are described in `cnvlutin2.kernels.records`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.addresses import array_at
from cnvlutin2.kernels.numba_path.many_lanes import find_counts, find_loads, find_rows, flag_raw_bricks, walk, weigh_rows
from cnvlutin2.kernels.numba_path.many_products import count_products, find_bits
from cnvlutin2.simd.jit import kernel

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@kernel
def address_of(values: NDArray[np.int16]) -> int:
    """Return where an array's values lie; NumPy takes six times as long to say it."""
    return values.ctypes.data


@kernel
def count_layers(layers: Any, lanes: Any, first: int, last: int, bits: Bytes, scratch: Bytes, sums: Ints, measured: Ints) -> None:
    """Find which activations are effectual, what follows from that alone, and the cycles where no weights are skipped.

    Parameters
    ----------
    layers, lanes : records, `LAYER` and `LANES`
    first, last : int
        Which layers to do.
    bits : uint8
        Effectual activations of the layers, 1 or 0, and at least 64 bytes more.
    scratch : uint8
        As many bytes as the layer asks for that needs the most.
    sums : int64 ``[images, layers, 3]``
        Effectual activations over all windows, their products with effectual weights, effectual activations stored.
    measured : int64 ``[images, results, 6]``
        `cnvlutin2.timing.lane_plan.QUANTITIES`; of results that are not about lanes, what does not depend on cycles.
    """
    for i in range(first, last):
        layer = layers[i]
        find_bits(layer, bits)
        count_products(layer, bits, scratch, sums, measured)
        for k in range(layer.first_lanes, layer.last_lanes):
            plan = lanes[k]
            row_bits = array_at(plan.row_bits, (plan.ways,), np.int64)
            mixed = array_at(plan.mixed, (plan.ways,), np.int64)
            begins = np.zeros(plan.ways, np.int64)  # of each way, where the stream of the image goes on
            for m in range(layer.images * layer.groups):
                n, g = m // layer.groups, m % layer.groups
                if not plan.idle:
                    find_counts(layer, plan, m, bits, scratch)
                for way in range(plan.ways):
                    result = measured[n, layer.measured + plan.result + way]
                    if mixed[way]:
                        result[2] = flag_raw_bricks(plan, way, scratch) + (result[2] if g else 0)
                    if row_bits[way]:
                        begins[way] = find_rows(plan, way, begins[way] if g else 0, scratch)
                    extra, slowest = np.int64(0), np.int64(plan.unit_slowest)
                    if plan.longest > 1:
                        extra, slowest = find_loads(plan, mixed[way], row_bits[way], scratch)
                    elif row_bits[way]:
                        extra = weigh_rows(plan, scratch)
                    if (plan.longest > 1 or row_bits[way]) and not plan.alone:
                        slowest = walk(plan, scratch, np.uint8(0)) if plan.load_bytes == 1 else walk(plan, scratch, np.uint16(0))
                    result[0] += slowest
                    result[1] += plan.unit_every + extra
