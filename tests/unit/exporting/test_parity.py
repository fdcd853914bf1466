"""The parity check: which differences are refused, and what the message names."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from detcli.errors import GateError
from detcli.exporting.parity import ParityResult, check_parity
from detcli.exporting.tolerance import FLOAT, Tolerance, tolerance_of
from detcli.inference.detector import Detector
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle

SIZE = (100, 120)
Result = Detections | FailedFrame


def detections(*rows: tuple[float, float, float, float, float, int], masks: Sequence[Rle] | None = None) -> Detections:
    """Each row: the corners, the score and the class."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    boxes, scores, class_ids = table[:, :4], table[:, 4].astype(np.float32), table[:, 5].astype(np.int64)
    return Detections(boxes, scores, class_ids, masks=None if masks is None else tuple(masks))


def compare(
    expected: Result, found: Result, *, max_detections: int = 300, tolerance: Tolerance = FLOAT
) -> ParityResult:
    frame = Frame(Origin(0, "street.jpg", "street.jpg", "street"), SIZE, np.zeros((*SIZE, 3), np.uint8))
    detector: Any = SimpleNamespace(
        detect_frames=lambda frames: [found],
        runtime=SimpleNamespace(name="onnx"),
        labels=ClassLabels.from_names(["cat", "dog"]),
        selection=SimpleNamespace(max_detections=max_detections),
    )
    return check_parity([frame], [expected], cast("Detector", detector), tolerance)


CAT, DOG = (10.0, 10.0, 30.0, 40.0, 0.9, 0), (50.0, 20.0, 90.0, 60.0, 0.4, 1)


def test_equal_detections_in_another_order_pass() -> None:
    assert compare(detections(CAT, DOG), detections(DOG, CAT)) == ParityResult("onnx", 1, 2, 0.0, 0.0)


def test_the_largest_differences_are_reported() -> None:
    moved = (10.4, 10.0, 30.0, 40.0, 0.905, 0)
    result = compare(detections(CAT, DOG), detections(moved, DOG))
    assert result.box_error == pytest.approx(0.4)
    assert result.score_error == pytest.approx(0.005, abs=1e-6)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(10.6, 10, 30, 40, 0.9, 0), DOG], r"cat 0\.900 at \(10\.0 10\.0 30\.0 40\.0\) moves by 0\.6 px"),
        ([(10, 10, 30, 38, 0.9, 0), DOG], r"cat 0\.900 at .* moves by 2 px"),
        ([(10, 10, 30, 40, 0.88, 0), DOG], r".*its score by 0\.02"),
        ([CAT], r"dog 0\.400 at .* is missing in the exported file"),
        ([CAT, (50, 20, 90, 60, 0.4, 0)], r"dog 0\.400 at .* is missing"),
        ([CAT, DOG, (0, 0, 20, 20, 0.7, 1)], r"dog 0\.700 at \(0\.0 0\.0 20\.0 20\.0\) moves by 70 px"),
    ],
)
def test_a_difference_names_runtime_image_and_box(found: list[Any], message: str) -> None:
    with pytest.raises(GateError, match=rf"with the runtime onnx, 'street\.jpg': {message}"):
        compare(detections(CAT, DOG), detections(*found))


def test_weak_detections_count_only_among_the_best_of_an_image() -> None:
    strong = [(float(x), 0.0, x + 8.0, 9.0, 0.9 - x / 1000, 0) for x in range(0, 60, 10)]
    compare(detections(*strong, (0, 50, 20, 70, 0.04, 1)), detections(*strong, (60, 50, 80, 70, 0.04, 0)))
    with pytest.raises(GateError, match="missing"):
        compare(detections((0, 50, 20, 70, 0.01, 1)), detections((0, 50, 20, 70, 0.01, 0)))


def test_the_last_of_a_full_list_may_be_another_one() -> None:
    strong = [(float(x), 0.0, x + 8.0, 9.0, 0.9 - x / 1000, 0) for x in range(0, 60, 10)]
    ours, theirs = (0, 50, 20, 70, 0.5, 1), (60, 50, 80, 70, 0.5, 1)
    compare(detections(*strong, ours), detections(*strong, theirs), max_detections=7)
    with pytest.raises(GateError, match="moves by 60 px"):
        compare(detections(*strong, ours), detections(*strong, theirs), max_detections=300)


def test_an_image_that_only_one_side_can_process_is_a_difference() -> None:
    failed = FailedFrame(Origin(0, "street.jpg", "street.jpg", "street"), "device", "NaN")
    with pytest.raises(GateError, match="street"):
        compare(detections(CAT), failed)
    with pytest.raises(GateError, match="no detection of the checkpoint could be compared"):
        compare(failed, failed)


def test_another_mask_is_a_difference() -> None:
    first, second = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    first[10:40, 10:30], second[10:40, 10:32] = True, True
    compare(detections(CAT, masks=[Rle.of(first)]), detections(CAT, masks=[Rle.of(first)]))
    with pytest.raises(GateError, match=r"cat 0\.900 at .* has another mask"):
        compare(detections(CAT, masks=[Rle.of(first)]), detections(CAT, masks=[Rle.of(second)]))


INT8 = tolerance_of("int8", threshold=0.3)


def many(count: int, *, moved: int = 0, by: float = 20.0) -> Detections:
    """A row of boxes 8 x 8, the first ones of which are moved down."""
    return detections(
        *((12.0 * i, by * (i < moved), 12.0 * i + 8, by * (i < moved) + 8, 0.9 - i / 1000, 0) for i in range(count))
    )


def test_int8_allows_a_share_of_other_detections() -> None:
    result = compare(many(20), many(20, moved=2), tolerance=INT8)
    assert (result.boxes, result.differing) == (20, 4)  # of both sides
    assert result.box_error == 0
    with pytest.raises(GateError, match=r"cat 0\.900 .* moves by 20 px.*; 6 of 40 differ by more, at most 10% may\)"):
        compare(many(20), many(20, moved=3), tolerance=INT8)
    with pytest.raises(GateError, match="moves by 12 px"):  # the neighbor is nearer
        compare(many(20), many(20, moved=1))


@pytest.mark.parametrize(
    ("side", "by", "passes"), [(20, 3.9, True), (20, 4.1, False), (200, 19, True), (200, 21, False)]
)
def test_int8_allows_more_pixels_for_larger_boxes(side: float, by: float, passes: bool) -> None:
    found = detections((by, 0.0, side, side, 0.8, 0))
    expected = detections((0.0, 0.0, side, side, 0.8, 0))
    if passes:
        assert compare(expected, found, tolerance=INT8).box_error == pytest.approx(by)
    else:
        with pytest.raises(GateError, match="moves by"):
            compare(expected, found, tolerance=INT8)


def test_int8_compares_detections_above_the_threshold_only() -> None:
    weak = (0, 50, 20, 70, 0.29, 1)
    assert compare(detections(CAT, weak), detections(CAT), tolerance=INT8).boxes == 1
    with pytest.raises(GateError, match=r"with a score above 0\.3 could be compared in 1 images: try others"):
        compare(detections(weak), detections(weak), tolerance=INT8)
    with pytest.raises(GateError, match="only in the exported file"):
        compare(detections(CAT), detections(CAT, DOG), tolerance=INT8)


def test_other_precisions_have_one_tolerance() -> None:
    assert {tolerance_of(name, threshold=0.7) for name in ("fp32", "fp16", "bf16")} == {FLOAT}
    assert (FLOAT.pixels, FLOAT.score, FLOAT.differing) == (0.5, 0.01, 0.0)
