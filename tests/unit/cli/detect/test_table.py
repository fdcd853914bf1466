"""The table on a terminal: as wide as the screen, whatever the names, and nothing in them steers it."""

import io
import re

import numpy as np
import pytest
from rich.cells import cell_len

from detcli.cli.detect.table import DetectionTable, shortened
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin

LABELS = ClassLabels.from_names(("person", "\x1b[31mdog", "交通信号灯" * 5))
NAMES = (
    "street.jpg",
    "a/very/long/path/" * 12 + "end.jpg",
    "写真/犬.jpg",
    "a\nb\x1b[2J.jpg",
    "[red]:smile:.jpg",
    "\udcff.jpg",
)


def rows(width: int, *, color: bool = False, encoding: str = "utf-8") -> list[str]:
    stream = io.BytesIO()
    table = DetectionTable(stream, LABELS, width=width, color=color, encoding=encoding)
    boxes = np.array([[0, 1.4, 99998.6, 3], [10, 20, 30, 40], [5, 5, 6, 7]], np.float64)
    detections = Detections(boxes, np.array([0.934, 0.5, 0.041], np.float32), np.array([0, 1, 2]))
    for index, name in enumerate(NAMES):
        frame = Frame(Origin(index, name, name, name), (480, 640), None)
        table.write(frame, detections if index % 2 else Detections.empty())
    failed = FailedFrame(Origin(9, "b.jpg", "b.jpg", "b"), "truncated", "truncated after 3 bytes")
    table.write(failed, failed)
    table.close(complete=True)
    return stream.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("width", range(40, 201, 8))
def test_rows_fit_the_screen(width: int) -> None:
    assert max(cell_len(row) for row in rows(width)) <= width


def test_each_box_is_a_row_and_the_first_row_has_the_name() -> None:
    shown = rows(100)
    assert re.fullmatch(r"file +label +score +left +top +width +height", shown[0])
    assert re.fullmatch(r"street\.jpg +no detections", shown[1])
    assert re.fullmatch(r"….*end\.jpg +person +0\.93 +0 +1 +99999 +2", shown[2])
    assert re.fullmatch(r" +\\x1b\[31mdog +0\.50 +10 +20 +20 +20", shown[3])
    assert re.fullmatch(r"b\.jpg +failed: truncated", shown[-1])


def test_frames_of_a_video_show_their_time() -> None:
    stream = io.BytesIO()
    table = DetectionTable(stream, LABELS, width=80, color=False)
    for number in range(2):
        origin = Origin(number, "a/long/path/" * 5 + "in.mp4", "x", "x", number, number / 25)
        table.write(Frame(origin, (480, 640), None), Detections.empty())
    table.close(complete=True)
    first, second = stream.getvalue().decode().splitlines()[1:]
    assert re.fullmatch(r"….*/in\.mp4 +no detections", first)
    assert re.fullmatch(r"….*/in\.mp4 at 0\.040 s +no detections", second)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_track_ids_are_never_shortened(width: int) -> None:
    stream = io.BytesIO()
    table = DetectionTable(stream, LABELS, width=width, color=False, tracks=True)
    boxes = np.array([[0, 1, 9, 9]] * 3, np.float64)
    scores, track_ids = np.full(3, 0.5, np.float32), np.array([7, 12345, 3])
    table.write(
        Frame(Origin(0, "v.mp4", "v", "v", 0, 0.0), (9, 9), None),
        Detections(boxes, scores, np.arange(3), track_ids=track_ids),
    )
    table.close(complete=True)
    shown = stream.getvalue().decode().splitlines()[-3:]
    assert [re.findall(r" (#\d+) ", row) for row in shown] == [["#7"], ["#12345"], ["#3"]]
    assert max(map(cell_len, shown)) <= width


def test_the_header_is_complete_for_any_length_of_names() -> None:
    stream = io.BytesIO()
    table = DetectionTable(stream, ClassLabels.from_names(("cat",)), width=80, color=False)
    table.write(FailedFrame(Origin(0, "a", "a", "a"), "empty", ""), FailedFrame(Origin(0, "a", "a", "a"), "empty", ""))
    table.close(complete=True)
    assert stream.getvalue().split()[:3] == [b"file", b"label", b"score"]


def test_on_a_narrow_terminal_the_name_has_its_own_line() -> None:
    shown = rows(50)
    assert shown[2:4] == ["street.jpg", "  no detections"]


@pytest.mark.parametrize("color", [True, False])
def test_names_cannot_control_the_terminal(color: bool) -> None:
    text = "\n".join(rows(80, color=color))
    escapes = set(re.findall(r"\x1b\[[0-9;]*[A-Za-z]", text))
    assert escapes == ({"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"} if color else set())
    assert "[red]:smile:.jpg" in text


def test_characters_outside_the_encoding_are_escaped() -> None:
    assert "\\u5199" in "\n".join(rows(120, encoding="ascii"))


@pytest.mark.parametrize("width", [3, 5, 8, 20])
@pytest.mark.parametrize("end", [True, False])
def test_shortened_text_fits_the_width(width: int, end: bool) -> None:
    for text in ("", "abc", "abcdefghijklm", "写真写真写真写真", "a写b真c写d真"):
        short = shortened(text, width, end=end)
        assert cell_len(short) <= width
        assert short == text or "…" in short
