"""`cnvlutin2 encode`, `decode` and `inspect`: arrays to containers and back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from cnvlutin2.cli.array_input import read_array
from cnvlutin2.cli.grid import console
from cnvlutin2.cli.outputs import Attempts, check_apart
from cnvlutin2.encodings import Encoded, Packing, brick_counts, encode, format_names, load
from cnvlutin2.encodings.footprint import POINTERS
from cnvlutin2.errors import ConfigError, NetworkError, encodable
from cnvlutin2.files import check_writable, write_whole
from cnvlutin2.numeric import effectual

_BAR_CHARACTERS = 40

_path = click.Path(path_type=Path)
_json_option = click.option("--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables).")


@click.command("encode")
@click.argument("source", metavar="IN", type=_path)
@click.option("--format", "-f", "name", required=True, metavar="NAME", help=f"One of {', '.join(format_names())}.")
@click.option("--output", "-o", type=_path, metavar="OUT", help="Container to write; by default IN with .cnv2.")
@click.option("--brick", default=16, show_default=True, help="Values a brick.")
@click.option("--data-bits", default=16, show_default=True, help="Bits of a value.")
@click.option("--threshold", type=int, help="Least effectual magnitude; by default the trace's, or 1.")
@click.option("--pointer-group", default=1, show_default=True, help="Bricks to a pointer.")
@click.option("--packing", type=click.Choice(["brick", "row"]), default="brick", show_default=True, help="What is cut to bricks.")
@click.option("--groups", type=int, help="Groups of a grouped convolution; by default the trace's, or 1.")
@click.option("--image", type=int, help="Which image of a batch.")
@_json_option
def encode_command(
    source: Path,
    name: str,
    output: Path | None,
    brick: int,
    data_bits: int,
    threshold: int | None,
    pointer_group: int,
    packing: Packing,
    groups: int | None,
    image: int | None,
    json_file: str | None,
) -> None:
    """Encode IN, an integer array [C, H, W] (.npy, .npz or a layer trace), into a .cnv2 container.

    \b
    Examples:
      cnvlutin2 encode activations.npy -f packed_viai -o activations.cnv2
      cnvlutin2 encode conv2.npz -f zfnaf --image 0 --threshold 8
    """
    target = output or source.with_suffix(".cnv2")
    _check_target(target, source)
    check_json(json_file)
    check_apart({"--output": str(target), "--json": json_file}, [("IN", str(source))])
    found = read_array(source, image)
    threshold = found.threshold if threshold is None else threshold
    groups = found.groups if groups is None else groups
    try:
        encoded = encode(found.values, name, brick, data_bits, threshold, pointer_group, packing, groups)
    except ConfigError as error:
        if error.where != "array":
            raise
        raise NetworkError(f"{source}: {str(error).removesuffix(' at array')}") from None
    encoded.save(target)
    facts = _sizes(encoded)
    attempts = Attempts()
    if json_file is not None:
        with attempts.attempt():
            document = {"schema": "cnvlutin2/encode/1", "file": encodable(str(target)), **_parameters(encoded), **facts}
            write_document(document, json_file)
    if json_file != "-":
        click.echo(
            f"{target}: {facts['total_bits']:,} bits, {facts['relative']:.3f} of dense "
            f"(stream {facts['stream_bits']:,}, pointers {facts['pointers_bits']:,})"
        )
    attempts.finish()


@click.command("decode")
@click.argument("source", metavar="IN", type=_path)
@click.option(
    "--output", "-o", type=_path, metavar="OUT", help="Array to write (.npy or .npz); by default IN with .npy if there is none."
)
@click.option("--raw", is_flag=True, help="Keep ineffectual values where the format stores them.")
@click.option("--brick", "place", metavar="Y,X,CB[,GROUP]", help="Print one brick, reading nothing else.")
def decode_command(source: Path, output: Path | None, raw: bool, place: str | None) -> None:
    """Decode IN, a .cnv2 container, into an array file.

    \b
    Examples:
      cnvlutin2 decode activations.cnv2 -o activations.npy
      cnvlutin2 decode activations.cnv2 --brick 3,0,1
    """
    encoded = load(source)
    if place is not None:
        if output is not None:
            raise ConfigError("prints to standard output; leave --output out", source="--brick")
        click.echo(" ".join(map(str, _brick(encoded, place, raw))))
        return
    target = output or source.with_suffix(".npy")
    _check_target(target, source)
    if output is None and target.exists():
        # Most likely what was encoded, with the ineffectual values that are lost here.
        raise ConfigError(f"{target} exists; name the array to write", source="--output")
    if target.suffix.lower() not in (".npy", ".npz"):
        raise ConfigError(f"cannot write {target}: call it something.npy or something.npz", source="--output")
    values = encoded.decode(raw=raw)
    buffer = io.BytesIO()
    if target.suffix.lower() == ".npz":
        np.savez_compressed(buffer, activations=values)
    else:
        np.save(buffer, values)
    write_whole(target, lambda part: part.write_bytes(buffer.getvalue()))
    click.echo(f"{target}: {values.dtype} {list(values.shape)}")


@click.command("inspect")
@click.argument("source", metavar="IN", type=_path)
@_json_option
def inspect_command(source: Path, json_file: str | None) -> None:
    """Check IN, a .cnv2 container, from end to end and say what it holds: sizes, density, how large its bricks are.

    \b
    Examples:
      cnvlutin2 inspect activations.cnv2
      cnvlutin2 inspect activations.cnv2 --json -
    """
    check_json(json_file)
    check_apart({"--json": json_file}, [("IN", str(source))])
    encoded = load(source)
    parameters, storage = encoded.parameters, encoded.storage
    mask = effectual(encoded.decode(raw=True).astype(np.int16), parameters.threshold)
    counts = brick_counts(mask, storage.brick, storage.groups, storage.packing)
    sizes, bricks = np.unique(encoded.scheme.brick_bits(counts, storage.brick, parameters.data_bits), return_counts=True)
    facts: dict[str, Any] = {
        "schema": "cnvlutin2/inspect/1",
        "file": encodable(str(source)),
        **_parameters(encoded),
        **_sizes(encoded),
        "density": int(mask.sum()) / mask.size,
        "parts": encoded.scheme.parts(counts, storage.brick, parameters.data_bits),
        "bricks": storage.bricks,
        "raw_bricks": int(encoded.scheme.raw_bricks(counts, storage.brick, parameters.data_bits).sum()),
        "bricks_by_effectual": np.bincount(counts.ravel(), minlength=storage.brick + 1).tolist(),
        "bricks_by_bits": {int(size): int(count) for size, count in zip(sizes, bricks, strict=True)},
    }
    if encoded.scheme.indirect:
        facts["parts"][POINTERS] = facts["pointers_bits"]
    attempts = Attempts()
    if json_file is not None:
        with attempts.attempt():
            write_document(facts, json_file)
    if json_file != "-":
        _print_facts(facts)
    attempts.finish()


def _check_target(target: Path, source: Path) -> None:
    """Refuse to write to standard output, which the commands keep for text, and over what is read."""
    if str(target) == "-":
        raise ConfigError("is not written to standard output; name a file", source="--output")
    if target.exists() and source.exists() and target.samefile(source):
        raise ConfigError(f"{target} is what is read; name another file", source="--output")


def check_json(target: str | None) -> None:
    """Refuse a target that `write_document` could not write to, before anything else is written or measured."""
    if target not in (None, "-"):
        check_writable(Path(target))


def write_document(document: dict[str, Any], target: str) -> None:
    """Write a document to a file, or to standard output for ``-``."""
    text = json.dumps(document, indent=1) + "\n"
    if target == "-":
        click.echo(text, nl=False)
    else:
        write_whole(Path(target), lambda part: part.write_text(text, "utf-8"))


def _parameters(encoded: Encoded) -> dict[str, Any]:
    parameters, storage = encoded.parameters, encoded.storage
    return {
        "format": parameters.format,
        "shape": [storage.channels, storage.height, storage.width],
        "dtype": parameters.dtype,
        "brick": storage.brick,
        "data_bits": parameters.data_bits,
        "threshold": parameters.threshold,
        "pointer_group": parameters.pointer_group,
        "packing": storage.packing,
        "groups": storage.groups,
    }


def _sizes(encoded: Encoded) -> dict[str, Any]:
    dense_bits = encoded.storage.bricks * encoded.storage.brick * encoded.parameters.data_bits
    return {
        "stream_bits": encoded.stream_bits,
        "pointer_bits": encoded.pointer_bits,
        "pointers_bits": encoded.total_bits - encoded.stream_bits,
        "total_bits": encoded.total_bits,
        "dense_bits": dense_bits,
        "relative": encoded.total_bits / dense_bits,
    }


def _brick(encoded: Encoded, place: str, raw: bool) -> list[int]:
    try:
        y, x, cb, *group = (int(part) for part in place.split(","))
        (group_number,) = group or (0,)
    except ValueError:
        raise ConfigError(f"cannot read {place!r}: give Y,X,CB or Y,X,CB,GROUP", source="--brick") from None
    values: list[int] = encoded.brick(y, x, cb, group=group_number, raw=raw).tolist()
    return values


def _print_facts(facts: dict[str, Any]) -> None:
    shape = "x".join(map(str, facts["shape"]))
    packing = "packed by rows" if facts["packing"] == "row" else "packed by positions"
    grouped = f", {facts['groups']} groups" if facts["groups"] > 1 else ""
    click.echo(f"{facts['file']}: {facts['format']}, {shape} {facts['dtype']}{grouped}, {packing}")
    click.echo(
        f"{facts['bricks']:,} bricks of {facts['brick']} values of {facts['data_bits']} bits, threshold {facts['threshold']}"
    )
    click.echo(f"density {facts['density']:.4f}")
    click.echo(f"total {facts['total_bits']:,} bits, {facts['relative']:.4f} of dense ({facts['dense_bits']:,})")
    parts = ", ".join(f"{name} {bits:,}" for name, bits in facts["parts"].items())
    click.echo(f"of which {parts}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("bits a brick", "bricks", "%"):
        table.add_column(heading, justify="right")
    table.add_column("")
    most = max(facts["bricks_by_bits"].values())
    for bits, bricks in facts["bricks_by_bits"].items():
        bar = "#" * -(-_BAR_CHARACTERS * bricks // most)
        table.add_row(f"{bits}", f"{bricks:,}", f"{100 * bricks / facts['bricks']:.1f}", bar)
    console().print(table)
