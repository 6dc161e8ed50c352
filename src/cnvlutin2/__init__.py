"""Cnvlutin2: exact cycles, encodings, traffic and energy of zero-skipping accelerators."""
