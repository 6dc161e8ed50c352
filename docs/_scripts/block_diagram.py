"""The block diagram of the hardware: where values go from NM to NM, and what holds lanes and windows together."""

from __future__ import annotations

from pathlib import Path

from drawing import BLUE, FAINT, GREY, INK, ORANGE, PAPER, RED, SKY, Drawing

TOP = 96
"""Where the way of the values begins."""


def hardware(path: Path) -> None:
    """Blocks from left to right in the order in which values pass them; control below."""
    drawing = Drawing(860, 452, "Block diagram: NM, fetch, dispatcher, FIFO, lane, tile and encoder; barrier and window control")
    drawing.text(16, 26, "From NM to NM: one lane and one tile of them all", bold=True)
    _frames(drawing)
    _way_in(drawing)
    _tile(drawing)
    _way_out(drawing)
    _control(drawing)
    drawing.text(
        16, 440, "Grey: memories.  Blue: what finds and moves values.  Orange: arithmetic.  Red: what lanes wait for.", 12
    )
    drawing.save(path)


def _block(drawing: Drawing, x: float, y: float, width: float, lines: tuple[str, ...], fill: str = PAPER) -> None:
    """Draw a block of 26 pixels and 15 for each line, its first one bold."""
    drawing.box(x, y, width, 15 * len(lines) + 13, fill)
    for i, words in enumerate(lines):
        drawing.text(x + width / 2, y + 18 + 15 * i, words, 12 if i == 0 else 11, "middle", INK, bold=i == 0)


def _frames(drawing: Drawing) -> None:
    for x, width, words in ((12, 246, "for each of L lanes"), (276, 410, "for each of T tiles")):
        drawing.box(x, 44, width, 264, PAPER, GREY)
        drawing.text(x + 8, 62, words, 12, colour=FAINT)
    drawing.box(288, 72, 150, 190, PAPER, GREY)
    drawing.text(296, 88, "for each of its L lanes", 11, colour=FAINT)
    drawing.box(548, 72, 130, 226, PAPER, GREY)
    drawing.text(556, 88, "for each of F filters", 11, colour=FAINT)


def _way_in(drawing: Drawing) -> None:
    _block(drawing, 22, TOP, 92, ("NM", "bank l:", "a run a row"), GREY)
    _block(drawing, 22, TOP + 92, 92, ("fetch", "ky, kx, ox, oy:", "adders only"), SKY)
    _block(drawing, 142, TOP + 92, 104, ("dispatcher", "front end of", "the format,", "[detect]"), SKY)
    drawing.arrow((68, TOP + 58), (68, TOP + 92))
    drawing.text(74, TOP + 80, "row", 11, colour=FAINT)
    drawing.arrow((114, TOP + 120), (142, TOP + 120))
    drawing.text(16, TOP + 182, "or runs from outside (interleaved", 11, colour=FAINT)
    drawing.text(16, TOP + 197, "lanes, packed rows)", 11, colour=FAINT)
    drawing.arrow((246, TOP + 120), (298, TOP + 120))
    drawing.text(272, TOP + 112, "run", 11, "middle", FAINT)


def _tile(drawing: Drawing) -> None:
    _block(drawing, 298, TOP + 92, 52, ("FIFO", "of runs"), GREY)
    _block(drawing, 370, TOP + 6, 62, ("masks", "of weights"), GREY)
    _block(drawing, 370, TOP + 82, 62, ("lane", "next: P", "current", "S streams"), SKY)
    drawing.arrow((350, TOP + 120), (370, TOP + 120))
    drawing.arrow((401, TOP + 49), (401, TOP + 82))
    _block(drawing, 462, TOP + 6, 62, ("SB", "q, offset"), GREY)
    drawing.arrow((432, TOP + 96), (493, TOP + 96), (493, TOP + 49))
    drawing.text(437, TOP + 90, "q, off", 11, colour=FAINT)
    _block(drawing, 560, TOP + 2, 106, ("L multipliers",), ORANGE)
    _block(drawing, 560, TOP + 62, 106, ("adder tree",), ORANGE)
    _block(drawing, 560, TOP + 122, 106, ("accumulator", "2b + log2 n bits"), ORANGE)
    drawing.arrow((524, TOP + 16), (560, TOP + 16))
    drawing.arrow((432, TOP + 126), (540, TOP + 126), (540, TOP + 24), (560, TOP + 24))
    drawing.text(446, TOP + 140, "val, act", 11, colour=FAINT)
    drawing.arrow((613, TOP + 30), (613, TOP + 62))
    drawing.arrow((613, TOP + 90), (613, TOP + 122))
    drawing.text(556, TOP + 184, "first, wend travel", 11, colour=FAINT)
    drawing.text(556, TOP + 198, "with the data", 11, colour=FAINT)


def _way_out(drawing: Drawing) -> None:
    _block(drawing, 708, TOP + 122, 136, ("rescaler", "shift, round, saturate"), ORANGE)
    _block(drawing, 708, TOP + 62, 136, ("bricks that wait",), GREY)
    _block(drawing, 708, TOP - 14, 136, ("encoder", "n values a cycle"), SKY)
    drawing.arrow((666, TOP + 144), (708, TOP + 144))
    drawing.arrow((776, TOP + 122), (776, TOP + 90))
    drawing.arrow((776, TOP + 62), (776, TOP + 29))
    drawing.text(776, 62, "records, to NM", 12, "middle")
    drawing.arrow((776, TOP - 14), (776, 66))
    drawing.text(708, TOP + 184, "where F = B and", 11, colour=FAINT)
    drawing.text(708, TOP + 198, "filter_map = blocked", 11, colour=FAINT)


def _control(drawing: Drawing) -> None:
    _block(drawing, 298, 336, 226, ("barrier", "go = AND of all fin and p_valid"), "#fbe3d4")
    _block(drawing, 22, 336, 224, ("window control", "start, windows, cycles, starved, done"), "#fbe3d4")
    drawing.arrow((386, TOP + 155), (386, 336), colour=RED)
    drawing.arrow((416, 336), (416, TOP + 155), colour=RED)
    drawing.text(380, 290, "fin, p_valid", 11, "end", RED)
    drawing.text(422, 290, "go", 11, colour=RED)
    drawing.arrow((298, 357), (246, 357), colour=RED)
    drawing.text(272, 350, "wend", 11, "middle", RED)
    drawing.arrow((524, 357), (613, 357), (613, 298), colour=BLUE, dash="4 3")
    drawing.text(620, 330, "first, wend", 11, colour=BLUE)
    drawing.text(
        16,
        404,
        "A window ends when every lane has issued its last value; the next one opens in the next cycle: nothing is drained.",
        12,
    )
    drawing.text(16, 421, "Without weight skipping one lane l serves all tiles, and there are no masks and no FIFOs.", 12)
