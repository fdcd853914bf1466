"""YOLO label files: one file per image, one row per box, as fractions of the image size."""

from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import Polygons, fraction_outline
from detcli.datasets.yolo.yolo_rows import LabelRow, ScoredRowError, parse_row
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
    sizes      how many numbers each row has
    doubtful   indices of rows that may be a triangle, or a box with a score and a track id
    pointlike  indices of polygons that may as well be a box with key points
    malformed  invalid rows: "path:line (reason)"
    scored     rows of results, which have a score: "path:line (reason)"
    unread     files that cannot be read: "path (reason)"
    keypoints  numbers of a row after its box, as the YAML file says; 0: rows are polygons; None: unknown
    outlines   the polygon of each row, None for a row without a usable one; None if masks are not requested
    """

    keypoints: int | None = None
    files: list[str] = field(default_factory=list)
    file_of: "array[int]" = field(default_factory=lambda: array("q"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    class_ids: "array[int]" = field(default_factory=lambda: array("q"))
    corners: "array[float]" = field(default_factory=lambda: array("d"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    doubtful: "array[int]" = field(default_factory=lambda: array("q"))
    pointlike: "array[int]" = field(default_factory=lambda: array("q"))
    malformed: list[str] = field(default_factory=list)
    scored: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    outlines: list[Polygons | None] | None = None

    def read(self, path: Path | str) -> int:
        """Add the rows of a file and return their number; 0 for a missing or empty file."""
        try:
            content = read_bytes(path, max_bytes=_MAX_BYTES)
        except ImageError as error:
            if error.code not in ("not-found", "empty"):
                self.unread.append(f"'{path}' ({error})")
            content = b""
        return self.add(str(path), content)

    def add(self, file: str, content: bytes) -> int:
        """Add the rows of a file with this content and return their number."""
        self.files.append(file)
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

    def outlines_of(self, rows: npt.NDArray[np.int64]) -> list[Polygons | None] | None:
        """The polygons of these rows; None if masks are not requested."""
        return None if self.outlines is None else [self.outlines[row] for row in rows.tolist()]

    def ambiguous(self) -> list[int]:
        """Rows that no other row of the dataset shows to be triangles."""
        triangles = sum(size == 7 for size in self.sizes) - len(self.doubtful)
        return [] if triangles else self.doubtful.tolist()

    def keypoints_or_polygons(self) -> int | None:
        """How many numbers the rows have that are either boxes with key points or polygons; None if it is certain."""
        sizes = {size for size in self.sizes if size > 5}
        polygons = sum(size > 5 for size in self.sizes)
        undecided = self.keypoints is None and len(sizes) == 1 and polygons == len(self.pointlike)
        return sizes.pop() if undecided else None

    def _add(self, line: int, text: str) -> None:
        try:
            row = parse_row(text, keypoints=self.keypoints)
        except ScoredRowError as error:
            self.scored.append(f"'{self.files[-1]}:{line}' ({error})")
        except ValueError as error:
            self.malformed.append(f"'{self.files[-1]}:{line}' ({error})")
        else:
            self._keep(line, row)

    def _keep(self, line: int, row: LabelRow) -> None:
        if row.may_be_scored:
            self.doubtful.append(len(self.lines))
        if row.may_be_keypoints:
            self.pointlike.append(len(self.lines))
        self.file_of.append(len(self.files) - 1)
        self.lines.append(line)
        self.sizes.append(row.size)
        self.class_ids.append(row.class_id)
        self.corners.extend(row.corners)
        if self.outlines is not None:
            self.outlines.append(fraction_outline(row.polygon))
