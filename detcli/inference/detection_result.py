"""The detections of one image together with the image they are from."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import UsageError
from detcli.inference.images.image_inputs import ImageInput, check_image, read_image
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame
from detcli.structures.json_records import to_record

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DetectionResult(Detections):
    """The detections of one image, with the image. Indexing gives results of the same image; equality ignores the image.

    frame  name, index and size of the image, without its pixels
    image  the image as it was given: a path, a URL, an array, …. It is not copied; `plot` reads it
    """

    frame: Frame = field(kw_only=True)
    image: ImageInput = field(kw_only=True)

    @classmethod
    def of(cls, detections: Detections, frame: Frame, image: ImageInput) -> "DetectionResult":
        """Add the image to detections."""
        values = {item.name: getattr(detections, item.name) for item in fields(Detections)}
        return cls(**values, frame=frame, image=image)

    @property
    def file(self) -> str:
        """Path or URL of the image; empty for an image in memory."""
        return self.frame.origin.file

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the upright image in pixels."""
        return self.frame.size_hw

    def to_dict(self) -> dict[str, Any]:
        """Return the record that `detcli detect` writes as a JSON line: index, file, width, height, detections, error."""
        return to_record(self.frame, self, self._known_labels())

    def plot(
        self,
        image: ImageInput | None = None,
        *,
        line_width: int | None = None,
        hide_labels: bool = False,
        hide_scores: bool = False,
        show_uncertainty: bool = False,
        font: Path | None = None,
    ) -> "Image.Image":
        """Draw the detections on a copy of the image, and return it as a PIL image (RGB).

        image       draw on this image instead, of the same size; as accepted by a detector
        line_width  in pixels; None: fitted to the image
        show_uncertainty  draw a band along each edge, of one standard deviation to both sides, where it is known
        font        font file to use before those of the system

        Raises ImageError if the image cannot be read again, and UsageError for an image of another size or an invalid font.
        """
        from PIL import Image

        from detcli.visualization.draw import draw
        from detcli.visualization.drawing_style import DrawingStyle

        given = self.image if image is None else image
        check_image(given)
        frame = read_image(given, self.frame.origin.index)
        if frame.pixels is None:
            raise UsageError("`image` is a frame without pixels: pass the image to plot()")
        if frame.size_hw != self.size_hw:
            sizes = "{1} x {0} pixels, not {3} x {2}".format(*self.size_hw, *frame.size_hw)
            raise UsageError(f"`image` must have the size of the image of the detections, {sizes}")
        style = DrawingStyle(line_width, hide_labels, hide_scores, font, show_uncertainty)
        return Image.fromarray(draw(frame.pixels, self, self._known_labels(), style))
