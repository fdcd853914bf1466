"""Pages of the images that got better or worse."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.evaluation.box_matching import match_boxes
from detcli.evaluation.comparison.compare_results import changed_images
from detcli.evaluation.comparison.comparison_report import ComparedSide, ComparisonReport, ImageComparison
from detcli.evaluation.comparison.draw_changes import draw_changes
from detcli.evaluation.worst_images.outcomes import FALSE_POSITIVE, MATCHED, MISSED
from detcli.structures.frame import Pixels
from tests.helpers.evaluation_scenes import scene


def report(images: int = 8) -> ComparisonReport:
    """In the second, images with even ids lost all their detections, and those of the id 1 and 3 are doubled elsewhere."""
    document, results = scene(("cat", "dog"), images=images)
    second = [one for one in results if one["image_id"] % 2]
    first = [*results, *({**one, "bbox": [500.0, 400.0, 50.0, 40.0]} for one in results if one["image_id"] in (1, 3))]
    pairs = zip(match_boxes(document, first, score=0.0), match_boxes(document, second, score=0.0), strict=True)
    return ComparisonReport(
        sides=(ComparedSide("old.json", 0.0), ComparedSide("new.json", 0.0)), metrics={}, classes=(),
        outcomes=np.zeros((3, 3), np.int64), disagreements=(), images=[ImageComparison(*pair, np.zeros((3, 3), np.int64)) for pair in pairs],
        file_names={image["id"]: f"in/{image['file_name']}" for image in document["images"]}, samples=0, evaluator="",
        iou_type="bbox", iou=0.5, settings={}, created="",
    )  # fmt: skip


def gray(_: int) -> Pixels:
    return np.full((480, 640, 3), 128, np.uint8)


def test_images_are_chosen_by_the_change_of_mistakes() -> None:
    made = report()
    better, worse = changed_images(made.images, 3)
    assert [image.first.image_id for image in better] == sorted(
        (1, 3), key=lambda number: made.images[number - 1].change
    )
    assert all(image.first.image_id % 2 == 0 for image in worse)
    assert [image.change for image in worse] == sorted((image.change for image in worse), reverse=True)
    assert len(changed_images(made.images, 1)[0]) == 1


def test_pages_have_both_results_and_what_they_miss(tmp_path: Path) -> None:
    drawn, missing = draw_changes(report(), tmp_path, {1: "cat", 2: "dog"}, gray, count=2)
    names = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert (drawn, missing) == (len(names), 0)
    assert {name[:9] for name in names} >= {"better-1-", "worse-1-0"} or {"better-1", "worse-1-"} <= {
        name[:8] for name in names
    }
    page = np.asarray(Image.open(io.BytesIO((tmp_path / next(name for name in names if "worse" in name)).read_bytes())))
    assert page.shape[1] > 2 * 640
    left, right = page[:, : page.shape[1] // 2], page[:, page.shape[1] // 2 :]
    assert _has_color(right, MISSED.color)
    assert _has_color(left, MATCHED.color) or _has_color(left, FALSE_POSITIVE.color)


def test_images_that_are_not_available_are_counted(tmp_path: Path) -> None:
    drawn, missing = draw_changes(report(), tmp_path, {1: "cat", 2: "dog"}, lambda _: None, count=2)
    assert (drawn, missing) == (0, 4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2])
def test_no_more_pages_than_asked_for_are_drawn(count: int, tmp_path: Path) -> None:
    draw_changes(report(), tmp_path, {1: "cat", 2: "dog"}, gray, count=count)
    assert len(list(tmp_path.glob("worse-*"))) <= count


def _has_color(part: Pixels, color: tuple[int, int, int]) -> bool:
    near = np.abs(part[300:700].astype(int) - np.array(color)).max(axis=-1) < 40
    return bool(near.sum() > 100)
