"""`Network`: what every source of layers is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Self

from cnvlutin2.layer import Layer
from cnvlutin2.network.input_spec import InputSpec
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.kept import Kept
from cnvlutin2.network.layer_stream import Findings, LayerStream
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.quantisation import Numeric


class Network(ABC):
    """A source of layers; running it does not change it.

    A subclass has a `name`, an `input` if it is executed, and two methods: `layer_names` and `generate`.
    """

    name: str
    input: InputSpec | None = None
    """What it is executed on; None if it has its own values."""
    left_out: tuple[LeftOut, ...] = ()
    """What is not simulated, as far as it shows without a run (`LayerStream.left_out` is complete)."""
    hashes: Mapping[str, str] = MappingProxyType({})
    """SHA-256 of the files that were read when it was opened (`LayerStream.hashes` is complete)."""

    @cached_property
    def kept(self) -> Kept:
        """What runs leave for those to come; results do not depend on it."""
        return Kept()

    @property
    def takes_inputs(self) -> bool:
        """Whether `run` wants an `Inputs`."""
        return self.input is not None

    def with_threads(self, threads: int) -> Self:
        """Return the same network, to be executed by at most so many threads; results do not depend on it.

        For subclasses that are executed by something with threads of its own.
        """
        return self

    @abstractmethod
    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in execution order."""

    @abstractmethod
    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Yield the layers of one run and return what it has found; for subclasses to write, `run` to call.

        What changes during a run belongs to the generator, never to the network: others may be alive. A layer may come several
        times, for consecutive images (`Layer.first_image` says from which): a source streams batches, and is done with a
        layer's arrays when the next one is asked for.
        """

    def run(self, inputs: Inputs | None, numeric: Numeric) -> LayerStream:
        """Run the network: execute it on inputs, or read or make its values.

        Parameters
        ----------
        inputs : Inputs or None
            None where the network takes none.
        numeric : Numeric

        Returns
        -------
        LayerStream
            An iterator of layers, each with its input for some images. Nothing happens before the first is asked for, which
            is also when errors are raised.

        Raises
        ------
        NetworkError
            If the inputs do not fit or the values cannot be used.
        ConfigError
            If a threshold cannot be used.
        """
        return LayerStream(self.name, self.generate(inputs, numeric))
