"""Counts of one source, frame by frame: crossings of lines, objects in zones, visits of tracks."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from detcli.counting.count_settings import Anchor, CountSettings
from detcli.counting.crossing import Crossing
from detcli.counting.frame_counts import CountEvent, FrameCounts, LineCount, ZoneCount
from detcli.counting.geometry import Point, Polygon, contains, distance_to_border
from detcli.structures.detections import Detections

LOST_S = 1.0  # without a detection until a visit has ended; the tracker closes tracks after the same time
_FORGOTTEN_S = 60.0  # until a track is forgotten: results of other trackers may continue one later


class TrackState:
    """What is known about one track.

    crossings  one for each line
    entered_s  when the visit of each zone began; no visit: no key
    """

    __slots__ = ("class_id", "crossings", "entered_s", "point", "seen_s")

    def __init__(self, lines: int) -> None:
        self.class_id, self.point, self.seen_s = 0, (0.0, 0.0), 0.0
        self.crossings = [Crossing() for _ in range(lines)]
        self.entered_s: dict[str, float] = {}


class SourceCounter:
    """Counts in the frames of one source, in their order.

    tracks  whether detections have track ids: without them, there are no crossings and no visits
    """

    def __init__(self, settings: CountSettings, *, tracks: bool) -> None:
        self._settings, self._tracks = settings, tracks
        self._states: dict[int, TrackState] = {}
        self._crossed: dict[str, tuple[Counter[int], Counter[int]]] = {
            line.name: (Counter(), Counter()) for line in settings.lines
        }
        self._last_s = 0.0  # time of the last frame
        self._size_hw = (0, 0)
        self._points: dict[str, Polygon] = {}

    def update(self, detections: Detections, size_hw: tuple[int, int], time_s: float) -> FrameCounts:
        """The counts up to this frame. Raises UsageError for a shape that is invalid in frames of this size."""
        if size_hw != self._size_hw:
            self._size_hw = size_hw
            self._points = {region.name: region.at(size_hw) for region in self._settings.regions}
        points = anchors(detections, self._settings.anchor, size_hw)
        class_ids = detections.class_ids.tolist()
        events = self._follow(detections, points, time_s) if self._tracks else []
        for event in events:
            if event.is_of_line:
                self._crossed[event.name][event.kind == "out"][event.class_id] += 1
        zones = {zone.name: self._zone(zone.name, points, class_ids) for zone in self._settings.zones}
        return FrameCounts(self._lines(), zones, tuple(events), Counter(class_ids))

    def finish(self) -> tuple[CountEvent, ...]:
        """The ends of the visits that last until the end of the source; empty when called again."""
        return tuple(event for track_id, state in self._states.items() for event in _ends(track_id, state))

    def _lines(self) -> Mapping[str, LineCount]:
        return {
            name: LineCount(name, self._points[name], dict(into), dict(out))
            for name, (into, out) in self._crossed.items()
        }

    def _zone(self, name: str, points: list[Point], class_ids: list[int]) -> ZoneCount:
        corners = self._points[name]
        inside = (class_id for class_id, point in zip(class_ids, points, strict=True) if contains(corners, point))
        return ZoneCount(name, corners, Counter(inside))

    def _follow(self, detections: Detections, points: list[Point], time_s: float) -> list[CountEvent]:
        """Move each track that has a detection, and end the visits of those without one."""
        events: list[CountEvent] = []
        class_ids, margins = detections.class_ids.tolist(), self._margins(detections)
        track_ids = [] if detections.track_ids is None else detections.track_ids.tolist()
        for row, track_id in enumerate(track_ids):
            state = self._states.get(track_id)
            if state is None:
                state = self._states[track_id] = TrackState(len(self._settings.lines))
            elif state.seen_s < self._last_s and time_s - state.seen_s > LOST_S:  # frames without it, for too long
                events += _ends(track_id, state)
            state.class_id, state.point, state.seen_s = class_ids[row], points[row], max(time_s, state.seen_s)
            events += self._move(track_id, state, margins[row])
        self._last_s = time_s
        for track_id, state in list(self._states.items()):
            if time_s - state.seen_s > LOST_S:
                events += _ends(track_id, state)
            if time_s - state.seen_s > _FORGOTTEN_S:
                del self._states[track_id]
        return events

    def _margins(self, detections: Detections) -> list[float]:
        """The margin of each box in pixels."""
        sides = (detections.boxes_xyxy[:, 2:] - detections.boxes_xyxy[:, :2]).clip(0)
        margins: list[float] = (self._settings.margin * np.sqrt(sides.prod(axis=1))).tolist()
        return margins

    def _move(self, track_id: int, state: TrackState, margin: float) -> list[CountEvent]:
        """The events of a track that is at its point now."""
        events = []
        point, class_id, now_s = state.point, state.class_id, state.seen_s
        for line, crossing in zip(self._settings.lines, state.crossings, strict=True):
            start, end = self._points[line.name]
            direction = crossing.step(point, start, end, margin)
            if direction:
                events.append(CountEvent("in" if direction > 0 else "out", line.name, class_id, track_id, point))
        for zone in self._settings.zones:
            corners, since = self._points[zone.name], state.entered_s.get(zone.name)
            if contains(corners, point):
                if since is None:
                    state.entered_s[zone.name] = now_s
                    events.append(CountEvent("enter", zone.name, class_id, track_id, point))
            elif since is not None and (margin <= 0 or distance_to_border(corners, point) > margin):
                del state.entered_s[zone.name]
                events.append(CountEvent("leave", zone.name, class_id, track_id, point, now_s - since))
        return events


def anchors(detections: Detections, anchor: Anchor, size_hw: tuple[int, int]) -> list[Point]:
    """The point of each box that counts; one on the right or lower border of the frame is moved inside by the smallest step.

    Zones that reach the border of the frame then have the objects that the border cuts.
    """
    boxes = detections.boxes_xyxy
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    y = boxes[:, 3] if anchor == "bottom-center" else (boxes[:, 1] + boxes[:, 3]) / 2
    height, width = size_hw
    x, y = np.minimum(x, np.nextafter(width, 0)), np.minimum(y, np.nextafter(height, 0))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _ends(track_id: int, state: TrackState) -> list[CountEvent]:
    """The ends of the visits of a track that is lost, at its last detection."""
    ended, state.entered_s = state.entered_s, {}
    return [
        CountEvent("end", zone, state.class_id, track_id, state.point, state.seen_s - since)
        for zone, since in ended.items()
    ]
