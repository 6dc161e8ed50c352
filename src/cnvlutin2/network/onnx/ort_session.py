"""onnxruntime sessions: how they are opened and what they may raise. Nothing else imports onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.onnx.model_file import LARGE_BYTES, OnnxModel
from cnvlutin2.network.onnx.tensors import first_line

# Before the import, which would else write a device's id and a queue of events below the home folder, to be sent.
if not os.environ.get("ORT_DISABLE_TELEMETRY"):
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _state

ORT_ERRORS: tuple[type[Exception], ...] = (
    *(kind for kind in vars(_state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    RuntimeError,
    ValueError,
    MemoryError,
)
"""onnxruntime's exceptions have no base of their own."""
SPIN_US = "50"
"""For how long a thread that waits for work spins; most operations leave some idle for less."""
_TOO_NEW = ("under development", "Unsupported model IR version", "NOT_IMPLEMENTED", "is not a registered function/op")
"""In messages about models that a later onnxruntime may take."""
NO_MESSAGES = 4
"""Log severity "fatal": errors come as exceptions, not on stderr."""


class OrtTensor:
    """A tensor in onnxruntime's own memory, which stays there as long as this or an array of it is held.

    Parameters
    ----------
    value : onnxruntime.OrtValue
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self.element_type: int = value.element_type()
        self.shape = tuple(value.shape())

    @classmethod
    def of(cls, array: NDArray[np.generic]) -> OrtTensor:
        """Return an array as onnxruntime takes it."""
        return cls(onnxruntime.OrtValue.ortvalue_from_numpy(array))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """What `numpy.asarray` makes an array of, without a copy."""
        dtype = helper.tensor_dtype_to_np_dtype(self.element_type)
        return {"version": 3, "shape": self.shape, "typestr": dtype.str, "data": (self.value.data_ptr(), False)}

    def array(self) -> NDArray[Any]:
        """Return the tensor as an array that lies where the tensor lies."""
        return np.asarray(self) if 0 not in self.shape else np.empty(self.shape, self.value.numpy().dtype)


class OrtSession:
    """A model in onnxruntime.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Run the model once and return the outputs asked for, by name."""
        return cast(list[NDArray[np.generic]], self._session.run(list(outputs), dict(feeds)))

    def run_tensors(self, outputs: Sequence[str], feeds: Mapping[str, OrtTensor]) -> list[OrtTensor]:
        """Run the model once and return the outputs asked for, by name, all where onnxruntime keeps them."""
        values = {name: tensor.value for name, tensor in feeds.items()}
        return [OrtTensor(value) for value in self._session.run_with_ort_values(list(outputs), values)]

    def run_into(
        self, outputs: Mapping[str, NDArray[np.generic] | None], feeds: Mapping[str, NDArray[np.generic]]
    ) -> list[NDArray[np.generic]]:
        """Run the model once and return the outputs asked for; where there is an array for one, it is written to that."""
        binding = self._session.io_binding()
        for name, values in feeds.items():
            binding.bind_cpu_input(name, values)
        for name, room in outputs.items():
            if room is None:
                binding.bind_output(name)
            else:
                binding.bind_output(name, "cpu", 0, room.dtype, room.shape, room.ctypes.data)
        self._session.run_with_iobinding(binding)
        found = zip(outputs.values(), binding.get_outputs(), strict=True)
        return [value.numpy() if room is None else room for room, value in found]


def _allowed_processors() -> int:
    """Return to how many processors this process is bound; 0, which leaves it to onnxruntime, if it may use all.

    onnxruntime takes all of the machine, whatever part of them a cluster or a container has given.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 0 if allowed is None or allowed == os.cpu_count() else allowed


def open_session(model: OnnxModel, threads: int = 0, *, optimised: bool = False) -> OrtSession:
    """Hand a model to onnxruntime, which makes its own copy of the weights.

    Parameters
    ----------
    model : OnnxModel
    threads : int
        Of onnxruntime; 0: the processors that this process may use. Results do not depend on it.
    optimised : bool
        Whether the graph is one of onnxruntime's own, to be left as it is; it keeps no memory from one run to the next.

    Raises
    ------
    NetworkError
        If onnxruntime does not take the model: too new, or not consistent.
    """
    options = _options(threads)
    if optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_cpu_mem_arena = False
    return OrtSession(_opened(model, options))


def save_optimised(model: OnnxModel, path: Path, weights: str) -> None:
    """Write a model's graph as onnxruntime would execute it, its kernels chosen, with large weights in another file.

    Parameters
    ----------
    model : OnnxModel
    path : Path
    weights : str
        The name of that file, in the same folder.

    Raises
    ------
    NetworkError
        As of `open_session`.
    """
    options = _options(threads=1)
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", weights)
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", str(LARGE_BYTES))
    _opened(model, options)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = NO_MESSAGES
    options.intra_op_num_threads = threads or _allowed_processors()
    options.inter_op_num_threads = 1  # one operation after another
    # No longer, for that takes processors from others; not at all, and each operation waits for threads to wake up.
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
    return options


def _opened(model: OnnxModel, options: Any) -> Any:
    model.drop_unused()
    arrays = {name: np.ascontiguousarray(array) for name, array in model.weights.items()}
    if arrays:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        options.add_external_initializers(list(arrays), values)
    try:
        return onnxruntime.InferenceSession(model.proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        remedy = "; upgrade onnxruntime" if any(words in str(error) for words in _TOO_NEW) else ""
        raise NetworkError(
            f"{model.path}: onnxruntime {onnxruntime.__version__} does not take the model: {first_line(error)}{remedy}"
        ) from None
