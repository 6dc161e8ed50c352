"""`Node`: the whole accelerator, its ports and what connects its parts.

Ports, in the order in which a pass uses them. Widths are those of `Parameters`; all are synchronous to ``clk``, and so is
``rst``, which resets when high; a stream's ``tready`` never depends on its ``tvalid``.

``weights_tvalid, weights_tready, weights_tdata[F*b], weights_tuser``
    Loads SB between passes: the weights of the `F` filters of a tile (filter 0 lowest) for one offset of one run of one lane.
    ``tuser`` is, from bit 0 up: word (``word_bits``: the offset, `q` above it), lane (``lane_bits``), tile (``tile_bits``).
``masks_tvalid, masks_tready, masks_tdata[S*B], masks_tuser``
    Only where weights are skipped: which weights of a run are wanted, bit ``s*B + offset`` for stream `s` (of `S`: one, or one a
    filter, ``mask_streams``). ``tuser``: `q` (``run_number_bits``), lane, tile. Masks of tiles and filters without work have to be 0.
``nm_tvalid, nm_tready, nm_tdata[row_bits], nm_tuser``
    Only with NM inside (``nm_rows > 0``): writes the row of a run (`run_layout.RowLayout`). ``tuser``: address
    (``nm_address_bits``), lane.
``lane_enable[L]``
    Lanes that have a run in a window. Like all that follows up to ``start``, to be held from ``start`` to ``done``.
``windows[32]``
    Windows of the pass, at least 1.
``force_masks``
    The layer runs dense: lanes take all values of their runs, and runs have no overhead.
``threshold[b]``
    Of activations, unsigned; compared where detection is at fetch.
``feed``
    Only with NM inside: 1 if runs come from outside (interleaved lanes, row packing), else fetch reads them from NM.
``fetch_*``
    Only with NM inside: the nested counters, see `fetch`.
``start``
    A pulse of one cycle. From it to ``done`` a pass takes ``cycles + FILL + DRAIN``.
``run_<l>_tvalid, run_<l>_tready, run_<l>_tdata[record_bits], run_<l>_tuser[user_bits], run_<l>_tlast``
    The runs of lane `l`, window after window: the record, and in ``tuser`` ``live`` (``brick`` bits) and above it ``rows``
    (``rows_bits``, with packed VIAI alone); all as in `run_layout.RowLayout`. Last: the lane's last run of the window. May be
    offered before ``start``, and is from then on taken as fast as the lanes walk; those of the next pass not before ``done``.
``wend, wend_window[32], wend_cycle[32]``
    A window has ended, its number, and the cycle of the pass in which it did, counted from 1; the cycle after it happened.
``outputs_tvalid, outputs_tdata[T*F*accumulator_bits], outputs_tuser[32], outputs_tlast``
    The accumulators of a window, tile after tile, filter 0 of tile 0 lowest, two's complement; the window's number; the pass's
    last. There is no ``tready``: nothing presses back on the lanes.
``busy, done``
    From the cycle after ``start`` to the one before ``done``; a pulse with the last outputs.
``cycles[32]``
    Clock cycles of the pass from the first in which a window is open to the last, all counted. Holds after ``done``.
``starved[32]``
    Those of them in which some lane waited for a run that was due.
"""
