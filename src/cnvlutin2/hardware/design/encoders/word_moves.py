"""Words side by side in one value, moved by whole words: a multiplexer a bit and binary digit of the distance."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value


def moved_up(m: Module, name: str, words: Sequence[Value], distance: Value, length: int) -> Value:
    """Return `length` words, those given from word `distance` on, the others 0."""
    width = len(words[0])
    moved = Cat(*words, Const(0, max(0, length - len(words)) * width))[: length * width]
    for digit in range(len(distance)):
        step = Signal(length * width, name=f"{name}_up{1 << digit}")
        above = Cat(Const(0, min(width << digit, length * width)), moved)[: length * width]
        m.d.comb += step.eq(Mux(distance[digit], above, moved))
        moved = step
    return moved


def moved_down(m: Module, name: str, words: Sequence[Value], distance: Value) -> Value:
    """Return as many words, beginning with the one at `distance`, zeros after the last one."""
    moved = Cat(*words)
    bits = len(moved)
    for digit in range(len(distance)):
        step = Signal(bits, name=f"{name}_down{1 << digit}")
        m.d.comb += step.eq(Mux(distance[digit], moved[min(len(words[0]) << digit, bits) :], moved))
        moved = step
    return moved


def to_the_front(m: Module, name: str, words: Sequence[Value], keep: Sequence[Value]) -> Value:
    """Return as many words: first those to keep, in order, then zeros.

    A word goes down as far as there are others before it that are not kept, by one binary digit of this distance at a time, the
    lowest one first: so no two ever meet, since from one kept word to the next the distance grows by no more than lies between.
    """
    count, width = len(words), len(words[0])
    digits = range((count - 1).bit_length())
    gap: Value = Const(0, 1)
    places = []
    for index in range(count):
        place = Signal(width + max(1, len(digits)), name=f"{name}_before{index}")
        m.d.comb += place.eq(Mux(keep[index], Cat(words[index], gap), 0))
        places.append(place)
        after = Signal(range(count), name=f"{name}_gap{index}")
        m.d.comb += after.eq(gap + ~keep[index])
        gap = after
    for digit in digits:
        places = _one_digit_down(m, f"{name}_step{digit}", places, width, digit)
    return Cat(*(place[:width] for place in places))


def _one_digit_down(m: Module, name: str, places: Sequence[Value], width: int, digit: int) -> list[Value]:
    """Return the places after those of whose distance this binary digit is 1 went down by it."""
    after = []
    for index in range(len(places)):
        place, source = Signal(len(places[0]), name=f"{name}_{index}"), index + (1 << digit)
        stays = Mux(places[index][width + digit], 0, places[index])
        comes = Mux(places[source][width + digit], places[source], stays) if source < len(places) else stays
        m.d.comb += place.eq(comes)
        after.append(place)
    return after
