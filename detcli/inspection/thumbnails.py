"""Reads all images of some datasets as small gray ones, in threads: the base of comparing them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.inspection.findings import DataPart
from detcli.inspection.image_files import ImageKey
from detcli.inspection.thread_batches import map_in_threads
from detcli.structures.frame import FailedFrame, Pixels, ReducedResize

SIDE = 32
_LEAST_SIDE = 2 * SIDE  # of a reduced JPEG: enough for an exact average
_PROGRESS_EVERY = 50

Thumbnails = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ReadImages:
    """The images of some parts.

    keys        part and index of each image that could be read
    thumbnails  uint8 [N, 32, 32] of these, gray
    failed      images that cannot be read, with the reason
    """

    keys: list[ImageKey]
    thumbnails: Thumbnails
    failed: list[tuple[ImageKey, FailedFrame]]


def read_thumbnails(
    parts: Sequence[DataPart],
    *,
    full: bool = False,
    workers: int | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> ReadImages:
    """Read all images of some parts.

    full         decode each image at its full size, as training does; otherwise a JPEG at a fraction of it
    workers      threads that read images; None: one per processor
    on_progress  called with the number of images that are read
    """
    keys = [(number, index) for number, part in enumerate(parts) for index in range(len(part.dataset))]
    resize = _shrink if full else ReducedResize(_shrink, _LEAST_SIDE)

    def read(key: ImageKey) -> Pixels | FailedFrame:
        frame = parts[key[0]].dataset.read(key[1], resize)
        if isinstance(frame, FailedFrame):
            return frame
        assert frame.prepared is not None  # noqa: S101 - of a resize
        return frame.prepared

    images: list[Pixels] = []
    read_keys: list[ImageKey] = []
    failed: list[tuple[ImageKey, FailedFrame]] = []
    for done, (key, image) in enumerate(zip(keys, map_in_threads(read, keys, workers=workers), strict=True), 1):
        if isinstance(image, FailedFrame):
            failed.append((key, image))
        else:
            images.append(image)
            read_keys.append(key)
        if done % _PROGRESS_EVERY == 0:
            on_progress(done)
    thumbnails = np.stack(images) if images else np.zeros((0, SIDE, SIDE), np.uint8)
    return ReadImages(read_keys, thumbnails, failed)


def _shrink(image: Image.Image) -> Pixels:
    """The mean gray of the cells of a grid, whatever the aspect ratio: uint8 [32, 32]."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
