"""Annotated images: a copy of each with its boxes drawn, the input tree mirrored."""

import re
from pathlib import Path, PurePosixPath

from detcli.io.atomic_write import write_atomically
from detcli.io.output_paths import path_below
from detcli.sinks.images.encode_image import FORMATS, encode, encode_png
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.text_renderer import text_renderer

# Names that this room makes itself for images whose format cannot be written; inputs of such a name get another
# `.drawn`, so that no two images ever share one.
_OURS = re.compile(r"\.drawn\.\w+$", re.IGNORECASE)


class AnnotatedImageSink(BaseSink):
    """Writes `folder/relative` for every image that was read, with or without boxes; keeps EXIF and color profile.

    A suffix is kept where its format can be written. Else `.drawn.jpg` or `.drawn.png` is put behind the whole name:
    `IMG_1.heic.drawn.jpg`. A frame without pixels (of a resumed run) was drawn before and is skipped.

    folder         where the tree is mirrored
    skip_existing  leave images that are there

    Raises UsageError for a font file that is none.
    """

    ordered = False
    needs_pixels = True

    def __init__(
        self, folder: Path, labels: ClassLabels, style: DrawingStyle | None = None, *, skip_existing: bool = False
    ) -> None:
        self._folder = folder
        self._labels = labels
        self._style = style or DrawingStyle()
        self._skip_existing = skip_existing
        text_renderer(self._style.font)  # a bad font file is told before the first image

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Draw and write one image; safe in any thread."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame) or frame.pixels is None:
            return
        relative = annotated_name(frame.origin.relative, lossy=_is_lossy(frame))
        if self._skip_existing and path_below(self._folder, relative).exists():
            return
        drawn = draw(frame.pixels, detections, self._labels, self._style)
        relative, data = self._encoded(relative, drawn, frame)
        write_atomically(path_below(self._folder, relative), data, durable=False)

    def _encoded(self, relative: str, drawn: Pixels, frame: Frame) -> tuple[str, bytes]:
        """The image in the format of its name, or as PNG under a longer name where that format cannot hold it."""
        data = encode(drawn, FORMATS[PurePosixPath(relative).suffix.lower()], frame.metadata)
        if data is not None:
            return relative, data
        return f"{relative}.drawn.png", encode_png(drawn, frame.metadata)


def annotated_name(relative: str, *, lossy: bool) -> str:
    """The name of the copy: the same, or a longer one where the suffix names no format that can be written.

    lossy  the original's pixels are compressed with loss, so a JPEG of it is no worse
    """
    if PurePosixPath(relative).suffix.lower() in FORMATS and not _OURS.search(relative):
        return relative
    return f"{relative}.drawn.{'jpg' if lossy else 'png'}"


def _is_lossy(frame: Frame) -> bool:
    return frame.metadata is not None and frame.metadata.format in ("JPEG", "HEIF", "AVIF", "WEBP", "JPEG2000")
