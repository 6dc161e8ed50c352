"""Comparing what a page, notebook or figure shows with what there is.

Words must be equal, and so must small whole numbers. Other numbers may differ by half a per cent, or one in the last decimal: a
network's values come from floating-point kernels, which another processor rounds otherwise now and then.
"""

from __future__ import annotations

import re

NUMBER = re.compile(r"(?<![\w#])\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?")
ANY_NUMBER = r"(\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?)"
EXACT_BELOW = 100


def check_shown(shown: str, found: str, place: str) -> None:
    """Compare texts; in `shown`, ``...`` alone on a line stands for any lines, within a line for any text."""
    lines = [_even(line) for line in shown.strip("\n").splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else _pattern(line) for line in lines)
    text = "".join(_even(line) + "\n" for line in found.strip("\n").splitlines())
    match = re.fullmatch(pattern, text)
    assert match is not None, f"{place} shows\n{shown}\nbut there is\n{text}"
    numbers = [number for line in lines for number in NUMBER.findall(line)]
    for one, other in zip(numbers, match.groups(), strict=True):
        assert _close(one, other), f"{place} shows {one}, but there is {other} in\n{text}"


def _even(line: str) -> str:
    """Return a line whose columns are a space apart: how wide they are depends on what else is in a table."""
    return " ".join(line.split())


def _pattern(line: str) -> str:
    parts = [ANY_NUMBER if i % 2 else _words(part) for i, part in enumerate(re.split(f"({NUMBER.pattern})", line))]
    return "".join(parts) + r"\n"


def _words(text: str) -> str:
    return ".*?".join(map(re.escape, text.split("...")))


def _close(one: str, other: str) -> bool:
    a, b = (float(text.replace(",", "")) for text in (one, other))
    if "." not in one:
        return a == b if a < EXACT_BELOW else abs(a - b) <= a / 200
    decimals = len(one.partition(".")[2].partition("e")[0])
    return abs(a - b) <= max(1.01 * 10.0**-decimals, a / 200)
