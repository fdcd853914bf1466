"""The comparison of tiles: every pasted object is known, and each object and box counts once."""

import numpy as np

from benchmarks.tiles import CELL, count_found, paste
from detcli.structures.detections import Detections


def test_pasted_images_have_their_objects_where_they_are_drawn() -> None:
    pixels, truth = paste((2 * CELL, 3 * CELL), 1, 1.0)
    again, half = paste((2 * CELL, 3 * CELL), 1, 1.0)[0], paste((CELL, CELL + CELL // 2), 1, 0.5)[1]
    assert pixels.shape == (2 * CELL, 3 * CELL, 3)
    np.testing.assert_array_equal(pixels, again)
    assert len(truth) > 12
    assert (truth.boxes_xyxy[:, 2:] <= (3 * CELL, 2 * CELL)).all()
    np.testing.assert_allclose(half.boxes_xyxy, truth.boxes_xyxy / 2, atol=1)
    for box in truth.boxes_xyxy.astype(int).tolist():
        assert pixels[box[1] : box[3], box[0] : box[2]].std() > 1, "something is drawn there"


def test_an_object_is_found_once_and_by_a_box_of_its_class() -> None:
    truth = Detections([[0, 0, 10, 10], [50, 0, 60, 10]], [1.0, 1.0], [0, 1])  # type: ignore[arg-type]
    boxes = [[0, 0, 10, 9], [0, 0, 9, 10], [50, 0, 60, 10], [50, 0, 60, 4]]
    found = Detections(boxes, [0.9, 0.8, 0.7, 0.6], [0, 0, 0, 1])  # type: ignore[arg-type]
    assert count_found(truth, found) == 1, "a duplicate, a wrong class and a small overlap find nothing"
    assert count_found(truth, truth) == 2
    assert count_found(truth, truth[:0]) == 0
