"""How images stand in their files, and so whether their boxes have to be turned: EXIF against what annotations say.

An image's header is read when the image is first asked for, and remembered; where it cannot be read, it is tried
again, so that an image that can be read a moment later is never taken for one without boxes. The size in its
annotations tells whether boxes were drawn before the image was turned or after. Where it cannot, because the size is
the same either way, boxes are taken as those of other images of the set.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from detcli.datasets.annotation_tables import AnnotationTables
from detcli.datasets.issues import IssueReport
from detcli.errors import ImageError
from detcli.io.images.headers import ImageHeader, read_header
from detcli.io.images.limits import MAX_IMAGE_BYTES

_LOOKED_AT_ON_ENTRY = 2_000  # headers; a fraction of a second
_MOST_WRONG = 0.5  # share of the images that may be of another size

_Indices = npt.NDArray[np.int64]


class BoxFrame(IntEnum):
    """What the boxes of an image were drawn on, by the image's header."""

    UNSEEN = 0  # nobody looked yet
    UPRIGHT = 1  # the image as it is seen
    STORED = 2  # the image as it lies in the file
    ELSEWHERE = 3  # an image of another size
    UNKNOWN = 4  # its header cannot be read so far


class ExifOrientation:
    """How the images of tables stand. Safe in threads: those that come together find the same.

    Raises DataError where most images are of another size than their annotations say.
    """

    def __init__(self, tables: AnnotationTables, findings: IssueReport) -> None:
        count = len(tables.paths)
        self._tables = tables
        self._drawn = np.zeros(count, np.uint8)
        self._orientations = np.ones(count, np.uint8)
        self._stored_hw = np.zeros((count, 2), np.int32)
        self._unsure_is = BoxFrame.UPRIGHT
        self._enter(findings)

    def drawn(self, index: int) -> BoxFrame:
        """What the image's boxes were drawn on; never `UNSEEN`."""
        if self._drawn[index] in (BoxFrame.UNSEEN, BoxFrame.UNKNOWN):
            self._drawn[index] = self._look(index)
        drawn = BoxFrame(int(self._drawn[index]))
        return self._unsure_is if drawn == BoxFrame.UPRIGHT and self._is_unsure(index) else drawn

    def header(self, index: int) -> ImageHeader:
        """Its stored size and orientation, of an image that was looked at; zeros where it has no readable header."""
        height, width = self._stored_hw[index].tolist()
        return ImageHeader((height, width), int(self._orientations[index]))

    def other_size(self, index: int) -> str:
        """What to say of an image whose boxes were drawn elsewhere."""
        (height, width), (true_height, true_width) = self._annotated_hw(index), self.header(index).upright_hw
        return f"it has {true_width} x {true_height} pixels, and its annotations are for {width} x {height}"

    def _annotated_hw(self, index: int) -> tuple[int, int]:
        height, width = self._tables.sizes_hw[index].tolist()
        return height, width

    def _look(self, index: int) -> BoxFrame:
        try:
            header = read_header(self._tables.paths[index], max_bytes=MAX_IMAGE_BYTES)
        except (ImageError, OSError, MemoryError):
            return BoxFrame.UNKNOWN  # whoever reads the image hears why
        self._stored_hw[index] = header.stored_hw
        self._orientations[index] = header.orientation
        if self._tables.unit == "fractions" or self._annotated_hw(index) in ((0, 0), header.upright_hw):
            return BoxFrame.UPRIGHT
        return BoxFrame.STORED if self._annotated_hw(index) == header.stored_hw else BoxFrame.ELSEWHERE

    def _is_unsure(self, index: int) -> bool:
        """Whether the image is turned, and of the same size before and after."""
        header = self.header(index)
        is_turned = header.orientation != 1 and self._tables.unit == "pixels"
        return is_turned and header.stored_hw == header.upright_hw

    def _enter(self, findings: IssueReport) -> None:
        """Look at all images, or at some of many, spread evenly, and draw conclusions."""
        count = len(self._drawn)
        places = np.linspace(0, max(count - 1, 0), min(count, _LOOKED_AT_ON_ENTRY))
        some: _Indices = np.unique(places.astype(np.int64))
        drawn = np.array([self.drawn(index) for index in some.tolist()], np.uint8)
        unsure = np.array([self._is_unsure(index) for index in some.tolist()], np.bool_)
        of = "" if len(some) == count else f" of the {len(some):,} looked at"
        self._judge_sizes(some[drawn == BoxFrame.ELSEWHERE], len(some), of, findings)
        turned_before = some[drawn == BoxFrame.STORED]
        turned_after = some[(drawn == BoxFrame.UPRIGHT) & (self._orientations[some] > 1) & ~unsure]
        if len(turned_before) > len(turned_after):
            self._unsure_is = BoxFrame.STORED
        for which, what in (
            (turned_before, "{are} turned by EXIF, and the boxes are turned with them"),
            (
                some[unsure],
                "{are} turned by EXIF and of the same size either way: the boxes are "
                + ("turned with them, as others are" if self._unsure_is == BoxFrame.STORED else "taken as they are"),
            ),
            (some[drawn == BoxFrame.UNKNOWN], "cannot be read"),
        ):
            findings.note(len(which), f"image{{s}}{of} {what}", self._quoted(which))

    def _judge_sizes(self, other: _Indices, looked_at: int, of: str, findings: IssueReport) -> None:
        what = f"image{{s}}{of} {{are}} not of the size that the annotations say"
        if len(other) > _MOST_WRONG * looked_at:
            said = (f"'{self._tables.names[index]}': {self.other_size(index)}" for index in other.tolist())
            findings.refuse(len(other), what, said)
        findings.note(len(other), f"{what} and {{were}} taken for unreadable", self._quoted(other))

    def _quoted(self, which: _Indices) -> list[str]:
        return [f"'{self._tables.names[index]}'" for index in which[:10].tolist()]
