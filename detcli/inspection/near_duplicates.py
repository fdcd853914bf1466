"""Finds images that look almost the same: saved again, resized, brighter, cropped a little, mirrored or turned.

The lowest frequencies of a thumbnail (its discrete cosine transform, as in perceptual hashes) are compared for all pairs by
products of matrices. Only pairs with alike ones are compared by all of their pixels, and by what is left of them without the
lowest frequencies: images of one kind, such as X-rays, have the same coarse pattern, but not the same details.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from detcli.inspection.thumbnails import SIDE, Thumbnails

_FREQUENCIES = 8  # per axis
_ALIKE = 0.93  # correlation of the lowest frequencies; of two photographs of blood cells it is below 0.87
_EQUAL, _EQUAL_DETAILS = 0.88, 0.75  # correlation of all pixels, and of details
_PLAIN = 1.0  # standard deviation in gray levels of an image without contrast
_SMOOTH = 2.0  # the same of details that are none
_SAME_LEVELS = 1.0  # mean difference in gray levels of images without details
_MOST_PER_IMAGE = 8  # pairs of one image that are compared closely
_BLOCK = 1 << 24  # products at a time: 64 MB

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ImagePrints:
    """What of the thumbnails of N images is compared.

    thumbnails   uint8 [N, 32, 32]
    frequencies  float32 [N, 8, 8] of length 1: the lowest ones without the mean; 0 for an image without contrast
    invariants   float32 [N, 64] of length 1: the same for an image and its mirrored or turned ones
    """

    thumbnails: Thumbnails
    frequencies: Floats
    invariants: Floats

    @classmethod
    def of(cls, thumbnails: Thumbnails) -> "ImagePrints":
        """The prints of thumbnails."""
        basis = _basis()
        frequencies = basis @ thumbnails.astype(np.float32) @ basis.T
        frequencies[:, 0, 0] = 0
        flat = thumbnails.reshape(len(thumbnails), -1).std(axis=1) < _PLAIN
        frequencies[flat] = 0
        return cls(thumbnails, _unit(frequencies), _unit(_invariants(frequencies)))


def similar_pairs(prints: ImagePrints, rows: Indices, columns: Indices | None = None) -> list[tuple[int, int]]:
    """Pairs of images that look almost the same, at most eight for each image of `rows`.

    rows     indices of images
    columns  indices of the images that they are compared with; None: each pair of `rows` once
    """
    found: list[tuple[int, int]] = []
    for first, second in _candidates(prints, rows, columns):
        chosen = _confirmed(prints, first, second)
        found += zip(first[chosen].tolist(), second[chosen].tolist(), strict=True)
    return found


def _candidates(prints: ImagePrints, rows: Indices, columns: Indices | None) -> Iterator[tuple[Indices, Indices]]:
    """Pairs with alike invariants, in blocks of rows."""
    others = rows if columns is None else columns
    if not len(rows) or not len(others):
        return
    right = prints.invariants[others].T
    step = max(1, _BLOCK // len(others))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        products = prints.invariants[block] @ right
        if columns is None:
            products[np.arange(len(others))[None, :] <= np.arange(start, start + len(block))[:, None]] = 0
        alike = products >= _ALIKE
        crowded = np.flatnonzero(alike.sum(axis=1) > _MOST_PER_IMAGE)
        if len(crowded):
            best = np.argpartition(-products[crowded], _MOST_PER_IMAGE, axis=1)[:, :_MOST_PER_IMAGE]
            alike[crowded] = False
            alike[crowded[:, None], best] = True
        first, second = np.nonzero(alike)
        yield block[first], others[second]


def _confirmed(prints: ImagePrints, first: Indices, second: Indices) -> npt.NDArray[np.bool_]:
    """Bool [pairs]: which of the pairs look the same in their best position."""
    turned = np.stack([_turned(prints.frequencies[second], turn, signs=True) for turn in range(8)])
    products = (prints.frequencies[first][None] * turned).sum(axis=(2, 3))  # [8, pairs]
    best = products.argmax(axis=0)
    confirmed = np.zeros(len(first), np.bool_)
    for turn in range(8):
        chosen = np.flatnonzero((best == turn) & (products.max(axis=0) >= _ALIKE))
        one = prints.thumbnails[first[chosen]].astype(np.float32)
        other = _turned(prints.thumbnails[second[chosen]].astype(np.float32), turn, signs=False)
        details, other_details = _details(one), _details(other)
        equal = (_correlation(one, other) >= _EQUAL) & (_correlation(details, other_details) >= _EQUAL_DETAILS)
        smooth = np.maximum(details.std(axis=(1, 2)), other_details.std(axis=(1, 2))) < _SMOOTH
        same = np.abs(one - other).mean(axis=(1, 2)) < _SAME_LEVELS
        confirmed[chosen] = np.where(smooth, same, equal)
    return confirmed


def _details(images: Floats) -> Floats:
    """Images without their lowest frequencies."""
    basis = _basis()
    return np.asarray(images - basis.T @ (basis @ images @ basis.T) @ basis, np.float32)


def _turned(images: Floats, turn: int, *, signs: bool) -> Floats:
    """One of the eight mirrored or turned forms of images, or of frequencies, whose odd ones change their sign instead."""
    if turn & 4:
        images = images.swapaxes(1, 2)
    for axis in (1, 2):
        if turn & axis:
            images = images * _signs(axis) if signs else np.flip(images, axis)
    return images


def _signs(axis: int) -> Floats:
    signs = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    return signs[:, None] if axis == 1 else signs[None, :]


def _correlation(one: Floats, other: Floats) -> Floats:
    one = one - one.mean(axis=(1, 2), keepdims=True)
    other = other - other.mean(axis=(1, 2), keepdims=True)
    scale = np.sqrt((one**2).sum(axis=(1, 2)) * (other**2).sum(axis=(1, 2)))
    return np.asarray((one * other).sum(axis=(1, 2)) / np.maximum(scale, 1e-6), np.float32)


def _invariants(frequencies: Floats) -> Floats:
    """Float32 [N, 64]: without signs, which mirroring changes, and of a frequency and its transposed one the larger first."""
    sizes = np.abs(frequencies)
    swapped = sizes.swapaxes(1, 2)
    upper, lower = np.triu_indices(_FREQUENCIES), np.triu_indices(_FREQUENCIES, 1)
    large, small = np.maximum(sizes, swapped), np.minimum(sizes, swapped)
    return np.concatenate((large[:, *upper], small[:, *lower]), axis=1)


def _unit(vectors: Floats) -> Floats:
    """Vectors or matrices [N, ...] of length 1; those of length 0 stay."""
    flat = vectors.reshape(len(vectors), -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True).astype(np.float32)
    return np.divide(flat, np.where(length > 0, length, 1), dtype=np.float32).reshape(vectors.shape)


@cache
def _basis() -> Floats:
    """The first eight rows of the orthonormal discrete cosine transform, float32 [8, 32]."""
    place = np.arange(SIDE) + 0.5
    rows: Floats = np.array([np.cos(np.pi * place * row / SIDE) for row in range(_FREQUENCIES)], np.float32)
    rows *= np.sqrt(2 / SIDE)
    rows[0] /= np.sqrt(2)
    return rows
