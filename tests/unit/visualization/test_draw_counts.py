"""Lines, zones and their counts, drawn."""

import numpy as np
import pytest

from detcli.counting.frame_counts import FrameCounts, LineCount, ZoneCount
from detcli.counting.geometry import Polygon, side
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels
from detcli.visualization.draw import draw
from detcli.visualization.draw_counts import arrow
from detcli.visualization.draw_frame import draw_frame
from detcli.visualization.drawing_style import DrawingStyle

LABELS = ClassLabels.from_names(["cat"])
LINE, ZONE = ((20.0, 100.0), (180.0, 100.0)), ((20.0, 20.0), (120.0, 20.0), (70.0, 90.0))


def drawn(
    *, line: Polygon | None = None, zone: Polygon | None = None, count: int = 0, size_hw: tuple[int, int] = (150, 200)
) -> Pixels:
    pixels = np.full((*size_hw, 3), 200, np.uint8)
    lines = {} if line is None else {"gate": LineCount("gate", line, {0: count}, {})}
    zones = {} if zone is None else {"yard": ZoneCount("yard", zone, {0: count})}
    frame = Frame(Origin(0, "a", "a", "a"), size_hw, pixels, counts=FrameCounts(lines, zones, (), {}))
    image = draw_frame(frame, pixels, Detections.empty(), LABELS, DrawingStyle())
    assert (pixels == 200).all(), "the frame itself stays"
    return image


def test_the_line_and_the_border_of_the_zone_are_drawn() -> None:
    blank = np.full((150, 200, 3), 200, np.uint8)
    line, zone = (np.any(drawn(**one) != blank, axis=2) for one in ({"line": LINE}, {"zone": ZONE}))
    assert line[100, 20:180].all()
    assert not line[:80, :].any(), "nothing far above the line and its arrow"
    assert zone[20, 20:120].all()
    assert not zone[95:].any()
    assert not zone[75, 70], "a zone is not filled"


def test_the_arrow_points_to_the_side_that_is_in() -> None:
    for start, end in (LINE, LINE[::-1], ((5.0, 9.0), (40.0, 77.0))):
        middle, tip = arrow(start, end, 10.0)
        assert side(start, end, tip) < 0, "to the left of the line"
        assert np.hypot(tip[0] - middle[0], tip[1] - middle[1]) == pytest.approx(10)


def test_the_counts_are_in_the_image() -> None:
    for shape in ({"line": LINE}, {"zone": ZONE}):
        assert (drawn(**shape, count=1) != drawn(**shape, count=2)).any()
        assert (drawn(**shape, count=1) == drawn(**shape, count=1)).all()


def test_shapes_beyond_the_border_and_tiny_images_are_drawn() -> None:
    assert drawn(line=((-50.0, 75.0), (900.0, 75.0)), zone=((-9.0, -9.0), (999.0, -9.0), (0.0, 999.0))).shape == (
        150,
        200,
        3,
    )
    assert drawn(line=((0.0, 2.0), (6.0, 2.0)), zone=((0.0, 0.0), (6.0, 0.0), (0.0, 4.0)), size_hw=(4, 6)).shape == (
        4,
        6,
        3,
    )


def test_a_frame_without_counts_is_drawn_as_before() -> None:
    pixels = np.full((60, 80, 3), 90, np.uint8)
    found = Detections([[10, 10, 40, 40]], [0.9], [0])
    frame = Frame(Origin(0, "a", "a", "a"), (60, 80), pixels)
    assert (draw_frame(frame, pixels, found, LABELS, DrawingStyle()) == draw(pixels, found, LABELS)).all()
    failed = FailedFrame(frame.origin, "device", "failed")
    assert draw_frame(frame, pixels, failed, LABELS, DrawingStyle()) is pixels
