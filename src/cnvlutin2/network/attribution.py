"""Which rows of what a network of a fixed batch computes belong to which image of the batch.

A network that takes several images at once may hold them in any order: one after another, interleaved (sequence-first), flipped.
It is executed on copies of one image (`cnvlutin2.network.image_batches`), so that whatever it does nothing of another image is
in what its layers see; what is left to find is which rows are one copy's. That is found by changing some of the copies: a row
is that of the one copy on which it depends. Rows that depend on several have no image, and their layer is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import UnsupportedLayer

ROUNDS = 2
"""How many different images are put in the place of copies: a row may not see one change, as behind a ReLU."""
_UNKNOWN = -1


@dataclass(frozen=True)
class ImageRows:
    """Where the rows of one image lie among those of a batch: `inner` rows of each image in turn, again and again.

    Parameters
    ----------
    images : int
        Of the batch.
    inner : int
        All rows of an image: one image after another. 1: interleaved.
    """

    images: int
    inner: int

    def of(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the rows of one image, ``[R / images, ...]``, of those of a batch ``[R, ...]``."""
        if self.images == 1:
            return rows
        in_turn = rows.reshape(-1, self.images, self.inner, *rows.shape[1:])
        return np.array(in_turn[:, 0]).reshape(-1, *rows.shape[1:])  # a copy: the others are not to stay in memory


@dataclass(frozen=True, eq=False)
class Probe:
    """A batch of an image and another one, to see what changes.

    Parameters
    ----------
    number : int
        Of the round.
    digit, value : int
        The other image stands where this binary digit of an image's place in the batch has this value.
    values : array, ``[images, ...]``
    """

    number: int
    digit: int
    value: int
    values: NDArray[np.generic]


def probes(batch: NDArray[np.generic]) -> Iterator[Probe]:
    """Yield changes of a batch of copies: for every digit of their places, and both its values, in several rounds.

    A row that depends on one image changes with one value of every digit, which tell its place; a row that depends on two
    changes with both values of a digit in which their places differ.
    """
    places = np.arange(len(batch))
    for number in range(ROUNDS):
        other = _another(batch[0], number)
        for digit in range(int(places[-1]).bit_length()):
            for value in (0, 1):
                values = batch.copy()
                values[(places >> digit & 1) == value] = other
                yield Probe(number, digit, value, values)


def _another(image: NDArray[np.generic], number: int) -> NDArray[np.generic]:
    """Return another image for a round: of the same values, which a model may look up in a table; or of any reals as large."""
    random = np.random.default_rng(number)
    if image.dtype.kind == "f" and number:
        largest = np.abs(image).max().astype(np.float64) or 1.0
        return random.uniform(-largest, largest, image.shape).astype(image.dtype)
    drawn = random.choice(image.reshape(-1), image.shape)
    if (drawn != image).any():
        return drawn
    zero, one = np.zeros((), image.dtype), np.ones((), image.dtype)
    return np.where(image == one, zero, one)  # of a single value: another one


class RowOwners:
    """On which image of a batch each row of a tensor depends, as far as probes have shown it.

    Parameters
    ----------
    rows : array, ``[R, ...]``
        Of a batch of copies.
    images : int
        Of the batch.
    """

    def __init__(self, rows: NDArray[Any], images: int) -> None:
        self._shape, self._keys, self._images = rows.shape, row_keys(rows), images
        digits = (images - 1).bit_length()
        self._changed = np.zeros((ROUNDS, digits, 2, len(rows)), np.bool_)
        self._alike = True

    def compare(self, probe: Probe, rows: NDArray[Any]) -> None:
        """Note what a probe has changed."""
        if rows.shape != self._shape:
            self._alike = False
            return
        self._changed[probe.number, probe.digit, probe.value] = (row_keys(rows) != self._keys).any(axis=1)

    def image_rows(self) -> ImageRows:
        """Return where the rows of one image lie.

        Raises
        ------
        UnsupportedLayer
            If a row depends on several images, or the rows do not lie as `ImageRows` says.
        """
        count = len(self._keys)
        owners = self._owners()
        if count % self._images == 0:
            of_image = count // self._images
            for inner in (n for n in range(of_image, 0, -1) if of_image % n == 0):
                if _in_turn(owners.reshape(-1, self._images, inner)):
                    return ImageRows(self._images, inner)
        raise UnsupportedLayer(f"which of its {count} rows belong to which of the {self._images} images of a batch does not show")

    def _owners(self) -> NDArray[np.int64]:
        """Return the place of the image on which each row depends, or `_UNKNOWN` where nothing has changed it, ``[R]``."""
        owners = np.full(len(self._keys), _UNKNOWN)
        mixed = not self._alike
        for changed in self._changed:
            seen = changed.any(axis=(0, 1))
            place = sum(changed[digit, 1].astype(np.int64) << digit for digit in range(len(changed)))
            single = (changed[:, 0] != changed[:, 1]).all(axis=0) & ((owners == _UNKNOWN) | (owners == place))
            mixed |= bool((seen & ~single).any())
            owners = np.where(seen, place, owners)
        if mixed:
            raise UnsupportedLayer(
                f"what it sees of an image depends on others of a batch of {self._images}; export the model for single images"
            )
        return owners


def row_keys(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Return digests ``[R, 2]`` of rows, which stand for them: equal for equal values, and for those that are no numbers."""
    keys = np.empty((len(rows), 2), np.uint64)
    for index, row in enumerate(rows):
        plain = np.where(row == row, row + 0, np.nan).astype(row.dtype) if row.dtype.kind == "f" else row
        digest = hashlib.blake2b(np.ascontiguousarray(plain).tobytes(), digest_size=16).digest()
        keys[index] = np.frombuffer(digest, np.uint64)
    return keys


def _in_turn(owners: NDArray[np.int64]) -> bool:
    """Whether rows ``[..., images, inner]`` are those of one image in turn, and every image has some."""
    found = []
    for rows in np.moveaxis(owners, 1, 0):
        different = np.unique(rows[rows != _UNKNOWN])
        if different.size != 1:
            return False
        found.append(int(different[0]))
    return len(set(found)) == len(found)
