"""Image ids in COCO files: positions in the input, or those of the ground truth."""

import pytest

from detcli.sinks.results.coco_image_ids import CocoImageIds
from detcli.structures.frame import Origin


@pytest.mark.parametrize(
    ("ground_truth_ids", "frame", "are_positions"),
    [(None, None, True), (None, 3, False), ({"a.jpg": 70}, None, False)],
)
def test_ids_of_images_without_ground_truth_are_positions(
    ground_truth_ids: dict[str, int] | None, frame: int | None, are_positions: bool
) -> None:
    ids = CocoImageIds(ground_truth_ids)
    assert ids.known(Origin(3, "in/a.jpg", "a.jpg", "a", frame)) == (4 if ground_truth_ids is None else 70)
    assert ids.are_positions == are_positions


def test_without_images_no_id_is_a_position() -> None:
    assert not CocoImageIds(None).are_positions
