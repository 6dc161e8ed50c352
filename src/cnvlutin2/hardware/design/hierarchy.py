"""`place`: puts a part into another, as a submodule, or for emission as an instance of a module that is emitted once."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import is_dataclass

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Const, Instance, Module, ResetSignal, Value
from amaranth.lib.wiring import Component, Flow

from cnvlutin2.errors import ConfigError

WIDEST = 1 << 16
"""Bits that Amaranth can give a module's inputs, or an instance's outputs, in all."""


class WrittenPart(Component):
    """A part that is not described but written in Verilog, for a macro or a tool to replace; elaborated, it does the same."""

    verilog: str
    """The module, with parameters."""

    @property
    def verilog_parameters(self) -> Mapping[str, int]:
        """What the module's parameters are for this part."""
        raise NotImplementedError


class Library:
    """The modules of a design that is emitted, each once; parts get it as their platform.

    Attributes
    ----------
    modules : dict of str
        RTLIL of each module by its name, parts before what they are parts of.
    written : dict of str
        Verilog of those that are written.
    """

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        self.written: dict[str, str] = {}
        self._names: dict[tuple[type, Hashable], str] = {}

    def take(self, part: Component) -> str:
        """Return the name of a part's module, which is made if the library has none for it."""
        _count_as_used(part)
        base = re.sub(r"(?<!^)(?=[A-Z])", "_", type(part).__name__).lower()
        if isinstance(part, WrittenPart):
            self.written[base] = part.verilog
            return base
        known = identity(part)
        if known not in self._names:
            others = sum(kind is type(part) for kind, _ in self._names)
            name = self._names[known] = f"{base}_{others}" if others else base
            refuse_too_wide(part)
            text = rtlil.convert(part, name=name, platform=self, emit_src=False)
            self.modules[name] = re.sub(rf"\\{name}\.(\w+)", r"\\\1", text)  # parts that are too wide for an instance
        return self._names[known]

    def has_port(self, module: str, port: str) -> bool:
        """Return whether a module has a port, as a clock."""
        if module in self.written:
            return port == "clk"
        return re.search(rf"^ *wire width \d+ input \d+ +\\{port}$", self.modules[module], re.MULTILINE) is not None


def identity(part: Component) -> tuple[type, Hashable]:
    """Return what makes a part's module what it is: its class and what it was made of."""
    made_of = {name: value for name, value in vars(part).items() if name[0] != "_" and _makes(value)}
    return type(part), tuple(sorted(made_of.items()))


def _makes(value: object) -> bool:
    """Return whether an attribute is one of those that say what a part is made of, and no signal or part of it."""
    return value is None or isinstance(value, (int, str)) or (is_dataclass(value) and not isinstance(value, type))


def ports_of(part: Component) -> Iterator[tuple[str, Flow, Value]]:
    """Yield the ports of a part: name, direction, signal."""
    for path, member, value in part.signature.flatten(part):
        yield "__".join(map(str, path)), member.flow, Value.cast(value)


def bits_of(part: Component, flow: Flow) -> int:
    """Return the bits of a part's ports of one direction."""
    return sum(len(value) for _, direction, value in ports_of(part) if direction is flow)


def refuse_too_wide(part: Component) -> None:
    """Refuse a part with more inputs than Amaranth can describe.

    Raises
    ------
    ConfigError
    """
    bits = bits_of(part, Flow.In)
    if bits >= WIDEST:
        raise ConfigError(
            f"{type(part).__name__} would have inputs of {bits} bits, and Amaranth describes modules of less than {WIDEST}; "
            "choose fewer lanes, tiles or filters_per_tile, or a smaller brick",
            "lanes",
        )


def place(m: Module, platform: object, name: str, part: Component, **inputs: Value) -> None:
    """Put a part into a module.

    Parameters
    ----------
    m : Module
    platform : object
        What `elaborate` got. With a `Library` the part becomes an instance, else (or with too many outputs) a submodule.
    name : str
        Of the instance.
    part : Component
        What it is made of stands in its attributes: numbers, words, and dataclasses that can be hashed.
    **inputs : Value
        What is connected to inputs here and now: for wide ones that many parts share, it spares a wire each.
    """
    if not isinstance(platform, Library) or bits_of(part, Flow.Out) >= WIDEST:
        m.submodules[name] = part
        m.d.comb += [getattr(part, port).eq(value) for port, value in inputs.items()]
        return
    module = platform.take(part)
    given: dict[str, object] = {}
    if isinstance(part, WrittenPart):
        given |= {f"p_{key}": Const(value, 32) for key, value in part.verilog_parameters.items()}
    for port, signal in (("clk", ClockSignal()), ("rst", ResetSignal())):
        if platform.has_port(module, port):
            given[f"i_{port}"] = signal
    for port, flow, value in ports_of(part):
        value.name = f"{name}_{port}"  # else all of them are called as the port is
        given[f"{'i' if flow is Flow.In else 'o'}_{port}"] = inputs.get(port, value)
    m.submodules[name] = Instance(module, **given)


def _count_as_used(part: Component) -> None:
    """Spare Amaranth's warning that a part was never elaborated: one of its kind was."""
    for each in (part, *(value for value in vars(part).values() if isinstance(value, Component))):
        each._MustUse__used = True
