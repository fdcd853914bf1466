"""YOLO label files: one file per image, one row per box, `class cx cy w h` as fractions of the image size."""

import math
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detcli.errors import ImageError
from detcli.io.read import read_bytes

_MAX_BYTES = 64 << 20


@dataclass(slots=True)
class LabelRows:
    """Rows of many label files in reading order.

    files      path of each file
    file_of    file of each row, as an index into `files`
    lines      line number of each row, from 1
    class_ids  class id of each row
    corners    left, top, right and bottom of each row in one flat array
    malformed  invalid rows: "path:line (reason)"
    unread     files that cannot be read: "path (reason)"
    """

    files: list[str] = field(default_factory=list)
    file_of: "array[int]" = field(default_factory=lambda: array("q"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    class_ids: "array[int]" = field(default_factory=lambda: array("q"))
    corners: "array[float]" = field(default_factory=lambda: array("d"))
    malformed: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def read(self, path: Path | str) -> int:
        """Add the rows of a file and return their number; 0 for a missing or empty file."""
        self.files.append(str(path))
        try:
            content = read_bytes(path, max_bytes=_MAX_BYTES)
        except ImageError as error:
            if error.code not in ("not-found", "empty"):
                self.unread.append(f"'{path}' ({error})")
            return 0
        before = len(self.lines)
        for line, text in enumerate(content.decode("utf-8-sig", errors="replace").splitlines(), start=1):
            if text.strip():
                self._add(line, text)
        return len(self.lines) - before

    def name_of(self, row: int) -> str:
        """Name of a row for messages."""
        return f"'{self.files[self.file_of[row]]}:{self.lines[row]}'"

    def boxes_xyxy(self) -> npt.NDArray[np.float64]:
        """Corners as fractions: float64 [N, 4]."""
        return np.array(self.corners, np.float64).reshape(-1, 4)

    def _add(self, line: int, text: str) -> None:
        try:
            class_id, corners = _parse(text)
        except ValueError as error:
            self.malformed.append(f"'{self.files[-1]}:{line}' ({error})")
            return
        self.file_of.append(len(self.files) - 1)
        self.lines.append(line)
        self.class_ids.append(class_id)
        self.corners.extend(corners)


def _parse(text: str) -> tuple[int, tuple[float, float, float, float]]:
    """Class and corners of a row; a polygon becomes the box around it. Raises ValueError with the reason."""
    words = text.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"not all numbers: {text.strip()[:40]!r}") from None
    if not all(map(math.isfinite, values)):
        raise ValueError("not all numbers are finite")
    if not values[0].is_integer() or abs(values[0]) >= 2**31:
        raise ValueError(f"class {words[0][:20]!r} is not an integer")
    class_id = int(values[0])
    if len(values) == 5:
        cx, cy, w, h = values[1:]
        return class_id, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    if len(values) >= 7 and len(values) % 2:
        xs, ys = values[1::2], values[2::2]
        return class_id, (min(xs), min(ys), max(xs), max(ys))
    if len(values) == 6:
        raise ValueError("6 numbers, as in results with a score; annotations have 5")
    raise ValueError(f"{len(values)} numbers, neither a box nor a polygon")
