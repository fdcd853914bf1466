"""What is counted up to a frame, as programs, tables and drawings take it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from detcli.counting.geometry import Point, Polygon

# Of a line: crossed in or out. Of a zone: entered, left, or the visit ended with the track or the video.
EventKind = Literal["in", "out", "enter", "leave", "end"]


@dataclass(frozen=True, slots=True)
class CountEvent:
    """A track that crossed a line, or entered or left a zone.

    name     of the line or zone
    point    x and y of the anchor in pixels
    dwell_s  seconds in the zone, where a visit ends; else None
    """

    kind: EventKind
    name: str
    class_id: int
    track_id: int
    point: Point
    dwell_s: float | None = None

    @property
    def is_of_line(self) -> bool:
        """Whether it is about a line."""
        return self.kind in ("in", "out")


@dataclass(frozen=True, slots=True)
class LineCount:
    """Crossings of a line from the first frame of the source to this one; keys are class indices.

    points  its ends in pixels of the frame
    """

    name: str
    points: Polygon
    in_count_per_class: Mapping[int, int]
    out_count_per_class: Mapping[int, int]

    @property
    def in_count(self) -> int:
        """Crossings from the right of the line to its left, as seen from its first point to its second."""
        return sum(self.in_count_per_class.values())

    @property
    def out_count(self) -> int:
        """Crossings from left to right."""
        return sum(self.out_count_per_class.values())


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """Objects in a zone in this frame; keys are class indices.

    points  its corners in pixels of the frame
    """

    name: str
    points: Polygon
    present_per_class: Mapping[int, int]

    @property
    def present(self) -> int:
        """Objects whose anchor is in the zone."""
        return sum(self.present_per_class.values())


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Lines and zones by name, and what happened in this frame.

    present_per_class  detections of the whole frame
    """

    lines: Mapping[str, LineCount]
    zones: Mapping[str, ZoneCount]
    events: tuple[CountEvent, ...]
    present_per_class: Mapping[int, int]
