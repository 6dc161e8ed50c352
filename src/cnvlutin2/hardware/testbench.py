"""A self-checking test bench in Verilog for a layer, and its memory images, which ``$readmemh`` reads (docs/hardware.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from string import Template

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.hardware.port_words import Transfers, Words, bits_of_words, hex_lines, packed, words_from_bits
from cnvlutin2.hardware.ports import TOP, Ports, is_setting
from cnvlutin2.hardware.simulators.protocol import Design, PassJob

BENCH = "bench.v"
_COLUMNS = ("weights", "masks", "nm")


def bench_files(design: Design, jobs: Sequence[PassJob], title: str) -> dict[str, str]:
    """Return the files of a test bench by name: the bench, and the images that it reads.

    Parameters
    ----------
    design : Design
    jobs : sequence of PassJob
        All passes of all groups of one layer.
    title : str
        What the bench says that it runs.
    """
    ports = Ports.of(design.verilog, TOP)
    images = dict(_images(design, ports, jobs))
    files = {f"{name}.hex": hex_lines(words, bits) for name, (words, bits) in images.items()}
    sizes = {name: (len(words), bits) for name, (words, bits) in images.items()}
    return {BENCH: _bench(design, ports, jobs, title, sizes), **files}


Image = tuple[Words, int]
"""Rows of words, and how many bits of each are used."""


def _images(design: Design, ports: Ports, jobs: Sequence[PassJob]) -> Iterator[tuple[str, Image]]:
    streams = {name: [] for name in _COLUMNS if f"{name}_tvalid" in ports.inputs}  # type: dict[str, list[Transfers]]
    row_groups: list[Transfers] = []
    passes, last, in_nm = [], dict.fromkeys(_COLUMNS, 0), None
    for job in jobs:
        for name, parts in streams.items():
            transfers: Transfers = getattr(job.stimuli, name)
            if name == "nm" and transfers is in_nm:
                continue  # it is there
            parts.append(transfers)
            last[name] += len(transfers.data)
        in_nm = job.stimuli.nm
        if not row_groups or row_groups[-1] is not job.stimuli.rows:
            row_groups.append(job.stimuli.rows)
        passes.append([*last.values(), sum(len(rows.data) for rows in row_groups[:-1])])
    yield "passes", _numbers(np.array(passes))
    for name, parts in streams.items():
        yield name, _joined(parts, ports.bits(f"{name}_tdata"), ports.bits(f"{name}_tuser"))
    yield "rows", _joined(row_groups, ports.bits("run_0_tdata"), ports.bits("run_0_tuser"))
    yield "order", _numbers(np.concatenate(jobs[0].stimuli.order))
    yield "ends", _numbers(np.concatenate([job.work.window_ends for job in jobs]))
    p = design.parameters
    seats = p.tiles * p.filters_per_tile
    yield "seats", (packed(np.stack([job.work.occupied.ravel() for job in jobs]), 1), seats)
    outputs = np.concatenate([job.work.outputs.reshape(-1, seats) for job in jobs])
    yield "outputs", (packed(outputs, p.accumulator_bits), seats * p.accumulator_bits)


def _numbers(values: NDArray[np.integer]) -> Image:
    """Return numbers as an image of 32 bits each; at least one, for an image that is read must not be empty."""
    flat = values.astype(np.uint32).reshape(-1, 1)
    return (flat if flat.size else np.zeros((1, 1), np.uint32)), 32


def _joined(parts: Sequence[Transfers], data_bits: int, user_bits: int) -> Image:
    """Return transfers one after another, the data lowest."""
    bits = [
        np.hstack([bits_of_words(part.data, data_bits), bits_of_words(part.user, user_bits)]) for part in parts if len(part.data)
    ]
    width = data_bits + user_bits
    return words_from_bits(np.concatenate(bits) if bits else np.zeros((1, width), np.uint8)), width


def _bench(design: Design, ports: Ports, jobs: Sequence[PassJob], title: str, sizes: dict[str, tuple[int, int]]) -> str:
    template = resources.files(__package__).joinpath("bench.v").read_text("utf-8")
    p, stimuli = design.parameters, jobs[0].stimuli
    streams = [name for name in _COLUMNS if f"{name}_tvalid" in ports.inputs]
    declared = [f"    reg [{bits - 1}:0] {name}_image [0:{rows - 1}];" for name, (rows, bits) in sizes.items()]
    return Template(template).substitute(
        title=title.replace("\\", "/").replace('"', "'").replace("%", "%%"),
        passes=len(jobs),
        windows=stimuli.windows,
        seats=p.tiles * p.filters_per_tile,
        accumulator_bits=p.accumulator_bits,
        fill_and_drain=p.fill + p.drain,
        limit=max(job.limit for job in jobs),
        images="\n".join(declared),
        reads="\n".join(f'        $readmemh("{name}.hex", {name}_image);' for name in sizes),
        streams="\n".join(_stream(name, column, ports) for column, name in enumerate(_COLUMNS) if name in streams),
        loaded=" && ".join(f"{name}_next == {name}_end" for name in streams),
        lanes="\n".join(_lane(lane, jobs, ports) for lane in range(p.lanes)),
        connections=",\n".join(_connections(ports, stimuli.settings)),
    )


def _stream(name: str, column: int, ports: Ports) -> str:
    data, user = ports.bits(f"{name}_tdata"), ports.bits(f"{name}_tuser")
    return f"""\
    reg [31:0] {name}_next = 0;
    wire [31:0] {name}_end = passes_image[4 * pass + {column}];
    wire {name}_tvalid = state == LOAD && {name}_next < {name}_end;
    wire {name}_tready;
    wire [{data + user - 1}:0] {name}_item = {name}_image[{name}_next];
    always @(posedge clk) if ({name}_tvalid && {name}_tready) {name}_next <= {name}_next + 1;
"""


def _lane(lane: int, jobs: Sequence[PassJob], ports: Ports) -> str:
    stimuli = jobs[0].stimuli
    first = sum(order.size for order in stimuli.order[:lane])
    data, user = ports.bits("run_0_tdata"), ports.bits("run_0_tuser")
    runs, window = stimuli.order[lane].size, max(1, stimuli.window_runs[lane])
    return f"""\
    reg [31:0] run_{lane}_next = 0, run_{lane}_in_window = 0;
    wire run_{lane}_tvalid = offering && run_{lane}_next < {runs};
    wire run_{lane}_tready;
    wire [{data + user - 1}:0] run_{lane}_item = rows_image[passes_image[4 * pass + 3] + order_image[{first} + run_{lane}_next]];
    wire run_{lane}_tlast = run_{lane}_in_window == {window - 1};
    always @(posedge clk) begin
        if (state == LOAD) begin
            run_{lane}_next <= 0;
            run_{lane}_in_window <= 0;
        end else if (run_{lane}_tvalid && run_{lane}_tready) begin
            run_{lane}_next <= run_{lane}_next + 1;
            run_{lane}_in_window <= run_{lane}_tlast ? 0 : run_{lane}_in_window + 1;
        end
    end
"""


def _connections(ports: Ports, settings: Mapping[str, int]) -> Iterator[str]:
    """Yield what each port is connected to."""
    for name, bits in ports.inputs.items():
        source = name
        stream, _, part = name.rpartition("_t")
        if is_setting(name):
            source = f"{bits}'h{settings.get(name, 0) % (1 << bits):x}"
        elif part in ("data", "user"):
            data = ports.bits(f"{stream}_tdata")
            source = f"{stream}_item[{data - 1}:0]" if part == "data" else f"{stream}_item[{data + bits - 1}:{data}]"
        yield f"        .{name}({source})"
    yield from (f"        .{name}({name})" for name in ports.outputs)
