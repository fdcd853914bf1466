"""Tracks of CVAT's XML for videos: the shapes of each frame, with boxes between the key frames."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree.ElementTree import Element

from detcli.datasets.formats.cvat.cvat_shapes import OTHER_SHAPES, SHAPES

_SIDES = ("xtl", "ytl", "xbr", "ybr", "rotation")
_MAX_GAP = 100_000  # frames


@dataclass(slots=True)
class FrameShapes:
    """Shapes by frame number.

    step       every how many frames of the video are annotated
    shapes     label and element, by frame
    gaps       number of frames between the key frames of polygons and masks, which are not interpolated
    tasks      ids of the tasks of a project that the tracks are of
    ignored    number of shapes by name, of those that are no objects
    invalid    number of shapes without the number of a frame
    """

    step: int = 1
    shapes: dict[int, list[tuple[str | None, Element]]] = field(default_factory=dict)
    gaps: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    invalid: int = 0
    tasks: set[str | None] = field(default_factory=set)

    def add_track(self, track: Element) -> None:
        """Add the shapes of a track."""
        label = track.get("label")
        self.tasks.add(track.get("task_id"))
        listed: list[tuple[int, Element]] = []
        for element in track:
            if element.tag in OTHER_SHAPES:
                self.ignored[element.tag] = self.ignored.get(element.tag, 0) + 1
            elif element.tag in SHAPES:
                number = element.get("frame", "")
                if number.isascii() and number.isdigit() and len(number) < 10:
                    listed.append((int(number), element))
                else:
                    self.invalid += 1
        listed.sort(key=lambda pair: pair[0])
        for frame, element in listed:
            if element.get("outside") != "1":
                self.shapes.setdefault(frame, []).append((label, element))
        for (start, first), (end, second) in pairwise(listed):
            if first.get("outside") != "1" and 1 < end - start <= _MAX_GAP:
                self._fill(label, (start, first), (end, second))

    def _fill(self, label: str | None, first: tuple[int, Element], second: tuple[int, Element]) -> None:
        """Add what is between two key frames; before the object leaves the image, its last box stays."""
        (start, begin), (end, finish) = first, second
        frames = range(start + self.step, end, self.step)
        if begin.tag != "box":
            self.gaps += len(frames)
            return
        last = begin if finish.get("outside") == "1" else finish
        for frame, element in _between((start, begin), (end, last), frames):
            self.shapes.setdefault(frame, []).append((label, element))


def _between(first: tuple[int, Element], second: tuple[int, Element], frames: range) -> Iterator[tuple[int, Element]]:
    """Linearly interpolated boxes of frames between two key frames."""
    (start, begin), (end, finish) = first, second
    try:
        values = [(float(begin.get(side) or 0), float(finish.get(side) or 0)) for side in _SIDES]
    except ValueError:
        return
    for frame in frames:
        share = (frame - start) / (end - start)
        sides = {side: repr(a + (b - a) * share) for side, (a, b) in zip(_SIDES, values, strict=True)}
        yield frame, Element("box", sides)
