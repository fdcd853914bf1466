"""A detector that cuts large images into tiles, detects in all of them in common batches, and merges the results."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from detcli.errors import ImageError, UsageError
from detcli.inference.batches.pending_detections import FinishedDetections, PendingDetections
from detcli.inference.detector import Detector
from detcli.inference.images.tiling.merge_tiles import merge_tiles
from detcli.inference.images.tiling.tile_grid import Region, count_tiles, tile_rows
from detcli.inference.images.tiling.tile_settings import TileSettings
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import BandedResize, FailedFrame, Frame, Origin, Pixels, Resize

if TYPE_CHECKING:
    from PIL import Image

_BATCHES_TOGETHER = 8  # images are added to a call until it has so many batches of tiles: few are then not full


class TiledDetector(Detector):
    """A detector that cuts images that are larger than a tile; others it treats as a `Detector` does.

    A batch has tiles of several images. Results for an image do not depend on the others. Made by `with_tiles`.

    tiles  into which tiles
    """

    tiles: TileSettings

    @property
    def batches_in_flight(self) -> int:
        """1: the batches in flight are those of tiles."""
        return 1

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect in frames; failed frames come back unchanged, in their position.

        Raises DeviceError if even one tile does not fit into memory, or the device was lost.
        """
        images = [_TiledImage(position, frame) for position, frame in enumerate(frames) if isinstance(frame, Frame)]
        results = dict(self._results(images))
        return [results[position] if isinstance(frame, Frame) else frame for position, frame in enumerate(frames)]

    def submit(self, frames: Sequence[Frame | FailedFrame]) -> PendingDetections:
        """Detect in frames; they are finished when this returns."""
        return FinishedDetections(self.detect_frames(frames))

    def resize(self, image: "Image.Image") -> Pixels:
        """Resize an image for the network; one that is cut keeps its size."""
        return np.asarray(image) if self.tiles.cuts((image.height, image.width)) else super().resize(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """Prepare a frame that is not cut."""
        if isinstance(frame, Frame) and self.tiles.cuts(frame.size_hw):
            return frame
        return super().prepare(frame)

    def takes_bands(self, size_hw: tuple[int, int]) -> bool:
        """Whether an image of this size may come as bands of rows: it is cut, and never needed as a whole."""
        return self.tiles.cuts(size_hw) and not self.tiles.and_full

    @property
    def _reading_resize(self) -> Resize:
        return BandedResize(self.resize, self.takes_bands)

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Return the positions of the first frames, as many as fill some batches."""
        tiles = 0
        for position, frame in enumerate(frames[: self.look_ahead]):
            tiles += count_tiles(frame.size_hw, self.tiles) if isinstance(frame, Frame) else 0
            if tiles >= _BATCHES_TOGETHER * self.batch_size:
                return list(range(position + 1))
        return list(range(min(len(frames), self.look_ahead)))

    def _copy(self, selection: Selection, segmentation: SegmentationSettings | None, size: int) -> "TiledDetector":
        return with_tiles(super()._copy(selection, segmentation, size), self.tiles)

    def _results(self, images: "Sequence[_TiledImage]") -> Iterator[tuple[int, Detections | FailedFrame]]:
        """The results of images in the order in which their last tile is finished."""
        views = self._views(images)
        waiting: list[_View] = []
        started: deque[tuple[list[_View], PendingDetections]] = deque()
        while True:
            while len(waiting) < self._look_ahead(self.batch_size) and (view := next(views, None)) is not None:
                if isinstance(view.frame, Frame):
                    waiting.append(view)
                elif (failed := self._add(view, view.frame)) is not None:
                    yield view.image.position, failed
            if waiting and len(started) < super().batches_in_flight:
                frames = [view.frame for view in waiting if isinstance(view.frame, Frame)]
                chosen = self._next_batch(frames, self.batch_size)
                batch = [waiting[position] for position in chosen]
                started.append((batch, self._start([frames[position] for position in chosen])))
                waiting = [view for position, view in enumerate(waiting) if position not in set(chosen)]
                continue
            if not started:
                return
            batch, pending = started.popleft()
            for view, found in zip(batch, pending.result(), strict=True):
                if (result := self._add(view, found)) is not None:
                    yield view.image.position, result

    def _start(self, frames: list[Frame]) -> PendingDetections:
        if super().batches_in_flight > 1:
            return super().submit(frames)
        return FinishedDetections(self.detect_whole_frames(frames))

    def _views(self, images: "Sequence[_TiledImage]") -> Iterator["_View"]:
        """What the network gets: each tile of each image, and images that are not cut."""
        for image in images:
            frame = image.frame
            if not self.tiles.cuts(frame.size_hw):
                image.left = 1
                yield _View(image, None, frame)
                continue
            image.left = count_tiles(frame.size_hw, self.tiles)
            number = 0
            for row in tile_rows(frame.size_hw, self.tiles):
                band = _band(frame, row[0][1], row[0][3])
                for region in row:
                    tile = band if isinstance(band, FailedFrame) else _tile(frame.origin, number, region, band)
                    yield _View(image, region, tile)
                    number += 1
            if self.tiles.and_full:
                yield self._full(image, number)

    def _full(self, image: "_TiledImage", number: int) -> "_View":
        height, width = image.frame.size_hw
        whole = replace(image.frame, origin=replace(image.frame.origin, index=number), prepared=None)
        whole = replace(whole, pixels=_pixels(image.frame))
        return _View(image, (0, 0, width, height), self.preprocessor.prepare(whole).without_pixels())

    def _add(self, view: "_View", found: Detections | FailedFrame) -> Detections | FailedFrame | None:
        """Add the result of a tile; returns that of the image when it is the last one."""
        image = view.image
        image.left -= 1
        if view.region is None:
            return found
        if isinstance(found, FailedFrame):
            image.failure = image.failure or replace(found, origin=image.frame.origin)
        else:
            image.found.append((view.region, found))
        if image.left:
            return None
        if image.failure is not None:
            return image.failure
        image.found.sort(key=lambda pair: pair[0])  # batches may have finished in another order
        regions, detections = zip(*image.found, strict=True)
        merged = merge_tiles(
            regions,
            detections,
            image.frame.size_hw,
            selection=self.selection,
            seam_std=float(max(1, self.tiles.overlap_pixels)),
        )
        image.found.clear()
        return replace(merged, labels=self.labels)


@dataclass(eq=False, slots=True)
class _TiledImage:
    """An image of one call.

    left   how many of its tiles have no result yet
    found  detections by region
    """

    position: int
    frame: Frame
    left: int = 0
    found: list[tuple[Region, Detections]] = field(default_factory=list)
    failure: FailedFrame | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """One image for the network: a tile, or the whole image with all its pixels as region, or without tiles (None)."""

    image: _TiledImage
    region: Region | None
    frame: Frame | FailedFrame


def with_tiles(detector: Detector, tiles: TileSettings) -> TiledDetector:
    """Return a detector with tiles that shares the network. Raises UsageError for a detector of segments."""
    if detector.segmentation is not None:
        raise UsageError("`tile` is for boxes; it cannot be combined with `segmentation`")
    tiled = TiledDetector(
        detector.model,
        detector.runtime,
        preprocessor=detector.preprocessor,
        selection=detector.selection,
        batches=replace(detector.batches, size=detector.batch_size),
    )
    tiled.tiles = tiles
    tiled.loaded_in = detector.loaded_in
    return tiled


def _pixels(frame: Frame) -> Pixels:
    pixels = frame.pixels if frame.prepared is None else frame.prepared
    if pixels is None:
        raise ValueError(f"frame {frame.origin.index} has neither pixels nor prepared pixels")
    return pixels


def _band(frame: Frame, top: int, bottom: int) -> Pixels | FailedFrame:
    """The pixels of a row of tiles, uint8 [bottom - top, W, 3]."""
    if frame.bands is None:
        return _pixels(frame)[top:bottom]
    try:
        return frame.bands.read(top, bottom)
    except ImageError as error:
        return FailedFrame(frame.origin, error.code, str(error))


def _tile(origin: Origin, number: int, region: Region, band: Pixels) -> Frame:
    """A tile as a frame: its number is its index, so that its place in a deterministic batch depends on nothing else."""
    left, top, right, bottom = region
    pixels = band[:, left:right]
    return Frame(replace(origin, index=number), (bottom - top, right - left), pixels)
