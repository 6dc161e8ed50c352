"""Compare two JSON results, run by run; networks and images may be called differently."""

import json
import sys
from pathlib import Path

NAMES = ("network", "image_name")


def runs(file: str) -> list[dict[str, object]]:
    found = json.loads(Path(file).read_text())["runs"]
    return [{key: value for key, value in run.items() if key not in NAMES} for run in found]


first, second = map(runs, sys.argv[1:3])
if not first or first != second:
    wrong = sum(a != b for a, b in zip(first, second, strict=False))
    sys.exit(f"{len(first)} and {len(second)} runs, {wrong} differ")
print(f"{len(first)} runs are the same")
