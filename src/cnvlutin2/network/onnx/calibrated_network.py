"""`CalibratedNetwork`: an ONNX model at scales that were found once, executed again and again under other thresholds.

Thresholds of activations are inputs of the graph, so that one onnxruntime session serves them all. What layers see, and what the
model answers, is to the bit what a run of the model itself on the same inputs gives (`cnvlutin2.network.onnx.model_run`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import as_predictions, compare_answers, top_classes
from cnvlutin2.network.calibration import Scales
from cnvlutin2.network.gathering import Captured, Gathering, Holding, join_small
from cnvlutin2.network.image_batches import image_batches
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.network import Network
from cnvlutin2.network.onnx.capturing import CapturingSession, answer_output, layer_activations
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.model_run import ModelRun, assemble, quantised_filters
from cnvlutin2.network.onnx.ort_session import ORT_ERRORS, OrtSession, open_session
from cnvlutin2.network.onnx.quantised_graph import Added, QuantisedLayer, rewrite
from cnvlutin2.network.onnx.tensors import first_line
from cnvlutin2.network.quantisation import Numeric

LSBs = Mapping[str, int]
"""Thresholds in LSBs by layer; of one that is not named, 1."""
Key = tuple[bool, tuple[tuple[str, int], ...]]
"""What sessions differ in: whether layers are captured, and the weights' thresholds, which are in the weights."""
SESSIONS = 4
"""That are kept."""


@dataclass(frozen=True)
class LayerScales:
    """At which scales a layer is quantised.

    Parameters
    ----------
    name : str
    frac, weight_frac : int
        Fraction bits of its input and of its weights.
    """

    name: str
    frac: int
    weight_frac: int


class CalibratedRun(ModelRun):
    """What a run finds before anything is executed on quantised values, and what is executed then.

    Attributes
    ----------
    scores : list of array
        What the model puts out in floating point, image by image.
    """

    def calibrate(self) -> None:
        """Execute all inputs in floating point."""
        model, bits = self._file.take(), self._numeric.data_bits
        self.scores: list[NDArray[Any]] = []
        self._filters = quantised_filters(Constants(model), self._nodes, bits)
        counted = [tensor for node in self._left_out_nodes if node.counted for tensor in node.counted.tensors]
        session = CapturingSession(model, self._nodes, threads=self._threads, counted=counted)
        self._fracs = self._calibrate(session, Holding(useful=False))
        self.scales = [LayerScales(n.name, self._fracs[n.activation], self._filters[n.name][1]) for n in self._nodes]
        self.inputs, self.data_bits = self._inputs, bits

    def _answer(self, scores: NDArray[Any]) -> None:
        super()._answer(scores)
        self.scores.append(np.array(scores[:1]))

    def layers_at(self, thresholds: LSBs, weight_thresholds: LSBs) -> list[QuantisedLayer]:
        """Return the layers at their scales under thresholds."""
        found = []
        for node, scales in zip(self._nodes, self.scales, strict=True):
            lsbs, weight_lsbs = thresholds.get(node.name, 1), weight_thresholds.get(node.name, 1)
            at = Scales(scales.frac, scales.weight_frac, lsbs, weight_lsbs)
            found.append(QuantisedLayer(node, self._filters[node.name][0], at))
        return found

    def open(self, weight_thresholds: LSBs, *, captured: bool) -> PrunedSession:
        """Return a session on quantised values whose activations' thresholds are open."""
        model = self._file.take()
        layers = self.layers_at({}, weight_thresholds)
        added = rewrite(model, layers, self._dtypes, self.data_bits, open_thresholds=True)
        output, own = answer_output(model.proto.graph), str(model.proto.graph.input[0].name)
        if captured:
            capturing = CapturingSession(model, self._nodes, added, threads=self._threads)
            return PrunedSession(added, own, output, str(model.path), capturing=capturing)
        return PrunedSession(added, own, output, str(model.path), session=open_session(model, self._threads))

    def execute(self, session: PrunedSession, thresholds: LSBs, images: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Yield what the model puts out for some images."""
        inputs = Inputs(self.inputs.values[list(images)], [self.inputs.names[i] for i in images])
        for batch in image_batches(inputs, self._copies):
            yield session.run(batch.values, batch.name, thresholds)[:1]

    def capture(
        self, session: PrunedSession, at: tuple[LSBs, LSBs], images: Sequence[int], answers: list[NDArray[np.int64]]
    ) -> Iterator[Layer]:
        """Yield the layers of some images at thresholds of activations and weights, and note what the model answers."""
        inputs = Inputs(self.inputs.values[list(images)], [self.inputs.names[i] for i in images])

        def captured() -> Iterator[Captured]:
            for batch in image_batches(inputs, self._copies):
                output, tensors = session.run_captured(batch.values, batch.name, at[0])
                answers.append(top_classes(output, self._copies)[:1])
                yield layer_activations(self._nodes, tensors, self._rows)

        gathering = Gathering(len(images), self.data_bits)
        layers = self.layers_at(*at)
        for part in join_small(captured()):
            gathering.add(part, self._fracs)
            if gathering.full:
                yield from assemble(layers, self._ranks, *gathering.take())


class PrunedSession:
    """A session of a rewritten graph whose thresholds are open.

    Parameters
    ----------
    added : Added
        Of the rewritten graph.
    own, output : str
        Its own input; the output that holds the answer.
    source : str
        For messages.
    session : OrtSession, optional
    capturing : CapturingSession, optional
        One of the two.
    """

    def __init__(
        self,
        added: Added,
        own: str,
        output: str,
        source: str,
        *,
        session: OrtSession | None = None,
        capturing: CapturingSession | None = None,
    ) -> None:
        self._added, self._own, self._output, self._source = added, own, output, source
        self._session, self._capturing = session, capturing
        if capturing is not None:
            self._feeding = _Feeding(capturing._session)
            capturing._session = cast(OrtSession, self._feeding)

    def run(self, values: NDArray[np.generic], name: str, thresholds: LSBs) -> NDArray[Any]:
        """Return what the model puts out for copies of an image.

        Raises
        ------
        NetworkError
            If onnxruntime cannot run it, or a value is not finite.
        """
        assert self._session is not None  # noqa: S101 - of the kind that was asked for
        try:
            (found,) = self._session.run([self._output], {self._own: values, **self._fed(thresholds)})
        except ORT_ERRORS as error:
            raise NetworkError(f"{self._source}: onnxruntime cannot run {name}: {first_line(error)}") from None
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise NetworkError(f"{self._source}: quantised and pruned, its output is infinite or not a number for {name}")
        return found

    def run_captured(
        self, values: NDArray[np.generic], name: str, thresholds: LSBs
    ) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Return what the model puts out for copies of an image, and the layers' inputs by their names."""
        assert self._capturing is not None  # noqa: S101 - as above
        self._feeding.fed = self._fed(thresholds)
        return self._capturing.run(values, name)

    def _fed(self, thresholds: LSBs) -> dict[str, NDArray[np.generic]]:
        return {
            tensor: np.array(thresholds.get(layer, 1) - 1, dtype) for layer, (tensor, dtype) in self._added.thresholds.items()
        }


class _Feeding:
    """A session that is fed thresholds besides what it is asked to run on."""

    def __init__(self, session: OrtSession) -> None:
        self._session = session
        self.fed: dict[str, NDArray[np.generic]] = {}

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        return self._session.run(outputs, {**feeds, **self.fed})


class CalibratedNetwork(Network):
    """A model with its inputs, at the scales of these; `OnnxNetwork.calibrated` makes one.

    It is always executed on quantised values, and takes no inputs beside its own.

    Parameters
    ----------
    name : str
    run : CalibratedRun
    hashes : mapping of str to str
        Of the model's files.

    Attributes
    ----------
    inputs : Inputs
    scales : sequence of LayerScales
        The layers in the order of execution.
    float_scores : array, ``[N, ...]``
        What the model puts out in floating point.
    """

    def __init__(self, name: str, run: CalibratedRun, hashes: Mapping[str, str]) -> None:
        run.calibrate()
        self.name, self._run, self._hashes = name, run, hashes
        self.inputs, self.scales, self.left_out = run.inputs, run.scales, tuple(run.left_out)
        self.float_scores = np.concatenate(run.scores)
        self._sessions: dict[Key, PrunedSession] = {}

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in execution order."""
        return [layer.name for layer in self.scales]

    def scores(
        self, thresholds: LSBs, weight_thresholds: LSBs | None = None, images: Sequence[int] | None = None
    ) -> NDArray[Any]:
        """Return what the model puts out under thresholds, ``[N, ...]``.

        Parameters
        ----------
        thresholds, weight_thresholds : mapping of str to int
            By layer, in LSBs of `scales`.
        images : sequence of int, optional
            Which of the inputs; all by default.

        Raises
        ------
        NetworkError
            If the model cannot be executed so.
        """
        session = self._session(weight_thresholds or {}, captured=False)
        return np.concatenate(list(self._run.execute(session, thresholds, self._images(images))))

    def layers(self, images: Sequence[int]) -> Iterator[Layer]:
        """Yield what layers see of some images with nothing pruned, batch by batch; see `Network.run`."""
        return self._run.capture(self._session({}, captured=True), ({}, {}), images, [])

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Execute the network under the thresholds of a run and yield its layers; see `Network.run`."""
        if inputs is not None:
            raise NetworkError(f"network {self.name!r} was calibrated on its inputs and takes no others")
        if numeric.data_bits != self._run.data_bits:
            raise ConfigError(f"was calibrated for data_bits={self._run.data_bits}, not {numeric.data_bits}", source=self.name)
        numeric.check_names(self.layer_names())
        lsbs, weight_lsbs = {}, {}
        for layer in self.scales:
            at = Scales.of(layer.name, layer.frac, layer.weight_frac, numeric)
            lsbs[layer.name], weight_lsbs[layer.name] = at.threshold, at.weight_threshold
        session = self._session(weight_lsbs, captured=True)
        answers: list[NDArray[np.int64]] = []
        yield from self._run.capture(session, (lsbs, weight_lsbs), self._images(None), answers)
        compared = top_classes(self.float_scores, len(self.float_scores)), np.concatenate(answers), self.inputs.labels
        hashes = {**self._hashes, **self.inputs.hashes}
        accuracy, predictions = compare_answers(*compared), as_predictions(*compared)
        return Findings(accuracy, True, hashes, left_out=self.left_out, predictions=predictions)

    def _images(self, images: Sequence[int] | None) -> Sequence[int]:
        return range(len(self.inputs.values)) if images is None else images

    def _session(self, weight_thresholds: LSBs, *, captured: bool) -> PrunedSession:
        key = captured, tuple(sorted((name, lsbs) for name, lsbs in weight_thresholds.items() if lsbs > 1))
        if key not in self._sessions:
            while len(self._sessions) >= SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[key] = self._run.open(weight_thresholds, captured=captured)
        return self._sessions[key]
