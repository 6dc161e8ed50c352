"""`Session`: what outlives a batch of layers while a network streams by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Network
from cnvlutin2.organisation import Organisation
from cnvlutin2.simulation.count_limits import CountLimits
from cnvlutin2.timing.engine import LayerTimings
from cnvlutin2.timing.engines import make_engine
from cnvlutin2.timing.observed import ObservedLayer, ObservedWeights

TOGETHER = 1 << 18
"""Activations of layers that are timed together: what is found of them is in memory at once."""


class Workbench:
    """An engine and the weights of a network's layers: what a run makes once, and leaves to the next one on the same network."""

    def __init__(self, jobs: int | None) -> None:
        self.engine = make_engine(jobs)
        self._weights: dict[str, ObservedWeights] = {}

    def observed(self, layer: Layer) -> ObservedLayer:
        """Return a batch of a layer as observers see it, with what is known of its weights from an earlier one."""
        weights = self._weights.get(layer.name)
        if weights is None or not weights.fits(layer):
            weights = self._weights[layer.name] = ObservedWeights(layer)
        return ObservedLayer(layer, weights)


class Session:
    """One run of a network's layers under organisations of one width.

    Parameters
    ----------
    network : Network
        Keeps, when all layers have been timed, what another session under the same organisations can use again.
    organisations : sequence of Organisation
    jobs : int or None
        Threads.
    """

    def __init__(self, network: Network, organisations: Sequence[Organisation], jobs: int | None) -> None:
        self._network, self._organisations = network, organisations
        self._kind = "workbench", organisations[0].data_bits
        self._key = tuple(organisations), jobs
        self._images: dict[str, int] = {}
        self._limits = CountLimits()

    def time(self, layers: Iterable[Layer]) -> Iterator[tuple[ObservedLayer, LayerTimings]]:
        """Time layers as they come; yield each batch of each with what it took.

        Raises
        ------
        NetworkError
            If two layers have one name, or layers hold different numbers of images: they have no sum.
        ConfigError
            If counts could go beyond 64 bits.
        """
        bench = cast(Workbench | None, self._network.kept.take(self._kind, self._key)) or Workbench(self._key[1])
        for together in in_batches(layers):
            for layer in together:
                self._count_images(layer)
                for organisation in self._organisations:
                    self._limits.add(layer, organisation)
            observed = [bench.observed(layer) for layer in together]
            timings = bench.engine.time(together, self._organisations)
            del together, layer
            while observed:  # nothing of a layer is held here while others look at it, or while the next one is made
                yield observed.pop(0), timings.pop(0)
        self._check_images()
        self._network.kept.put(self._kind, self._key, bench)

    def _count_images(self, layer: Layer) -> None:
        if layer.first_image != self._images.get(layer.name, 0):
            raise NetworkError(f"network {self._network.name!r}: two layers are called {layer.name!r}; give one another name")
        self._images[layer.name] = layer.first_image + layer.images

    def _check_images(self) -> None:
        first, *others = self._images.items()
        for name, count in others:
            if count != first[1]:
                message = f"layer {name!r} holds {count} images, {first[0]!r} {first[1]}; give all layers the same images"
                raise NetworkError(f"network {self._network.name!r}: {message}")


def in_batches(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    """Yield layers as they come, small ones together: as many as are timed at once, and none twice."""
    some: dict[str, Layer] = {}
    held = 0
    for layer in layers:
        if some and (layer.name in some or held + layer.activations.size > TOGETHER):
            yield list(some.values())
            some, held = {}, 0
        some[layer.name] = layer
        held += layer.activations.size
        del layer
        if held > TOGETHER:  # it is not held until the next one is there
            yield list(some.values())
            some, held = {}, 0
    if some:
        yield list(some.values())
