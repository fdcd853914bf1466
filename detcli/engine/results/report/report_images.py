"""The images of a report as a source: each is read, reduced and encoded in a thread of the pipeline."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from detcli.engine.results.image_facts import FolderImages, ImageFinder
from detcli.sinks.gallery.thumbnails import encode_masks, encode_thumbnail, shrink
from detcli.sources.source import SourceItem
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize
from detcli.structures.json_records import Result
from detcli.visualization.colors import color


@dataclass(frozen=True, slots=True)
class ThumbnailFrame(Frame):
    """An image of a report.

    stored     its detections
    thumbnail  JPEG; None: its pixels cannot be shown
    masks      PNG over the thumbnail
    missing    why its pixels cannot be shown
    """

    stored: Detections | None = None
    thumbnail: bytes | None = None
    masks: bytes | None = None
    missing: FailedFrame | None = None


@dataclass(frozen=True, slots=True)
class ThumbnailItem:
    """An image that results name.

    item  reads it; None: there is nothing to read, as for a frame of a video
    side  longer side of its thumbnail in pixels
    """

    result: Result
    item: SourceItem | None
    side: int

    @property
    def origin(self) -> Origin:
        """Its index and names in the results."""
        return self.result[0].origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Read it. An image that failed in the results stays one; one that cannot be read now says why."""
        stored, detections = self.result
        if isinstance(stored, FailedFrame) or isinstance(detections, FailedFrame):
            return stored
        masks = None
        if detections.masks is not None:
            colors = [color(class_id) for class_id in detections.class_ids.tolist()]
            masks = encode_masks(detections.masks, colors, self.side)
        shown = ThumbnailFrame(self.origin, stored.size_hw, None, stored=detections, masks=masks)
        frame = None if self.item is None else self.item(partial(shrink, side=self.side))
        if frame is None:
            return shown
        if isinstance(frame, FailedFrame):
            return replace(shown, missing=replace(frame, origin=self.origin))
        if stored.size_hw != (0, 0) and frame.size_hw != stored.size_hw:
            is_size, was_size = (f"{size[1]} x {size[0]}" for size in (frame.size_hw, stored.size_hw))
            message = f"it has {is_size} pixels, and the results are of an image with {was_size}"
            return replace(shown, missing=FailedFrame(self.origin, "unsupported", message))
        return replace(shown, size_hw=frame.size_hw, thumbnail=encode_thumbnail(self._reduced(frame)))

    def _reduced(self, frame: Frame) -> Pixels:
        """The pixels of the thumbnail; sources may have reduced them or not."""
        if frame.prepared is not None:
            return frame.prepared
        if frame.pixels is None:
            raise TypeError("the image has no pixels")
        return shrink(Image.fromarray(frame.pixels), self.side)


class ReportImages:
    """Finds the images of results, and yields them in their order.

    results  what is shown
    count    how many these are
    folder   where images are found by their names; None: where the results say
    also     a folder for images that are not where the results say
    side     longer side of the thumbnails in pixels
    """

    def __init__(
        self, results: Iterable[Result], count: int, *, folder: Path | None, also: Path | None, side: int
    ) -> None:
        self._results, self._count, self._side, self._by_name = results, count, side, folder is not None
        self._images = ImageFinder(folder)
        self._also = None if also is None or folder is not None else FolderImages(also)

    def __iter__(self) -> Iterator[SourceItem]:
        """The images."""
        for result in self._results:
            yield ThumbnailItem(result, self._item(result[0].origin), self._side)

    def count(self) -> int:
        """The number of images."""
        return self._count

    def _item(self, origin: Origin) -> SourceItem | None:
        if origin.frame is not None and not self._by_name:  # of a video
            return None
        if self._also is not None and not os.path.lexists(origin.file):
            found = self._also.find(origin.file) or self._also.find(origin.relative)
            if found is not None:
                return found
        return self._images.find(origin)
