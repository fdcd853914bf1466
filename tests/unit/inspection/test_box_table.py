"""Boxes in the pixels of resized images: stretched, or with the aspect ratio of their image."""

import numpy as np

from detcli.inference.preprocessing.resize_rules import Letterbox, ShortestEdge
from detcli.inspection.box_table import BoxTable, InputSizing

SIZES_WH = np.array([[200.0, 100.0], [50.0, 100.0], [np.nan, np.nan]])
TABLE = BoxTable(
    images=np.array([0, 0, 1]),
    boxes_xyxy=np.array([[0.0, 0.0, 20.0, 10.0], [0.0, 0.0, 200.0, 100.0], [0.0, 0.0, 5.0, 10.0]]),
    class_ids=np.zeros(3, np.int64),
    sizes_wh=SIZES_WH,
)


def test_stretched_boxes_have_the_same_share_of_the_input() -> None:
    assert TABLE.sized_wh(InputSizing.stretched((320, 640))).tolist() == [[64, 32], [640, 320], [64, 32]]


def test_images_that_keep_their_aspect_ratio_shrink_as_their_longer_side() -> None:
    letterbox, shortest = Letterbox((320, 320)), ShortestEdge(50, 80)
    assert TABLE.sized_wh(InputSizing("a", letterbox.content_hw)).tolist() == [[32, 16], [320, 160], [16, 32]]
    assert TABLE.sized_wh(InputSizing("a", shortest.resized_hw)).tolist() == [[8, 4], [80, 40], [4, 8]]


def test_a_table_without_boxes_has_none_after_resizing() -> None:
    empty = BoxTable(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64), SIZES_WH)
    assert empty.sized_wh(InputSizing.stretched((64, 64))).shape == (0, 2)
