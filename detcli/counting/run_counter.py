"""Counts in the frames of a run: each video by itself, and each image."""

from dataclasses import dataclass, field, replace

from detcli.counting.count_settings import CountSettings
from detcli.counting.frame_counts import CountEvent, FrameCounts
from detcli.counting.source_counter import SourceCounter
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


@dataclass(slots=True)
class CountTotals:
    """The counts of one line or zone of one source, from its first frame on.

    file                  of the source
    tracks                whether there are visits
    into, out             crossings of a line
    entered, left, ended  visits of a zone
    maximum               objects in a zone at a time
    dwell_s               sum over the visits that are over
    """

    file: str
    kind: str
    name: str
    tracks: bool
    into: int = 0
    out: int = 0
    entered: int = 0
    left: int = 0
    ended: int = 0
    maximum: int = 0
    dwell_s: float = 0.0

    def add(self, event: CountEvent) -> None:
        """Count one event of this line or zone."""
        name = {"in": "into", "out": "out", "enter": "entered", "leave": "left", "end": "ended"}[event.kind]
        setattr(self, name, getattr(self, name) + 1)
        self.dwell_s += event.dwell_s or 0.0


@dataclass(slots=True)
class CountedSource:
    """The counter of a source, and its totals by the name of the line or zone."""

    counter: SourceCounter
    totals: dict[str, CountTotals] = field(default_factory=dict)
    finished: tuple[CountEvent, ...] | None = None


class RunCounter:
    """Gives each frame of a run its counts; frames of a source come in their order.

    tracks  whether detections have track ids

    outside  of images: in how many of them a zone is outside, by its name
    """

    def __init__(self, settings: CountSettings, *, tracks: bool) -> None:
        self.settings, self.tracks = settings, tracks
        self._warnings: list[str] = []
        self.outside: dict[str, int] = {}
        self._checked: set[str] = set()
        self._sources: dict[str, CountedSource] = {}

    def check(self, source: str, file: str, size_hw: tuple[int, int]) -> None:
        """Check the lines and zones in the frames of a source, once.

        Raises UsageError for one that is outside, before the first frame is counted; later, that is a warning, so that one source
        of many does not end a long run.
        """
        if source not in self._checked:
            self._checked.add(source)
            self._warnings += self.settings.check_inside(file, size_hw, started=bool(self._sources))

    def take_warnings(self) -> list[str]:
        """Warnings about lines and zones that are partly outside the frames of a source; each once."""
        taken, self._warnings = self._warnings, []
        return taken

    def __call__(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> Frame | FailedFrame:
        """The frame with its counts; a failed one as it is."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return frame
        if frame.origin.frame is None:
            return replace(frame, counts=self._of_image(frame, detections))
        key = source_key(frame)
        self.check(key, frame.origin.file, frame.size_hw)
        source = self._source(key, frame.origin.file)
        counts = source.counter.update(detections, frame.size_hw, frame.origin.time_s or 0.0)
        for event in counts.events:
            source.totals[event.name].add(event)
        for zone in counts.zones.values():
            totals = source.totals[zone.name]
            totals.maximum = max(totals.maximum, zone.present)
        return replace(frame, counts=counts)

    def finish(self, key: str) -> tuple[CountEvent, ...]:
        """The ends of the visits that last until the end of a source (see `source_key`)."""
        source = self._sources.get(key)
        if source is None:
            return ()
        if source.finished is None:
            source.finished = source.counter.finish()
            for event in source.finished:
                source.totals[event.name].add(event)
        return source.finished

    def totals(self) -> list[CountTotals]:
        """The totals of every source, each with its lines and zones in their order; ends what still lasts."""
        for key in self._sources:
            self.finish(key)
        return [totals for source in self._sources.values() for totals in source.totals.values()]

    def _source(self, key: str, file: str) -> CountedSource:
        if key not in self._sources:
            regions, tracks = self.settings.regions, self.tracks
            totals = {region.name: CountTotals(file, region.kind, region.name, tracks) for region in regions}
            self._sources[key] = CountedSource(SourceCounter(self.settings, tracks=self.tracks), totals)
        return self._sources[key]

    def _of_image(self, frame: Frame, detections: Detections) -> FrameCounts:
        for zone in self.settings.zones:
            if zone.is_outside(frame.size_hw):
                self.outside[zone.name] = self.outside.get(zone.name, 0) + 1
        return SourceCounter(self.settings, tracks=False).update(detections, frame.size_hw, 0.0)


def source_key(frame: Frame | FailedFrame) -> str:
    """What the frames of one video have in common."""
    return frame.origin.source or frame.origin.file
