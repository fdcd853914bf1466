"""Finds out whether boxes must be rotated with their image, from its EXIF orientation and the size in its annotations.

The header of an image is read on first use and cached. If it cannot be read, it is tried again, so that an image that is
readable a moment later is not treated as one without boxes. The annotated size shows whether boxes were made before or
after the rotation. If both sizes are equal, the boxes are treated as those of most other images of the dataset.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError
from detcli.io.images.headers import ImageHeader

_MAX_CHECKED = 2_000  # headers; a fraction of a second

_Indices = npt.NDArray[np.int64]


class BoxFrame(IntEnum):
    """The image that the boxes refer to."""

    UNCHECKED = 0  # the header is not read yet
    UPRIGHT = 1  # the image after EXIF rotation
    STORED = 2  # the pixels as stored in the file
    OTHER_SIZE = 3  # an image of another size
    UNKNOWN = 4  # the header cannot be read so far


class ExifOrientation:
    """Orientation of the images of a dataset. Thread-safe: concurrent calls have the same result.

    Raises DataError if most images have another size than their annotations say.
    """

    def __init__(self, tables: AnnotationTables, issues: IssueReport) -> None:
        count = len(tables.paths)
        self._tables = tables
        self._box_frames = np.zeros(count, np.uint8)
        self._orientations = np.ones(count, np.uint8)
        self._stored_hw = np.zeros((count, 2), np.int32)
        self._ambiguous_frame = BoxFrame.UPRIGHT
        self._check_images(issues)

    def box_frame(self, index: int) -> BoxFrame:
        """The image that the boxes of an image refer to; never `UNCHECKED`."""
        if self._box_frames[index] in (BoxFrame.UNCHECKED, BoxFrame.UNKNOWN):
            self._box_frames[index] = self._read_box_frame(index)
        frame = BoxFrame(int(self._box_frames[index]))
        return self._ambiguous_frame if frame == BoxFrame.UPRIGHT and self._is_ambiguous(index) else frame

    def header(self, index: int) -> ImageHeader:
        """Stored size and orientation of an image after `box_frame`; zeros if its header cannot be read."""
        height, width = self._stored_hw[index].tolist()
        return ImageHeader((height, width), int(self._orientations[index]))

    def size_mismatch(self, index: int) -> str:
        """Error message for an image whose boxes have the frame `OTHER_SIZE`."""
        (height, width), (true_height, true_width) = self._annotated_hw(index), self.header(index).upright_hw
        return f"it has {true_width} x {true_height} pixels, and its annotations are for {width} x {height}"

    def _annotated_hw(self, index: int) -> tuple[int, int]:
        height, width = self._tables.sizes_hw[index].tolist()
        return height, width

    def _read_box_frame(self, index: int) -> BoxFrame:
        try:
            header = self._tables.image_header(index)
        except (ImageError, OSError, MemoryError):
            return BoxFrame.UNKNOWN  # reading the image reports the reason
        self._stored_hw[index] = header.stored_hw
        self._orientations[index] = header.orientation
        if self._tables.unit == "fractions" or self._annotated_hw(index) in ((0, 0), header.upright_hw):
            return BoxFrame.UPRIGHT
        return BoxFrame.STORED if self._annotated_hw(index) == header.stored_hw else BoxFrame.OTHER_SIZE

    def _is_ambiguous(self, index: int) -> bool:
        """Whether the image is rotated and has the same size before and after."""
        header = self.header(index)
        is_turned = header.orientation != 1 and self._tables.unit == "pixels"
        return is_turned and header.stored_hw == header.upright_hw

    def _check_images(self, issues: IssueReport) -> None:
        """Check all images, or an evenly spaced sample of many, and report issues."""
        count = len(self._box_frames)
        samples = np.linspace(0, max(count - 1, 0), min(count, _MAX_CHECKED))
        sample: _Indices = np.unique(samples.astype(np.int64))
        box_frame = np.array([self.box_frame(index) for index in sample.tolist()], np.uint8)
        ambiguous = np.array([self._is_ambiguous(index) for index in sample.tolist()], np.bool_)
        of = "" if len(sample) == count else f" of {len(sample):,} checked"
        self._check_sizes(sample[box_frame == BoxFrame.OTHER_SIZE], len(sample), of, issues)
        stored = sample[box_frame == BoxFrame.STORED]
        upright = sample[(box_frame == BoxFrame.UPRIGHT) & (self._orientations[sample] > 1) & ~ambiguous]
        if len(stored) > len(upright):
            self._ambiguous_frame = BoxFrame.STORED
        for indices, what in (
            (stored, "{are} rotated by EXIF, and the boxes are rotated with them"),
            (
                sample[ambiguous],
                "{are} rotated by EXIF and {have} the same size before and after: the boxes are "
                + ("rotated, as in other images" if self._ambiguous_frame == BoxFrame.STORED else "used as they are"),
            ),
        ):
            issues.add(len(indices), f"image{{s}}{of} {what}", self._quoted_names(indices), harmless=True)
        unknown = sample[box_frame == BoxFrame.UNKNOWN]
        issues.add(len(unknown), f"image{{s}}{of} cannot be read", self._quoted_names(unknown), about="images")

    def _check_sizes(self, other: _Indices, checked: int, of: str, issues: IssueReport) -> None:
        what = f"image{{s}}{of} {{have}} another size than the annotations say"
        if len(other) > MAX_INVALID_SHARE * checked:
            mismatches = (f"'{self._tables.names[index]}': {self.size_mismatch(index)}" for index in other.tolist())
            issues.raise_if_any(len(other), what, mismatches)
        issues.add(len(other), f"{what} and {{are}} unusable", self._quoted_names(other))

    def _quoted_names(self, indices: _Indices) -> list[str]:
        return [f"'{self._tables.names[index]}'" for index in indices[:10].tolist()]
