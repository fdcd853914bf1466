"""The human-readable table: one row per box, streamed, as wide as the terminal."""

from typing import BinaryIO

from rich.cells import cell_len, set_cell_size

from detcli.cli.framework.console import escape
from detcli.cli.framework.text import where
from detcli.io.outputs import open_output
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_NUMBERS = ("score", "left", "top", "width", "height")
_NUMBER_WIDTHS = (5, 5, 5, 5, 6)
_GAP = "  "
_TRACK_WIDTH = 5  # of " #123"
_STACKED_BELOW = 72  # columns: on a narrower terminal, each file name has its own line
_BOLD, _DIM, _RED, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


class DetectionTable:
    """Rows of file, label, score and box (left, top, width, height in integer pixels); a sink.

    stream  standard output, in bytes
    width   columns of the terminal
    color   whether to use colors
    tracks  labels are followed by the track id: "person #12"
    """

    ordered = True
    needs_pixels = False

    def __init__(
        self,
        stream: BinaryIO,
        labels: ClassLabels,
        *,
        width: int,
        color: bool,
        encoding: str = "utf-8",
        tracks: bool = False,
    ) -> None:
        self._output = open_output(stream, in_place=True)
        self._names = [escape(name) for name in labels.names]
        self._color, self._encoding = color, encoding
        self._stacked = width < _STACKED_BELOW
        longest = max(cell_len(name) for name in ("label", *self._names)) + (_TRACK_WIDTH if tracks else 0)
        self._between = " " if self._stacked else _GAP
        available = (
            width - sum(_NUMBER_WIDTHS) - len(self._between) * len(_NUMBERS) - (len(_GAP) if self._stacked else 0)
        )
        self._label_width = max(4, min(longest, 24, available if self._stacked else available // 3))
        self._file_width = width if self._stacked else available - self._label_width - len(_GAP)
        self._begun = False

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the rows of one image; the first row has its name."""
        if not self._begun:
            self._begun = True
            self._row("file", "label", _NUMBERS, style=_BOLD)
        file = shortened(escape(where(frame.origin)), self._file_width)
        if isinstance(detections, FailedFrame):
            self._remark(file, f"failed: {detections.code}", _RED)
            return
        if not len(detections):
            self._remark(file, "no detections", _DIM)
        for score, label, (left, top, right, bottom) in zip(
            detections.scores.tolist(), self._labels(detections), detections.boxes_xyxy.tolist(), strict=True
        ):
            box = (left, top, right - left, bottom - top)
            numbers = (f"{score:.2f}", *(str(round(number)) for number in box))
            self._row(file, label, numbers)
            file = ""

    def flush(self) -> None:
        """Show the rows so far."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Show the rest."""
        self._output.commit()

    def abort(self) -> None:
        """Drop the rows that are not shown yet."""
        self._output.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """No remarks."""
        return ()

    def _labels(self, detections: Detections) -> list[str]:
        """The label of each row; track ids are never shortened."""
        names = [self._names[class_id] for class_id in detections.class_ids.tolist()]
        if detections.track_ids is None:
            return names
        numbers = [f" #{track_id}" for track_id in detections.track_ids.tolist()]
        return [
            shortened(name, max(1, self._label_width - len(number)), end=True) + number
            for name, number in zip(names, numbers, strict=True)
        ]

    def _row(self, file: str, label: str, numbers: tuple[str, ...], *, style: str = "") -> None:
        cells = "".join(
            self._between + number.rjust(width) for number, width in zip(numbers, _NUMBER_WIDTHS, strict=True)
        )
        label = set_cell_size(shortened(label, self._label_width, end=True), self._label_width)
        if not self._stacked:
            self._line(set_cell_size(file, self._file_width) + _GAP + label + cells, style)
            return
        if file:
            self._line(file, _BOLD)
        self._line(_GAP + label + cells, style)

    def _remark(self, file: str, remark: str, style: str) -> None:
        if self._stacked:
            self._line(file, _BOLD)
            self._line(_GAP + remark, style)
        else:
            self._line(set_cell_size(file, self._file_width) + _GAP + remark, style)

    def _line(self, text: str, style: str) -> None:
        text = text.rstrip()
        if style and self._color:
            text = style + text + _RESET
        self._output.write(text.encode(self._encoding, "backslashreplace") + b"\n")


def shortened(text: str, width: int, *, end: bool = False) -> str:
    """A text of at most so many columns, shortened at the start (of a path) or at the end (of a word)."""
    if cell_len(text) <= width:
        return text
    if end:
        return set_cell_size(text, width - 1).rstrip() + "…"
    while cell_len(text) > width - 1:
        text = text[max(1, (cell_len(text) - width + 1) // 2) :]
    return "…" + text
