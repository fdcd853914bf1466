"""The images of a dataset as a source of a gallery: each is read, reduced and encoded in a thread of the pipeline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from detcli.engine.data.shared_classes import SharedClasses
from detcli.engine.results.report.report_images import ThumbnailFrame
from detcli.errors import ImageError
from detcli.inspection.findings import DataPart
from detcli.sinks.gallery.thumbnails import encode_masks, encode_thumbnail, shrink
from detcli.sources.source import SourceItem
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.visualization.colors import color


@dataclass(frozen=True, slots=True)
class AnnotatedItem:
    """An image of a dataset.

    number  of the image among those of all parts
    side    longer side of its thumbnail in pixels
    """

    part: DataPart
    index: int
    number: int
    classes: SharedClasses
    side: int

    @property
    def origin(self) -> Origin:
        """Its names."""
        return replace(self.part.dataset.origin(self.index), index=self.number)

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Read it; one that cannot be read has no thumbnail, and says why."""
        dataset, origin = self.part.dataset, self.origin
        shown = ThumbnailFrame(origin, dataset.size_hw(self.index) or (0, 0), None, stored=Detections.empty())
        try:
            truth = self.classes.ground_truth(self.part, self.index)
        except ImageError as error:
            return replace(shown, missing=FailedFrame(origin, error.code, str(error)))
        boxes = truth.boxes_xyxy
        smallest = np.argsort((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), kind="stable")  # in front of larger ones
        truth = truth[smallest]
        stored = Detections(truth.boxes_xyxy, np.ones(len(truth), np.float32), truth.class_ids, truth.masks)
        masks = None
        if truth.masks is not None:
            masks = encode_masks(truth.masks, [color(index) for index in truth.class_ids.tolist()], self.side)
        shown = replace(shown, stored=stored, masks=masks)
        frame = dataset.read(self.index, partial(shrink, side=self.side))
        if isinstance(frame, FailedFrame):
            return replace(shown, missing=replace(frame, origin=origin))
        pixels = frame.prepared if frame.prepared is not None else frame.pixels
        if pixels is None:
            raise TypeError("the image has no pixels")
        thumbnail = encode_thumbnail(shrink(Image.fromarray(pixels), self.side))
        return replace(shown, size_hw=frame.size_hw, thumbnail=thumbnail)


class AnnotatedSource:
    """Yields the images of all parts in their order."""

    def __init__(self, parts: Sequence[DataPart], classes: SharedClasses, *, side: int) -> None:
        self._parts, self._classes, self._side = parts, classes, side

    def __iter__(self) -> Iterator[SourceItem]:
        """The images."""
        number = 0
        for part in self._parts:
            for index in range(len(part.dataset)):
                yield AnnotatedItem(part, index, number, self._classes, self._side)
                number += 1

    def count(self) -> int:
        """The number of images."""
        return sum(len(part.dataset) for part in self._parts)
