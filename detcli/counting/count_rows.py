"""The table of counts of one source: rows for each interval of time, each line, zone and class."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from detcli.counting.frame_counts import CountEvent, FrameCounts

FRAME = "frame"  # the kind of the rows about the whole frame
_VISITS = {"enter": "entered", "leave": "left", "end": "ended"}
ALL_CLASSES = -1  # the key of the sum of all classes
_ROUNDING = 1e-9  # 0.3 s is in the fourth interval of 0.1 s


@dataclass(frozen=True, slots=True)
class CountRow:
    """One row of the table.

    start_s, end_s  the interval, in seconds of the source
    frames          that were processed in it
    kind            line, zone or frame
    name            of the line or zone; empty for the frame
    class_id        None: all classes
    values          of a line `in` and `out`; of a zone or the frame `present`, `maximum` and `mean`; with tracks, of a zone
                    also `entered`, `left`, `ended`, `dwell_mean_s` and `dwell_max_s` (None without a visit that ended)
    """

    start_s: float
    end_s: float
    frames: int
    kind: str
    name: str
    class_id: int | None
    values: dict[str, int | float | None]


@dataclass(slots=True)
class ClassTally:
    """The counts of one class, or of all, of one line or zone in one interval."""

    events: Counter[str] = field(default_factory=Counter)
    present: int = 0
    maximum: int = 0
    total: int = 0
    dwell_s: list[float] = field(default_factory=list)


class CountRows:
    """Collects the counts of the frames of a source; makes the rows of an interval when a later one begins.

    bin_s   seconds of each interval
    tracks  whether there are visits
    """

    def __init__(self, bin_s: float, *, tracks: bool) -> None:
        self._bin_s, self._tracks = bin_s, tracks
        self._number: int | None = None
        self._frames = 0
        self._tallies: dict[tuple[str, str], dict[int, ClassTally]] = {}

    def add(self, counts: FrameCounts, time_s: float) -> list[CountRow]:
        """Count one frame; returns the rows of the interval before it, if it is the first of another one.

        An interval without a frame has no rows. A time before the interval counts to it.
        """
        number = math.floor(time_s / self._bin_s + _ROUNDING)
        rows = []
        if self._number is None or number > self._number:
            rows = self.finish()
            self._number = number
        if not self._frames:
            self._begin(counts)
        self._frames += 1
        self._add_events(counts.events)
        self._add_present((FRAME, ""), counts.present_per_class.items())
        for zone in counts.zones.values():
            self._add_present(("zone", zone.name), zone.present_per_class.items())
        return rows

    def finish(self, events: Iterable[CountEvent] = ()) -> list[CountRow]:
        """The rows of the last interval, with the events of the end of the source."""
        if not self._frames:
            return []
        self._add_events(events)
        rows = list(self._rows())
        self._frames, self._tallies = 0, {}
        return rows

    def _begin(self, counts: FrameCounts) -> None:
        keys = [(FRAME, ""), *(("line", name) for name in counts.lines), *(("zone", name) for name in counts.zones)]
        self._tallies = {key: {ALL_CLASSES: ClassTally()} for key in keys}

    def _add_events(self, events: Iterable[CountEvent]) -> None:
        for event in events:
            key = "line" if event.is_of_line else "zone", event.name
            for class_id in (ALL_CLASSES, event.class_id):
                tally = self._tallies[key].setdefault(class_id, ClassTally())
                tally.events[event.kind] += 1
                if event.dwell_s is not None:
                    tally.dwell_s.append(event.dwell_s)

    def _add_present(self, key: tuple[str, str], per_class: Iterable[tuple[int, int]]) -> None:
        numbers = Counter(dict(per_class))
        numbers[ALL_CLASSES] = numbers.total()
        tallies = self._tallies[key]
        for class_id in numbers.keys() - tallies.keys():
            tallies[class_id] = ClassTally()
        for class_id, tally in tallies.items():
            tally.present = numbers[class_id]
            tally.maximum = max(tally.maximum, tally.present)
            tally.total += tally.present

    def _rows(self) -> Iterator[CountRow]:
        number = self._number or 0
        start_s, end_s = (round(edge * self._bin_s, 6) for edge in (number, number + 1))
        for (kind, name), tallies in self._tallies.items():
            for class_id in sorted(tallies):
                values = self._values(kind, tallies[class_id])
                known = None if class_id == ALL_CLASSES else class_id
                yield CountRow(start_s, end_s, self._frames, kind, name, known, values)

    def _values(self, kind: str, tally: ClassTally) -> dict[str, int | float | None]:
        if kind == "line":
            return {direction: tally.events[direction] for direction in ("in", "out")}
        values: dict[str, int | float | None] = {
            "present": tally.present,
            "maximum": tally.maximum,
            "mean": round(tally.total / self._frames, 6),
        }
        if kind == FRAME or not self._tracks:
            return values
        dwell = tally.dwell_s
        values |= {column: tally.events[event] for event, column in _VISITS.items()}
        mean_s, max_s = (round(sum(dwell) / len(dwell), 6), round(max(dwell), 6)) if dwell else (None, None)
        return values | {"dwell_mean_s": mean_s, "dwell_max_s": max_s}
