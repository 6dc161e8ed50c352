"""The events that cost something, and the part of the machine that pays for each (docs/cost.md, "Events")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A kind of event.

    Parameters
    ----------
    payer : str
        The part that pays: a memory, or what a result calls several units together.
    text : str
        What is counted.
    """

    payer: str
    text: str


DRAM = "dram"
"""The payer that is not on the chip."""

EVENTS: Mapping[str, Event] = {
    "nm_rows_read": Event("nm", "NM rows that fetches touch"),
    "nm_bits_read": Event("nm", "bits fetched from NM, vectors, offsets, flags and pointers included"),
    "nm_bits_written": Event("nm", "the layer's output as the layers that consume it store it"),
    "nm_bits_filled": Event("nm", "bits that arrive in NM from DRAM"),
    "nm_bits_spilled": Event("nm", "bits that leave NM for DRAM"),
    "pointer_lookups": Event("skip_logic", "look-ups in the indirection array"),
    "brick_buffer_bits_written": Event("brick_buffer", "bits of fetched bricks, kept until the lanes have walked them"),
    "brick_buffer_bits_read": Event("brick_buffer", "bits of activations and offsets that the dispatcher takes out"),
    "detector_values": Event("skip_logic", "activations compared with the threshold while fetching"),
    "offsets_generated": Event("skip_logic", "offsets made from a vector"),
    "activations_selected": Event("skip_logic", "activations that a multiplier takes out of the brick for itself"),
    "broadcast_bits": Event("broadcast", "bits that arrive at tiles"),
    "nbin_bits_written": Event("nbin", "bits of activations and offsets put into NBin"),
    "nbin_bits_read": Event("nbin", "bits of activations and offsets taken out of NBin"),
    "sb_weight_bits_read": Event("sb", "bits of the weights that are multiplied"),
    "sb_vector_bits_read": Event("sb", "bits that say which weights are effectual"),
    "sb_bits_written": Event("sb", "bits of weights that arrive in SB from DRAM"),
    "multiplications": Event("multipliers", "products"),
    "additions": Event("adders", "products added to a sum"),
    "nbout_bits_written": Event("nbout", "bits of finished sums put into NBout"),
    "nbout_bits_read": Event("nbout", "bits of finished sums taken out of NBout"),
    "encoder_values": Event("skip_logic", "output values that pass an encoder"),
    "dram_weight_bits_read": Event(DRAM, "bits of weights from DRAM"),
    "dram_activation_bits_read": Event(DRAM, "bits of activations from DRAM"),
    "dram_activation_bits_written": Event(DRAM, "bits of activations to DRAM"),
}
"""By name, of every machine: what a machine has no part for happens 0 times. What a name calls bits is bits; all else is a
number of times."""

PAYERS = tuple(dict.fromkeys(event.payer for event in EVENTS.values()))
"""Those who pay for events."""
