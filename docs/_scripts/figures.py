"""Draw the documentation's figures: ``python docs/_scripts/figures.py [FOLDER]``, by default into ``docs/figures``.

Counts in the figures are worked out here or by the package, never typed in.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

from block_diagram import hardware
from drawing import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PAPER, RED, SKY, Drawing

from cnvlutin2 import preset, simulate
from cnvlutin2.organisation import with_overrides
from cnvlutin2.report.palette import SLOTS

FOLDER = Path(__file__).resolve().parents[1] / "figures"
CELL = 26


def storage(path: Path) -> None:
    """Bricks of a map, numbered in storage order; a shallow layer's rows."""
    height, width, channel_bricks = 2, 3, 2
    drawing = Drawing(720, 330, "Bricks in storage order: y, then x, then channel brick; shallow layers by rows")
    drawing.text(16, 26, "A map of 24 channels, 2 rows, 3 columns (B = 16)", bold=True)
    order = {place: i for i, place in enumerate(product(range(height), range(width), range(channel_bricks)))}
    for (y, x, cb), number in order.items():
        left, top = 70 + x * 100 + cb * 40, 60 + y * 44
        drawing.box(left, top, 38, 34, SKY)
        if cb:  # 24 = 16 + 8: half of the last brick is fill
            drawing.box(left + 19, top, 19, 34, GREY)
        drawing.text(left + 19, top + 22, str(number), 14, "middle", bold=True)
    for x in range(width):
        drawing.text(109 + x * 100, 50, f"x = {x}", 12, "middle", FAINT)
    for y in range(height):
        drawing.text(58, 82 + y * 44, f"y = {y}", 12, "end", FAINT)
    for i, words in enumerate(
        (
            "A position holds two bricks along the",
            "channels: 16 values, then 8 and fill (grey).",
            "The numbers are the order in the stream.",
        )
    ):
        drawing.text(390, 84 + i * 18, words, 12)
    drawing.line(16, 166, 704, 166, GREY)
    drawing.text(16, 194, "A shallow row: 3 channels, 7 columns (B = 16)", bold=True)
    left, size = 70, 24
    for i in range(32):
        drawing.box(left + i * size * 0.8, 212, size * 0.8, 34, GREY if i >= 21 else (SKY, PAPER)[(i // 3) % 2])
    for brick in range(3):
        edge = left + brick * 16 * size * 0.8
        drawing.line(edge, 206, edge, 268, BLUE, 2)
        if brick < 2:
            drawing.text(edge + 6, 264, f"brick {brick}", 12, colour=BLUE)
    drawing.text(
        16, 294, "The row's W x Cg = 21 values, x first and channel inside, are cut to bricks; only the row's last brick is", 12
    )
    drawing.text(16, 312, "filled. Columns alternate in shade: a brick need not begin where a position does.", 12)
    drawing.save(path)


def lanes(path: Path) -> None:
    """Which lane owns which value of a window of two steps, under both lane maps."""
    steps, values, lane_count, brick = 2, 10, 4, 2
    drawing = Drawing(720, 300, "Lanes under lane_map sliced and interleaved")
    drawing.text(
        16, 26, f"A window of {steps} steps of {values} values on L = {lane_count} lanes, bricks of B = {brick}", bold=True
    )
    colours = (BLUE, ORANGE, GREEN, RED)
    slice_ = -(-values // lane_count)
    for row, name in enumerate(("sliced", "interleaved")):
        top = 62 + row * 120
        drawing.text(16, top + 18, name, 14, bold=True)
        for step in range(steps):
            left = 130 + step * 290
            drawing.text(left, top - 6, f"step {step}", 12, colour=FAINT)
            for value in range(values):
                if name == "sliced":
                    lane, new_run = value // slice_, value % slice_ % brick == 0
                else:
                    lane, new_run = (step * values // brick + value // brick) % lane_count, value % brick == 0
                drawing.cell(left + value * CELL, top, CELL, str(lane), colours[lane], PAPER)
                if new_run:
                    drawing.line(left + value * CELL, top - 4, left + value * CELL, top + CELL + 4, INK, 3)
        if name == "sliced":
            drawing.text(
                130,
                top + 48,
                f"Each lane owns S = ceil({values}/{lane_count}) = {slice_} consecutive values of every step, cut into runs",
                12,
            )
            drawing.text(130, top + 64, "of at most B; what is left over makes the last lane's part short.", 12)
        else:
            drawing.text(130, top + 48, "Runs of B values, counted over the whole window, go to the lanes in turn:", 12)
            drawing.text(130, top + 64, f"step 1 begins with run {values // brick}, on lane {values // brick % lane_count}.", 12)
    drawing.text(16, 284, "The digit is the lane; a thick bar begins a run.", 12, colour=FAINT)
    drawing.save(path)


def barrier(path: Path) -> None:
    """Lanes of one window, run by run: products, fetches of empty runs, waiting at the barrier."""
    windows = (((3, 2), (1, 0), (2, 2), (0, 0)), ((1, 1), (2, 0), (4, 3), (1, 2)), ((4, 3), (4, 4), (3, 4), (2, 1)))
    drawing = Drawing(720, 274, "Lanes run apart inside a window and meet at its end")
    drawing.text(16, 26, "Three windows on four lanes, two runs a lane", bold=True)
    left, height = 80, 28
    for window, by_lane in enumerate(windows):
        end = max(sum(max(count, 1) for count in runs) for runs in by_lane)
        for lane, runs in enumerate(by_lane):
            top, x = 50 + lane * (height + 6), left
            if not window:
                drawing.text(66, top + 19, f"lane {lane}", 12, "end")
            for run, count in enumerate(runs):
                for _ in range(count):
                    drawing.box(x, top, CELL, height, (GREEN, "#58b99b")[run])
                    x += CELL
                if not count:
                    drawing.box(x, top, CELL, height, SKY)
                    drawing.text(x + CELL / 2, top + 19, "f", 12, "middle")
                    x += CELL
            while x < left + end * CELL:
                drawing.box(x, top, CELL, height, PAPER, GREY)
                drawing.text(x + CELL / 2, top + 19, "w", 12, "middle", FAINT)
                x += CELL
        left += end * CELL
        drawing.line(left, 42, left, 50 + 4 * (height + 6), RED, 3)
        drawing.text(left - 4, 204, f"window {window}: {end} cycles", 12, "end", RED)
        left += 14
    key = (
        (GREEN, "", "a product a cycle (a shade a run)"),
        (SKY, "f", "fetch: the run holds no work, but costs its row"),
        (PAPER, "w", "wait for the window's slowest lane"),
    )
    for i, (colour, letter, words) in enumerate(key):
        x, y = (16, 214 + i * 24) if i < 2 else (400, 214)
        drawing.cell(x, y, 18, letter, colour)
        drawing.text(x + 26, y + 14, words, 12)
    drawing.save(path)


def skipping(path: Path) -> None:
    """One run, two filters of a tile, and what each way of skipping weights makes of it."""
    activations = (1, 0, 1, 1, 0, 1, 0, 1)
    weights = ((1, 1, 1, 1, 0, 0, 1, 0), (0, 1, 0, 1, 0, 1, 0, 0))
    either = [int(any(column)) for column in zip(*weights, strict=True)]
    cost = {
        "none": [sum(activations)] * 2,
        "shared": [sum(a & w for a, w in zip(activations, either, strict=True))] * 2,
        "per_filter": [sum(a & w for a, w in zip(activations, own, strict=True)) for own in weights],
    }
    executed = {
        "none": [list(activations)] * 2,
        "shared": [[a & w for a, w in zip(activations, either, strict=True)]] * 2,
        "per_filter": [[a & w for a, w in zip(activations, own, strict=True)] for own in weights],
    }
    drawing = Drawing(720, 336, "What each way of skipping weights multiplies")
    drawing.text(16, 26, "A run of 8 values and the two filters of a tile: 1 is effectual", bold=True)
    for row, (name, bits) in enumerate(
        (("activations", activations), ("weights of filter 0", weights[0]), ("weights of filter 1", weights[1]))
    ):
        drawing.text(180, 62 + row * 32, name, 12, "end")
        for i, bit in enumerate(bits):
            drawing.cell(194 + i * CELL, 44 + row * 32, CELL, str(bit), (PAPER, SKY)[bit])
    words = {
        "none": "every filter multiplies every effectual one",
        "shared": "skipped if the whole tile has no weight",
        "per_filter": "each filter skips for itself",
    }
    for row, name in enumerate(cost):
        top = 152 + row * 58
        drawing.text(180, top + 14, f"skip_weights: {name}", 12, "end", bold=True)
        for f, own in enumerate(executed[name]):
            for i, bit in enumerate(own):
                useful = bit & weights[f][i]
                drawing.box(194 + i * CELL, top + f * 20, CELL, 18, (PAPER, (ORANGE, GREEN)[useful])[bit], INK if bit else GREY)
        drawing.text(
            416,
            top + 14,
            f"{' and '.join(map(str, dict.fromkeys(cost[name])))} cycles"
            + (f": the run costs {max(cost[name])}" if name == "per_filter" else ""),
            13,
            bold=True,
        )
        drawing.text(416, top + 32, words[name], 12)
    for x, colour, label in ((194, GREEN, "effectual product"), (340, ORANGE, "multiplied by an ineffectual weight")):
        drawing.box(x, 314, 12, 12, colour)
        drawing.text(x + 18, 325, label, 12)
    drawing.save(path)


def digits(path: Path) -> None:
    """Where the multiplier slots of the bundled pruned network go."""
    small = ("tiles=2", "lanes=4", "brick=4")
    archs = ("dadiannao", "cnv", "cnv2-weights")
    (network,) = simulate("digits-pruned", organisations=[with_overrides(preset(a), small) for a in archs], cost=False).networks
    slots = {arch: network.slots(arch) for arch in archs}
    whole = sum(slots["dadiannao"].values())
    drawing = Drawing(720, 300, "Where the cycles of the pruned digits network go, by organisation")
    drawing.text(16, 26, "digits-pruned on 2 tiles of 16 filters and 4 lanes: cycles, and where they go", bold=True)
    left, width = 124, 500
    for row, arch in enumerate(archs):
        top, x = 46 + row * 52, float(left)
        drawing.text(left - 10, top + 24, arch, 13, "end")
        for kind, style in SLOTS.items():
            part = slots[arch][kind] / whole * width
            if part:
                drawing.box(x, top, part, 36, style.colour, PAPER)
            x += part
        drawing.text(x + 8, top + 24, f"{network.speedup(arch):.2f}x", 13, bold=True)
    shown = [kind for kind in SLOTS if any(slots[arch][kind] for arch in archs)]
    for i, kind in enumerate(shown):
        x, y = 24 + i % 3 * 230, 216 + i // 3 * 24
        drawing.box(x, y, 14, 14, SLOTS[kind].colour)
        drawing.text(x + 20, y + 12, SLOTS[kind].label, 12)
    drawing.save(path)


def main(folder: Path) -> None:
    """Draw all figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (storage, lanes, barrier, skipping, digits, hardware):
        draw(folder / f"{draw.__name__}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
