"""One way to open a network, whatever it is."""

from __future__ import annotations

from pathlib import Path

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.base import Network
from cnvlutin2.network.bundled import bundled_names, bundled_path


def takes_inputs(spec: str | Path) -> bool:
    """Whether what `open_network` makes of a spec is executed on inputs; without opening it."""
    from cnvlutin2.network.topologies import is_topology

    if isinstance(spec, str) and (spec in bundled_names() or is_topology(spec)):
        return spec in bundled_names()
    return not _is_trace(Path(spec))


def check_exists(spec: str | Path) -> None:
    """Refuse a spec that is neither a known name nor an existing file or folder; without opening it.

    Raises
    ------
    NetworkError
        Lists the names.
    """
    from cnvlutin2.network.topologies import is_topology

    known = isinstance(spec, str) and (spec in bundled_names() or is_topology(spec))
    if not known and not Path(spec).exists():
        raise _unknown(spec)


def open_network(spec: str | Path) -> Network:
    """Open a network by its name or file.

    Parameters
    ----------
    spec : str or Path
        A bundled network (``digits``), a topology (``alexnet``), an ``.onnx`` file, an ``.npz`` trace or a folder of traces.
        A name comes before a file of that name; write ``./digits`` for the file.

    Returns
    -------
    Network

    Raises
    ------
    NetworkError
        If it is none of these; lists the names. Or if the file is damaged.
    """
    if isinstance(spec, str):
        if spec in bundled_names():
            from cnvlutin2.network.onnx_network import OnnxNetwork

            return OnnxNetwork(bundled_path(spec), spec)
        from cnvlutin2.network.topologies import Topology, is_topology

        if is_topology(spec):
            return Topology(spec)
    path = Path(spec)
    if _is_trace(path):
        from cnvlutin2.network.traces import TraceNetwork

        return TraceNetwork.open(path)
    if path.is_file() or path.suffix.lower() == ".onnx":
        from cnvlutin2.network.onnx_network import OnnxNetwork

        return OnnxNetwork(path)
    raise _unknown(spec)


def _unknown(spec: str | Path) -> NetworkError:
    from cnvlutin2.network.topologies import topology_names

    names = ", ".join([*bundled_names(), *topology_names()])
    return NetworkError(
        f"there is no network {str(spec)!r}: give an .onnx file, an .npz trace, a folder of traces, or one of {names}"
    )


def _is_trace(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() == ".npz"
