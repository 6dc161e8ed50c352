"""Names as tables show them: on one line, cut where they are long, and different where they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from cnvlutin2.errors import one_line

_CUT = "~"
_LEAST = 8


def shown_names(names: Sequence[str], longest: int) -> list[str]:
    """Return names that have room in a column.

    Parameters
    ----------
    names : sequence of str
    longest : int
        Characters that there is room for; at least 8 are taken.

    Returns
    -------
    list of str
        A name for each: whole, or cut in the middle. Where cutting would make several the same, they show what they differ in;
        where that has no room, or they differ in nothing that is shown, a number.
    """
    longest = max(_LEAST, longest)
    whole = [one_line(name) for name in names]
    return _numbered(_told_apart(whole, [_middle_cut(name, longest) for name in whole], longest), longest)


def _middle_cut(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    tail = (longest - len(_CUT)) // 2
    return f"{name[: longest - len(_CUT) - tail]}{_CUT}{name[-tail:]}"


def _told_apart(whole: Sequence[str], cut: Sequence[str], longest: int) -> list[str]:
    """Return the cut names, those that are the same as others replaced by what they differ in, as far as there is room."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(cut):
        groups[name].append(index)
    found = list(cut)
    for indices in groups.values():
        alike = [whole[i] for i in indices]
        if len(set(alike)) == 1:
            continue
        first = _common(alike)
        last = _common([name[first:][::-1] for name in alike])
        for i, name in zip(indices, alike, strict=True):
            core = name[first : len(name) - last or None]
            around = longest - len(core) - 2 * len(_CUT)
            if around >= 2:
                head = min(first, around - around // 2)
                found[i] = f"{name[:head]}{_CUT}{core}{_CUT}{name[len(name) - min(last, around // 2) :]}"
    return found


def _common(names: Sequence[str]) -> int:
    """Return how many characters all names begin with in common."""
    return next((i for i, characters in enumerate(zip(*names, strict=False)) if len(set(characters)) > 1), min(map(len, names)))


def _numbered(names: Sequence[str], longest: int) -> list[str]:
    """Return the names, those that another has already with a number at their end."""
    found: dict[str, None] = {}
    for name in names:
        shown, number = name, 2
        while shown in found or (shown != name and shown in names):
            end = f"#{number}"
            shown, number = f"{name[: longest - len(end)]}{end}", number + 1
        found[shown] = None
    return list(found)
