"""A few validation images with their ground truth and the predictions of an epoch side by side."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from detcli.datasets.dataset import Dataset
from detcli.errors import ImageError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Pixels
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle

_IMAGES = 4  # of an epoch
_MAX_SIDE = 640  # pixels of one of the two
_GAP = 4  # pixels between them
_SCORE = 0.5  # from which predictions are drawn where the threshold with the highest F1 is unknown
_MAX_BOXES = 100  # of an image


def shown_indices(indices: Sequence[int]) -> frozenset[int]:
    """The images that are drawn, the same in each epoch: spread evenly over the given ones."""
    count = min(_IMAGES, len(indices))
    return frozenset(indices[number * len(indices) // count] for number in range(count))


def draw_validation(data: Dataset, shown: Mapping[int, Detections], threshold: float | None) -> dict[str, Pixels]:
    """The images by tag ("validation/1"), uint8 [H, W, 3] RGB: ground truth on the left, predictions on the right.

    shown      index of the image -> its predictions
    threshold  lowest score that is drawn; None: 0.5

    Images that cannot be read are left out.
    """
    images = {}
    for number, index in enumerate(sorted(shown), 1):
        frame = data.read(index)
        if isinstance(frame, FailedFrame) or frame.pixels is None:
            continue
        found = shown[index]
        found = found[found.scores >= (_SCORE if threshold is None else threshold)][:_MAX_BOXES]
        truth = _ground_truth(data, index)
        left = _panel(frame.pixels, truth, data, DrawingStyle(hide_scores=True))
        right = _panel(frame.pixels, found, data, DrawingStyle())
        gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
        images[f"validation/{number}"] = np.ascontiguousarray(np.concatenate([left, gap, right], axis=1))
    return images


def as_jpeg(pixels: Pixels) -> bytes:
    """An image as JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _ground_truth(data: Dataset, index: int) -> Detections:
    try:
        truth = data.ground_truth(index)
    except ImageError:  # masks that cannot be read; the evaluation says so
        return Detections.empty()
    scores = np.ones(len(truth), np.float32)
    return Detections(truth.boxes_xyxy, scores, truth.class_ids, masks=truth.masks)[:_MAX_BOXES]


def _panel(pixels: Pixels, boxes: Detections, data: Dataset, style: DrawingStyle) -> Pixels:
    """The drawn image, at most 640 pixels wide and high; boxes are drawn on the small image, so that labels can be read."""
    height, width = pixels.shape[:2]
    factor = min(1.0, _MAX_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    labels = boxes.labels or data.labels
    if boxes.masks is not None:  # of the size of the image
        return _resized(draw(pixels, boxes, labels, style), size)
    scale = np.array([size[0] / width, size[1] / height] * 2)
    small = Detections(boxes.boxes_xyxy * scale, boxes.scores, boxes.class_ids)
    return draw(_resized(pixels, size), small, labels, style)


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
