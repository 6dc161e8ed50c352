"""Benchmarks, measured in one run and printed as ratios: ``python -m benchmarks --help``."""
