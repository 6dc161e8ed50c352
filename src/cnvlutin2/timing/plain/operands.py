"""`Operands`: the activations and weights of a layer as an organisation's lanes see them (docs/model.md, "Organisations")."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import get_format
from cnvlutin2.mapping import Schedule
from cnvlutin2.numeric import effectual
from cnvlutin2.timing.observed import ObservedLayer

Bits = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)


class Operands:
    """A batch of a layer as the lanes of an organisation see it, its groups side by side where they are computed so.

    Places are those of `StepMap`, image after image; one more place, the last, is the padding.

    Parameters
    ----------
    observed : ObservedLayer
    schedule : Schedule
        Of the layer's shape and the organisation.
    """

    def __init__(self, observed: ObservedLayer, schedule: Schedule) -> None:
        self.observed, self.schedule = observed, schedule
        self.layer = observed.layer.side_by_side(schedule.together)

    @property
    def images(self) -> int:
        """Images of the batch."""
        return self.observed.images

    def places(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place that each step of some windows reads, ``[steps, W]``.

        Parameters
        ----------
        windows : int64 ``[W]``
            Counted over the images: image times windows of an image, plus the window.
        """
        steps = self.schedule.steps
        image, window = np.divmod(windows, steps.windows)
        read = steps.places_read(window)
        return np.where(read < 0, self.images * steps.places, image * steps.places + read)

    @cached_property
    def effectual(self) -> Bits:
        """Which values are effectual, ``[groups, values of a step, places]``."""
        return self.by_place(self.observed.bits)

    @cached_property
    def seen(self) -> Bits:
        """Which values a lane takes for effectual, `m_A`, ``[groups, values of a step, places]``."""
        view, o, bits = self.schedule.view, self.schedule.organisation, self.observed.bits
        if view == "effectual":
            return self.effectual
        if view == "all":
            return self.by_place(np.ones_like(bits), padding=True)
        storage = self.schedule.storage
        raw = get_format(o.format).raw_bricks(self.observed.brick_counts(storage), o.brick, o.data_bits)
        return self.by_place(bits | self.observed.spread(raw, storage))

    @cached_property
    def rows(self) -> NDArray[np.uint8]:
        """NM rows that fetching each run of a step touches, `r`, ``[groups, runs, places]``."""
        schedule, o = self.schedule, self.schedule.organisation
        shape = schedule.groups, schedule.runs.runs, self.images * schedule.steps.places + 1
        touched = np.ones(shape, np.uint8)
        if schedule.has_rows:
            counts, form = self.observed.brick_counts(schedule.storage), get_format(o.format)
            by_image = np.stack([form.rows_touched(image, o.brick, o.data_bits) for image in counts])
            bricks = np.moveaxis(by_image, (1, 4), (0, 1)).reshape(schedule.groups, -1, shape[2] - 1)
            first, last = schedule.run_bricks.T
            touched[..., :-1] = np.maximum(bricks[:, first], bricks[:, last])
        return touched

    def weights(self, filters: NDArray[np.integer]) -> Bits:
        """Return which weights of some filters (counted over all groups) are effectual, ``[steps, values, filters]``."""
        layer = self.layer
        bits = effectual(layer.weights[filters], layer.weight_threshold).reshape(filters.size, -1)
        return np.ascontiguousarray(bits.T[self.schedule.weights_met()])

    def by_place(self, maps: NDArray[Scalar], padding: int = 0) -> NDArray[Scalar]:
        """Return values of all activations ``[N, C, H, W]`` where the lanes read them, ``[groups, values of a step, places]``."""
        read, groups = self.schedule.values_read(), self.schedule.groups
        values = maps.reshape(self.images, groups, -1)[..., read]  # [N, groups, values, places of an image]
        values[..., read < 0] = padding
        by_value = np.moveaxis(values, 0, 2).reshape(groups, len(read), -1)
        out = np.full((*by_value.shape[:2], by_value.shape[2] + 1), padding, maps.dtype)
        out[..., :-1] = by_value
        return out
