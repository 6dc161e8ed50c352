"""The organisations whose hardware is held against the model: each built once, for all layers of its tests."""

from __future__ import annotations

from cnvlutin2.organisation import Organisation

_MACHINES: dict[str, dict[str, object]] = {
    "dadiannao": {"layer_mode": "dense", "window_overhead": 1},
    "zfnaf": {"format": "zfnaf", "detect": "output"},
    "zfnaf-interleaved": {"format": "zfnaf", "detect": "output", "lane_map": "interleaved", "lanes": 3, "run_overhead": 1},
    "roe-output": {"format": "roe", "detect": "output", "brick": 8, "lanes": 2},
    "roe-dispatch": {"format": "roe", "detect": "dispatch", "data_bits": 8, "packing": "brick"},
    "viai": {"format": "viai", "detect": "output", "window_overhead": 2, "group_map": "parallel"},
    "packed": {"format": "packed_viai", "detect": "output", "lanes": 2, "data_bits": 8},
    "packed-no-skipping": {"format": "packed_viai", "skip_activations": False, "brick": 3},
    "raw": {"lanes": 5, "brick": 3},
    "raw-8": {"data_bits": 8, "lane_map": "interleaved", "run_overhead": 2, "group_map": "parallel"},
    "every-product": {"skip_activations": False, "tiles": 1},
    "shared": {"skip_weights": "shared"},
    "shared-in-step": {"skip_weights": "shared", "tile_sync": "brick", "filter_map": "spread", "run_overhead": 1},
    "shared-packed": {"skip_weights": "shared", "format": "packed_viai", "detect": "output", "brick": 8, "lanes": 2},
    "per-filter": {"skip_weights": "per_filter", "group_map": "parallel"},
    "per-filter-8": {"skip_weights": "per_filter", "data_bits": 8, "filter_map": "spread", "lane_map": "interleaved"},
    "per-filter-in-step": {"skip_weights": "per_filter", "tile_sync": "brick", "lanes": 2, "window_overhead": 1},
    "per-filter-viai": {"skip_weights": "per_filter", "format": "viai", "detect": "output", "skip_activations": False},
    "per-filter-window": {"skip_weights": "per_filter", "filter_sync": "window", "lanes": 2, "brick": 3},
    "drift-1": {"skip_weights": "per_filter", "filter_sync": 1, "lanes": 2},
    "drift-3": {"skip_weights": "per_filter", "filter_sync": 3, "lanes": 2, "brick": 2, "run_overhead": 1, "data_bits": 8},
    "drift-packed": {"skip_weights": "per_filter", "filter_sync": 2, "format": "packed_viai", "lanes": 2, "tiles": 1},
    "one-multiplier": {"tiles": 1, "filters_per_tile": 1, "lanes": 1, "brick": 2},
}

MACHINES = {
    name: Organisation.parse({"tiles": 2, "filters_per_tile": 2, "lanes": 4, "brick": 4, **options, "name": name})
    for name, options in _MACHINES.items()
}
"""By name: every front end, way of skipping, barrier and option that the hardware has, in sizes that build quickly."""

SIZES = {"window_runs": 128, "fifo_depth": 128, "nm_rows": 2048, "encoder_depth": 0}
"""Room for all layers that are drawn."""
