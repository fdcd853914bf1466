"""Draws everything that a frame has: detections, and the lines and zones of its counts."""

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.visualization.draw import draw, line_width
from detcli.visualization.draw_counts import draw_counts
from detcli.visualization.drawing_style import DrawingStyle


def draw_frame(
    frame: Frame, pixels: Pixels, detections: Detections | FailedFrame, labels: ClassLabels, style: DrawingStyle
) -> Pixels:
    """A copy of the pixels of a frame, uint8 [H, W, 3] RGB, annotated; the pixels themselves where there is nothing to draw.

    A frame whose detection failed has neither boxes nor counts. Raises UsageError for an invalid font file.
    """
    if not isinstance(detections, FailedFrame):
        pixels = draw(pixels, detections, labels, style)
    if frame.counts is not None and (frame.counts.lines or frame.counts.zones):
        pixels = draw_counts(pixels, frame.counts, style, style.line_width or line_width(pixels.shape[:2]))
    return pixels
