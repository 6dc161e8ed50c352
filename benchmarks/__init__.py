"""Benchmarks, measured in one run and printed as ratios: ``python -m benchmarks --help``."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported
