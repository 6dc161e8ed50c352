"""Cold start: ``cnvlutin2 run`` on the bundled networks as a process of its own, the first time ever and afterwards."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

LATER = 5


def main() -> None:
    print(__doc__)
    with tempfile.TemporaryDirectory() as cache:
        first = _seconds(cache)
        later = [_seconds(cache) for _ in range(LATER)]
    print(f"first, kernels compiled: {first:.1f} s (aim 15 s)")
    print(f"later, median of {LATER}:   {statistics.median(later):.1f} s (aim 3 s)")


def _seconds(cache: str) -> float:
    """Run the command with the compiled kernels in an own folder."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "cnvlutin2", "run"]
    subprocess.run(command, check=True, env={**os.environ, "NUMBA_CACHE_DIR": cache}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
