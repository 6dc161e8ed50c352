"""`SegmentedRun`: an ONNX model executed segment by segment, each layer's input in memory only as long as it is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import UnsupportedLayer
from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import top_classes
from cnvlutin2.network.attribution import ImageRows
from cnvlutin2.network.gathering import Feed, check_shape, quantise_captured
from cnvlutin2.network.image_batches import ImageBatch, image_batches
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.onnx.capturing import feed_of, image_rows, layer_activations
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.graph import LayerNode
from cnvlutin2.network.onnx.model_run import Filters, ModelRun, layer_of, quantised_filters
from cnvlutin2.network.onnx.quantised_graph import rewrite
from cnvlutin2.network.onnx.segmented_session import SegmentedSession
from cnvlutin2.network.reused_memory import Tensors

Integers = dict[Feed, NDArray[np.int16]]
"""Activations of an image, quantised."""


class SegmentedRun(ModelRun):
    """A run of a model whose layers see much: layers come for one image at a time, as soon as their inputs are there.

    A single image is executed once, for when a layer's input is there its range is known; several are executed twice, first for
    the ranges.

    Parameters
    ----------
    sizes : mapping of str to int
        Bytes of the layers' inputs and of the scores, as far as they are known.
    given
        As of `ModelRun`.
    """

    def __init__(self, sizes: Mapping[str, int], *given: Any) -> None:
        super().__init__(*given)
        self._sizes = sizes
        self._shapes: dict[Feed, tuple[int, ...]] = {}

    def layers(self) -> Iterator[Layer]:
        """Execute the model; yield its layers, for one image after another."""
        session, filters = opened = self._opened_segments()
        if len(self._inputs) == self._copies == 1 and not self._numeric.may_execute_quantised():
            yield from self._execute_once(session, filters)
            self._kept.put(*self._opened_for, opened)
            return
        fracs = self._calibrate_all(session)
        layers = self._quantised_layers(fracs, filters)
        if self.quantised:
            del opened
            model = self._file.take()
            added = rewrite(model, layers, self._dtypes, self._numeric.data_bits)
            session = SegmentedSession(model, self._nodes, added, self._threads, sizes=self._sizes)
            del model
        by_index = {layer.node.index: layer for layer in layers}
        for batch in image_batches(self._inputs, self._copies):
            turns = _Turns()
            for tensors in session.run(batch.values, batch.name):
                turns.wait(self._integers(tensors, fracs))
                for node in turns.next_of(self._nodes):
                    yield layer_of(by_index[node.index], self._ranks[node.activation], turns.take(self._nodes), batch.index)
            if self.quantised:
                self._quantised_answers.append(top_classes(session.scores, self._copies)[:1])
        if not self.quantised:
            self._kept.put(*self._opened_for, opened)

    def _opened_segments(self) -> tuple[SegmentedSession, Filters]:
        """Return sessions on the model's segments, and its weights: those of an earlier run, or new ones."""
        found = cast(tuple[SegmentedSession, Filters] | None, self._kept.take(*self._opened_for))
        if found is None:
            model = self._file.take()
            filters = quantised_filters(Constants(model), self._nodes, self._numeric.data_bits)
            counted = self._counted()
            found = SegmentedSession(model, self._nodes, threads=self._threads, counted=counted, sizes=self._sizes), filters
        return found

    def _execute_once(self, session: SegmentedSession, filters: Filters) -> Iterator[Layer]:
        """Execute the only image; yield each layer as soon as what it sees is there."""
        (batch,) = image_batches(self._inputs, copies=1)
        looked, ranges, turns = _Looked(self._nodes), self._ranges(), _Turns()
        for tensors in session.run(batch.values, batch.name):
            looked.unfit += self._part(tensors, looked.rows)
            ranges.widen(layer_activations(self._nodes, tensors, self._rows), [batch.name])
            fracs = ranges.fracs(self._numeric.data_bits)
            turns.wait(self._integers(tensors, fracs))
            for node in turns.next_of(self._nodes):
                layer = self._quantised_layer(node, fracs[node.activation], filters)
                yield layer_of(layer, self._ranks[node.activation], turns.take(self._nodes), batch.index)
        self._answer(session.scores)
        self._leave_out(session.shapes, looked.in_order())

    def _calibrate_all(self, session: SegmentedSession) -> dict[str, int]:
        """Execute all images in floating point; return the tensors' fraction bits."""
        ranges = self._ranges()
        for batch in image_batches(self._inputs, self._copies):
            looked = self._looked_at(session, batch) if batch.index == 0 else None
            for tensors in session.run(batch.values, batch.name):
                if looked:
                    looked.unfit += self._part(tensors, looked.rows)
                ranges.widen(layer_activations(self._nodes, tensors, self._rows), [batch.name])
                tensors.clear()
            self._answer(session.scores)
            if looked:
                self._leave_out(session.shapes, looked.in_order())
        return ranges.fracs(self._numeric.data_bits)

    def _looked_at(self, session: SegmentedSession, batch: ImageBatch) -> _Looked:
        """Return where the rows of the first image lie."""
        looked = _Looked(self._nodes)
        if self._copies > 1:
            parts = session.run(batch.values, batch.name)
            looked.rows = image_rows(lambda values: session.run(values, batch.name), self._nodes, parts, batch)
        return looked

    def _integers(self, tensors: Tensors, fracs: Mapping[str, int]) -> Integers:
        """Return what layers see of captured tensors, quantised, and let go of these."""
        found = Integers()
        for feed, values in layer_activations(self._nodes, tensors, self._rows).items():
            shape = self._shapes.setdefault(feed, values.shape)
            check_shape(feed, values, np.broadcast_to(np.int16(0), shape))
            found[feed] = np.empty(values.shape, np.int16)
            quantise_captured(values, fracs[feed[0]], self._numeric.data_bits, found[feed])
        tensors.clear()
        return found


class _Looked:
    """What a first image shows of layers.

    Parameters
    ----------
    nodes : sequence of LayerNode

    Attributes
    ----------
    rows : dict of Feed to ImageRows or UnsupportedLayer
        Where an image's lie in what feeds them.
    unfit : list of LeftOut
        Those that see no image's.
    """

    def __init__(self, nodes: Sequence[LayerNode]) -> None:
        self.rows: dict[Feed, ImageRows | UnsupportedLayer] = {feed_of(node): ImageRows(1, 1) for node in nodes}
        self.unfit: list[LeftOut] = []
        self._places = {node.name: place for place, node in enumerate(nodes)}

    def in_order(self) -> list[LeftOut]:
        """Return those that see no image's in the order of the nodes."""
        return sorted(self.unfit, key=lambda out: self._places[out.name])


class _Turns:
    """The layers of one image, one after another: what later ones see waits for their turn."""

    def __init__(self) -> None:
        self._waiting = Integers()
        self._done: set[int] = set()

    def wait(self, integers: Integers) -> None:
        """Take in what some layers see."""
        self._waiting |= integers

    def next_of(self, nodes: Sequence[LayerNode]) -> Iterator[LayerNode]:
        """Yield the next of the nodes, in order, as long as what they see is there."""
        for node in (node for node in nodes if node.index not in self._done):
            if feed_of(node) not in self._waiting:
                return
            self._done.add(node.index)
            self._feed = feed_of(node)
            yield node

    def take(self, nodes: Sequence[LayerNode]) -> NDArray[np.int16]:
        """Return what the node that came last sees; let go of it unless a later one sees it too."""
        again = any(feed_of(node) == self._feed for node in nodes if node.index not in self._done)
        return self._waiting[self._feed] if again else self._waiting.pop(self._feed)
