"""The accelerator itself: hardware from the same `Organisation`, cycle for cycle (docs/hardware.md)."""
