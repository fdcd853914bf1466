"""Selects images by how much their detections are worth a look, in memory for as many results as are selected."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from detcli.image_selection import ImageSelection
from detcli.sinks.sink import BaseSink, Sink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Result
from detcli.text import counted

Kept = TypeVar("Kept")
_DIGITS = 12  # of an uncertainty: more depend on the machine


def box_uncertainties(detections: Detections) -> npt.NDArray[np.float64]:
    """How uncertain each detection is, from 0 to 1, [N].

    This is the entropy of its score in bits: 1 for a score of 0.5, and 0 for 0 and 1. With the standard deviations of its
    edges, it is the largest of them in relation to half the side, at most 1, where that is more than the entropy.
    """
    scores = np.clip(detections.scores.astype(np.float64), 0, 1)
    of_scores = np.zeros(len(scores))
    for part in (scores, 1 - scores):
        of_scores -= part * np.log2(part, out=np.zeros_like(part), where=part > 0)
    if detections.box_std is None:
        return of_scores
    sides = np.maximum(detections.boxes_xyxy[:, 2:] - detections.boxes_xyxy[:, :2], np.finfo(np.float32).tiny)
    of_edges = np.minimum(detections.box_std / np.tile(sides / 2, 2), 1).max(axis=1, initial=0)
    larger: npt.NDArray[np.float64] = np.maximum(of_scores, of_edges)
    return larger


def image_uncertainty(detections: Detections) -> float:
    """The mean of the uncertainties of its detections; 0 for an image without any."""
    return round(float(box_uncertainties(detections).mean()), _DIGITS) if len(detections) else 0.0


class ImageQueue(Generic[Kept]):
    """What is kept of the images that come first by a selection; of equal ones, those that were added first."""

    def __init__(self, selection: ImageSelection) -> None:
        self._selection = selection
        self._heap: list[tuple[float, int, Kept]] = []  # the one that is dropped next comes first
        self.count = 0

    def add(self, frame: Frame, detections: Detections, kept: Kept) -> None:
        """Add an image; it, or another one, is dropped where there are more than enough."""
        entry = (self._priority(frame, detections), -self.count, kept)
        self.count += 1
        if len(self._heap) < self._selection.count:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)

    def kept(self) -> Iterator[Kept]:
        """What is kept, in the order in which it was added."""
        yield from (kept for _, _, kept in sorted(self._heap, key=lambda entry: -entry[1]))

    def _priority(self, frame: Frame, detections: Detections) -> float:
        if self._selection.rule == "uncertain":
            return image_uncertainty(detections)
        if self._selection.rule == "top":
            return float(detections.scores.max(initial=0))
        text = f"{self._selection.seed}:{frame.origin.index}"  # so that shards select the same images as one run
        return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")


def selected_indices(selection: ImageSelection, results: Iterable[Result]) -> frozenset[int]:
    """The indices of the images that are selected, never of images that failed; memory is for as many numbers."""
    queue = ImageQueue[int](selection)
    for frame, detections in results:
        if isinstance(frame, Frame) and isinstance(detections, Detections):
            queue.add(frame, detections, frame.origin.index)
    return frozenset(queue.kept())


class SelectedResults(BaseSink):
    """Passes the results of selected images on, when all are known; those of images that failed are left out.

    sink  gets them
    """

    ordered = True
    needs_pixels = False

    def __init__(self, sink: Sink, selection: ImageSelection) -> None:
        self._sink, self._selection = sink, selection
        self._queue = ImageQueue[tuple[Frame, Detections]](selection)

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one result."""
        if isinstance(frame, Frame) and isinstance(detections, Detections):
            self._queue.add(frame, detections, (Frame(frame.origin, frame.size_hw, pixels=None), detections))

    def close(self, *, complete: bool) -> None:
        """Write what is selected; of an interrupted run, among the images so far."""
        for frame, detections in self._queue.kept():
            self._sink.write(frame, detections)
        self._sink.close(complete=complete)

    def abort(self) -> None:
        """Stop after an error."""
        self._sink.abort()

    @property
    def remarks(self) -> Sequence[str]:
        """How many images are selected, and what the output says."""
        kept, of = min(self._queue.count, self._selection.count), counted(self._queue.count, "image")
        return (f"{kept:,} of {of} selected by {self._selection}", *self._sink.remarks)
