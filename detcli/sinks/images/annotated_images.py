"""Annotated images: a copy of each image with its detections drawn, in the folder structure of the input."""

import re
from pathlib import Path, PurePosixPath

from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder
from detcli.sinks.images.encode_image import FORMATS, encode, encode_png
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.visualization.draw_frame import draw_frame
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.text_renderer import text_renderer

# Names that are made here for images whose format cannot be written; inputs with such a name get another `.drawn`, so
# that no two images share a file.
_MADE_HERE = re.compile(r"\.drawn\.\w+$", re.IGNORECASE)


class AnnotatedImageSink(BaseSink):
    """Writes `folder/relative` for every image that was read, with or without boxes; keeps EXIF and color profile.

    A suffix stays if its format can be written. Otherwise `.drawn.jpg` or `.drawn.png` is appended to the name:
    `IMG_1.heic.drawn.jpg`. A frame without pixels, from the journal of a resumed run, is already drawn and is skipped.

    folder         root of the folder structure
    skip_existing  do not overwrite existing images

    Raises UsageError for an invalid font file.
    """

    ordered = False
    needs_pixels = True

    def __init__(
        self,
        folder: OutputFolder | Path,
        labels: ClassLabels,
        style: DrawingStyle | None = None,
        *,
        skip_existing: bool = False,
    ) -> None:
        self._folder = as_output_folder(folder)
        self._labels = labels
        self._style = style or DrawingStyle()
        self._skip_existing = skip_existing
        text_renderer(self._style.font)  # report an invalid font file before the first image

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Draw and write one image; safe in any thread."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame) or frame.pixels is None:
            return
        relative = annotated_name(frame.origin.relative, lossy=_is_lossy(frame))
        if self._skip_existing and self._folder.has(relative):
            return
        annotated = draw_frame(frame, frame.pixels, detections, self._labels, self._style)
        relative, data = self._encoded(relative, annotated, frame)
        self._folder.write(relative, data)

    def _encoded(self, relative: str, annotated: Pixels, frame: Frame) -> tuple[str, bytes]:
        """The image in the format of its name, or as PNG with a longer name if that format cannot store it."""
        data = encode(annotated, FORMATS[PurePosixPath(relative).suffix.lower()], frame.metadata)
        if data is not None:
            return relative, data
        return f"{relative}.drawn.png", encode_png(annotated, frame.metadata)


def annotated_name(relative: str, *, lossy: bool) -> str:
    """The name of the copy: the same, or a longer one if the suffix has no format that can be written.

    lossy  the original is compressed with loss, so JPEG is good enough for the copy
    """
    if PurePosixPath(relative).suffix.lower() in FORMATS and not _MADE_HERE.search(relative):
        return relative
    return f"{relative}.drawn.{'jpg' if lossy else 'png'}"


def _is_lossy(frame: Frame) -> bool:
    return frame.metadata is not None and frame.metadata.format in ("JPEG", "HEIF", "AVIF", "WEBP", "JPEG2000")
