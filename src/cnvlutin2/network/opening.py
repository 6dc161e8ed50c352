"""One way to open a network, whatever it is."""

from __future__ import annotations

from pathlib import Path

from cnvlutin2.network.network import Network
from cnvlutin2.network.reader_registry import FILES, find_reader, unknown_source


def open_network(source: object) -> Network:
    """Open a network by its name or file, or make one of objects.

    Parameters
    ----------
    source : str, Path or object
        A bundled network (``digits``), a topology (``alexnet``), an ``.onnx`` file, an ``.npz`` trace or a folder of traces; a
        `Layer` or a list of them; a PyTorch module and its inputs, as a tuple; or what another reader takes
        (docs/tutorials/add-a-reader.md). A name comes before a file of that name; write ``./digits`` for the file.

    Returns
    -------
    Network

    Raises
    ------
    NetworkError
        If it is none of these; lists the names. Or if the file is damaged.
    """
    return find_reader(source).read(source)


def takes_inputs(source: str | Path) -> bool:
    """Whether what `open_network` makes of a source is executed on inputs; without opening it."""
    return find_reader(source).takes_inputs


def check_exists(source: str | Path) -> None:
    """Refuse a source that is neither a known name nor an existing file or folder; without opening it.

    Raises
    ------
    NetworkError
        Lists the names.
    """
    if find_reader(source) in FILES and not Path(source).exists():
        raise unknown_source(source)
