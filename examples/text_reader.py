"""A reader of a format of one's own: a folder of text files, which any program can write (docs/tutorials/add-a-reader.md)."""

import hashlib
from pathlib import Path

import numpy as np

from cnvlutin2.errors import NetworkError
from cnvlutin2.network import Findings, Layer, Network, Reader
from cnvlutin2.network.quantisation import rethreshold


class TextNetwork(Network):
    """Fully-connected layers, each of two tables of integers: NAME.act (an image a row) and NAME.wgt (a filter a row)."""

    def __init__(self, folder):
        self.name = folder.resolve().stem
        self._files = sorted(folder.glob("*.act"))
        if not self._files:
            raise NetworkError(f"{folder}: holds no layer; write a NAME.act and a NAME.wgt for each")

    def layer_names(self):
        return [file.stem for file in self._files]

    def generate(self, inputs, numeric):
        if inputs is not None:
            raise NetworkError(f"network {self.name!r} holds its activations and takes no inputs")
        hashes = {}
        for file in self._files:
            activations, weights = (_table(path, hashes) for path in (file, file.with_suffix(".wgt")))
            layer = Layer(file.stem, activations, weights, kind="fc", first=file == self._files[0])
            yield rethreshold(layer, numeric)
        return Findings(hashes=hashes)


class TextReader(Reader):
    """Opens folders that are called something.text."""

    reads = "a .text folder"

    def can_read(self, source):
        return isinstance(source, (str, Path)) and Path(source).suffix == ".text"

    def read(self, source):
        return TextNetwork(Path(source))


def _table(path, hashes):
    try:
        data = path.read_bytes()
        values = np.loadtxt(data.decode().splitlines(), np.int16, ndmin=2)
    except (OSError, ValueError) as error:
        raise NetworkError(f"{path}: is not a table of 16-bit integers ({error}); write one row a line") from None
    hashes[path.name] = hashlib.sha256(data).hexdigest()
    return values[:, :, None, None]
