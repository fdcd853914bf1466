"""The outputs opened, as the flags of `detect` and `segment` ask."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from detcli.cli.framework.console import Console, is_terminal
from detcli.engine.listing import SourceListing
from detcli.engine.outputs import TABLE, OutputPlan, ResultTarget
from detcli.engine.request import DetectRequest
from detcli.errors import UsageError
from detcli.inference.detector import Detector
from detcli.io.coco.coco_ids import CocoIds, read_coco_ids
from detcli.io.journal import Journal
from detcli.pipeline.run import RunStats
from detcli.sinks.sink import SINKS, Sink, SinkSettings
from detcli.sources.http import scheme_of, without_credentials
from detcli.structures.clock import now
from detcli.structures.json_records import from_record
from detcli.structures.run_info import RunInfo
from detcli.version import __version__

if TYPE_CHECKING:
    from detcli.visualization.draw import DrawingStyle


class VideoSinkFactory(Protocol):
    """Makes the sinks of videos."""

    def target(self, target: ResultTarget, settings: SinkSettings) -> Sink:
        """The records of one source among several."""

    def sinks(self, settings: SinkSettings) -> Sequence[Sink]:
        """Films and windows."""


@dataclass(frozen=True, slots=True)
class OpenOutputs:
    """The sinks of a run, open.

    sinks    all of them; the journal is the last, so that it goes only when the others are whole
    records  those that a resumed run gives the earlier results again
    journal  None where nothing could be resumed
    """

    sinks: tuple[Sink, ...]
    records: tuple[Sink, ...]
    journal: Journal | None

    def replay(self, source: SourceListing, tally: RunStats) -> int:
        """Give the results of the interrupted run again, and take their images from the source; returns how many.

        Raises UsageError where the input is not what it was then.
        """
        if self.journal is None or not self.journal.done:
            return 0
        records = zip_longest(self.journal.replay(), islice(source, self.journal.done))
        for (record, relative, stem), image in records:
            if image is None or (image.origin.file, image.origin.relative) != (record["file"], relative):
                now = "is not there any more" if image is None else f"is '{image.origin.file}' now"
                raise UsageError(
                    f"cannot resume: image {record['index'] + 1} of the interrupted run was '{record['file']}' and "
                    f"{now}; start anew with --if-exists overwrite (or -y)"
                )
            result = from_record(record, relative=relative, stem=stem)
            for sink in self.records:
                sink.write(*result)
            tally.add(*result)
        return self.journal.done


@contextmanager
def open_sinks(
    console: Console,
    wish: DetectRequest,
    plan: OutputPlan,
    detector: Detector,
    moving: "VideoSinkFactory | None" = None,
) -> Iterator[OpenOutputs]:
    """Open every output of the plan; whatever ends the block early leaves nothing torn.

    moving  makes the sinks that only videos have
    """
    truth = read_coco_ids(wish.gt) if wish.gt is not None else None
    info = _run_info(console, wish, detector, truth)
    settings = SinkSettings(
        info,
        header=wish.header,
        csv_safe=wish.csv_safe,
        image_ids=truth.image_ids if truth is not None else None,
        skip_existing=wish.if_exists == "skip" and not wish.yes,
        tracks=wish.tracks,
    )
    replaces = wish.yes or wish.if_exists == "overwrite"
    opened: list[Sink] = []
    journal = None
    try:
        drawn = tuple(_image_sinks(wish, plan, settings))  # first: a bad font is told before an output is emptied
        if plan.journal is not None:
            journal = Journal.open(
                plan.journal,
                info.as_json() | _folders(plan),
                labels=info.labels,
                resume=wish.resume,
                overwrite=replaces and not wish.resume,
            )
        opened.extend(
            _open_target(console, target, settings)
            if target.of is None or moving is None
            else moving.target(target, settings)
            for target in plan.targets
        )
        records = tuple(opened)
        opened += drawn
        if moving is not None:
            opened += moving.sinks(settings)
        if journal is not None:
            opened.append(journal)
        yield OpenOutputs(tuple(opened), records, journal)
    except BaseException:
        for sink in opened:
            sink.abort()
        if journal is not None:
            journal.abort()
        raise


class _AboveProgressLine:
    """Standard output while a line moves below it on the same terminal: each write finds the line off the screen."""

    def __init__(self, stream: BinaryIO, console: Console) -> None:
        self._stream, self._console = stream, console

    def write(self, data: bytes) -> int:
        """Write all of it, and show it."""

        def write() -> int:
            count = self._stream.write(data)
            self._stream.flush()
            return count

        written: int = self._console.above(write)
        return written

    def flush(self) -> None:
        """Do nothing: it is shown already."""

    def fileno(self) -> int:
        """Of the stream beneath."""
        return self._stream.fileno()


def _open_target(console: Console, target: ResultTarget, settings: SinkSettings) -> Sink:
    if target.path is not None:
        return SINKS[target.format](target.path, settings)
    stream: BinaryIO = sys.stdout.buffer
    if is_terminal(sys.stdout) and console.moves():
        stream = cast("BinaryIO", _AboveProgressLine(stream, console))
    if target.format != TABLE:
        return SINKS[target.format](stream, settings)
    from detcli.cli.detect.table import DetectionTable

    return DetectionTable(
        stream,
        settings.info.labels,
        width=console.width(sys.stdout),
        color=console.uses_color(sys.stdout),
        encoding=sys.stdout.encoding,
        tracks=settings.tracks,
    )


def _image_sinks(wish: DetectRequest, plan: OutputPlan, settings: SinkSettings) -> Iterator[Sink]:
    labels = settings.info.labels
    if plan.images is not None:
        from detcli.sinks.images.annotated_images import AnnotatedImageSink

        yield AnnotatedImageSink(plan.images, labels, drawing_style(wish), skip_existing=settings.skip_existing)
    if plan.crops is not None:
        from detcli.sinks.images.crops import Crops

        yield Crops(plan.crops, labels, skip_existing=settings.skip_existing)
    if plan.masks is not None:
        from detcli.sinks.images.label_maps import LabelMaps

        of_classes = wish.task == "semantic"
        yield LabelMaps(plan.masks, labels, of_classes=of_classes, skip_existing=settings.skip_existing)


def drawing_style(wish: DetectRequest) -> "DrawingStyle":
    """How boxes are drawn."""
    from detcli.visualization.draw import DrawingStyle

    return DrawingStyle(wish.line_width, wish.hide_labels, wish.hide_scores, wish.font)


def shown_argument(argument: str) -> str:
    """A source as results and messages show it: an address without credentials."""
    return without_credentials(argument) if scheme_of(argument) is not None else argument


def _run_info(console: Console, wish: DetectRequest, detector: Detector, truth: CocoIds | None) -> RunInfo:
    labels = detector.labels
    if truth is not None:
        labels, missing = truth.renumber(labels)
        if missing:
            shown = ", ".join(f"'{name}'" for name in missing[:5]) + (", …" if len(missing) > 5 else "")
            console.warning(f"'{wish.gt}' has no category for {len(missing)} of the model's labels: {shown}")
    files = detector.files
    arguments = {
        "sources": [shown_argument(source) for source in wish.sources],
        **{name: list(value) if isinstance(value, tuple) else value for name, value in wish.input.items()},
        "max_pixels": wish.max_pixels,
        "threshold": detector.threshold,
        "max_det": wish.max_det,
        "classes": _list(wish.classes),
        "imgsz": _list(wish.imgsz),
        "pad": wish.pad or None,
        "precision": detector.precision,
        "optimize": not wish.no_optimize,
        "deterministic": wish.deterministic,
        "gt": _text(wish.gt),
    }
    if wish.task is not None:
        arguments |= {name: getattr(wish, name) for name in ("task", "rule", "mask_threshold", "overlap_threshold")}
    if wish.deterministic:  # only then must these be the same again
        arguments |= {"device": detector.device_name, "batch": detector.batch_size}
    shown_arguments = {name: value for name, value in arguments.items() if value is not None}
    return RunInfo(files.name, files.commit, files.sha256, __version__, labels, now(), shown_arguments)


def _folders(plan: OutputPlan) -> dict[str, str | None]:
    """Where images go, for the journal: those of an interrupted run lie there already."""
    folders = {"save_images": _text(plan.images), "save_crops": _text(plan.crops)}
    return folders if plan.task is None else folders | {"save_masks": _text(plan.masks)}


def _list(values: tuple[Any, ...] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
