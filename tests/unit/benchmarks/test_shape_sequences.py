"""Synthetic sequences are repeatable, and their ground truth matches the pixels."""

import numpy as np
import pytest

from benchmarks.synthetic.noisy_detections import ERRORS, NoisyDetections, detect_with_errors
from benchmarks.synthetic.shape_sequences import LEVELS, ShapeSequence
from detcli.structures.ground_truth import GroundTruth


@pytest.mark.parametrize("level", LEVELS)
def test_a_frame_depends_only_on_level_seed_and_index(level: str) -> None:
    one, other = ShapeSequence(level, 3, frames=20), ShapeSequence(level, 3, frames=20)
    late = one.draw(15)
    one.draw(2)
    np.testing.assert_array_equal(one.draw(15), late)
    np.testing.assert_array_equal(other.draw(15), late)
    assert not np.array_equal(ShapeSequence(level, 4, frames=20).draw(15), late)


def test_frames_have_the_requested_size_number_and_times() -> None:
    shapes = ShapeSequence("easy", 0, frames=7, rate=12.5, size_hw=(200, 260))
    frame = shapes.frame(5)
    assert len(shapes) == 7
    assert frame.size_hw == (200, 260)
    assert frame.pixels is not None
    assert (frame.pixels.shape, frame.pixels.dtype) == ((200, 260, 3), np.uint8)
    assert (frame.origin.frame, frame.origin.time_s) == (5, 0.4)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(3))
def test_an_object_keeps_its_class_and_never_jumps(level: str, seed: int) -> None:
    shapes = ShapeSequence(level, seed, frames=60)
    farthest = 0.75 * min(shapes.size_hw) / shapes.rate + 6  # speed, and what sway and spin add to an edge
    class_of: dict[int, int] = {}
    before: dict[int, np.ndarray] = {}
    for index in range(len(shapes)):
        true = shapes.ground_truth(index)
        assert true.track_ids is not None
        within = (true.boxes_xyxy > 0) & (true.boxes_xyxy < np.tile(shapes.size_hw[::-1], 2))
        whole = within.all(axis=1)
        now = dict(zip(true.track_ids[whole].tolist(), true.boxes_xyxy[whole], strict=True))
        for track_id, class_id in zip(true.track_ids.tolist(), true.class_ids.tolist(), strict=True):
            assert class_of.setdefault(track_id, class_id) == class_id
        for track_id in now.keys() & before.keys():
            assert np.abs(now[track_id] - before[track_id]).max() < farthest
        before = now


@pytest.mark.parametrize("level", LEVELS)
def test_boxes_lie_within_the_image(level: str) -> None:
    shapes = ShapeSequence(level, 1)
    for index in range(0, len(shapes), 10):
        boxes = shapes.ground_truth(index).boxes_xyxy
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes >= 0).all()
        assert (boxes <= np.tile(shapes.size_hw[::-1], 2)).all()


def test_pixels_change_only_inside_the_boxes() -> None:
    shapes = ShapeSequence("easy", 2, frames=40)
    for index in (0, 20):
        one, other = shapes.draw(index), shapes.draw(index + 1)
        inside = np.zeros(shapes.size_hw, np.bool_)
        for frame in (index, index + 1):
            for left, top, right, bottom in shapes.ground_truth(frame).boxes_xyxy.tolist():
                inside[max(0, int(top) - 1) : int(bottom) + 2, max(0, int(left) - 1) : int(right) + 2] = True
        changed = (one != other).any(axis=2)
        assert changed.any()
        assert not (changed & ~inside).any()


def test_hard_sequences_have_hidden_entering_and_leaving_shapes() -> None:
    """Shapes that are hidden for a while and come out again, and some that come in or go out."""
    hidden_between = come = go = 0
    for seed in range(3):
        shapes = ShapeSequence("hard", seed, rate=10, frames=40)
        seen: dict[int, list[bool]] = {}
        for index in range(len(shapes)):
            true = shapes.ground_truth(index)
            assert true.track_ids is not None
            for number in range(1, 15):
                seen.setdefault(number, []).append(number in true[~true.crowd].track_ids)  # type: ignore[operator]
        for times in seen.values():
            if any(times):
                first, last = times.index(True), len(times) - times[::-1].index(True)
                hidden_between += not all(times[first:last])
                come, go = come + (first > 0), go + (last < len(times))
    assert min(hidden_between, come, go) >= 3


def test_shapes_of_easy_sequences_rarely_overlap() -> None:
    for seed in range(5):
        shapes = ShapeSequence("easy", seed, rate=5, frames=20)
        crowd = np.concatenate([shapes.ground_truth(index).crowd for index in range(len(shapes))])
        assert crowd.mean() < 0.15  # they stand for what is cut by the border, too


TRUE = GroundTruth(np.tile([[10.0, 20.0, 60.0, 80.0]], (400, 1)), np.arange(400) % 5, np.arange(400) % 4 == 0)


def test_detections_without_errors_equal_the_ground_truth() -> None:
    found = detect_with_errors(TRUE, (100, 100), ERRORS["none"], np.random.default_rng(0), classes=5)
    assert len(found) == 300  # a crowd is not seen
    assert (found.boxes_xyxy == TRUE.boxes_xyxy[0]).all()
    assert found.scores.min() >= 0.6
    assert (np.diff(found.scores) <= 0).all()


def test_errors_have_the_given_rates() -> None:
    errors = NoisyDetections(missed=0.2, uncertain=0.5, jitter=0.05, false_positives=3.0)
    rng = np.random.default_rng(1)
    runs = [detect_with_errors(TRUE, (100, 100), errors, rng, classes=5) for _ in range(20)]
    assert sum(map(len, runs)) / 20 == pytest.approx(0.8 * 300 + 3, rel=0.03)
    scores = np.concatenate([found.scores for found in runs])
    assert (scores < 0.55).mean() == pytest.approx(0.5, abs=0.03)
    lefts = np.concatenate([found.boxes_xyxy[:, 0] for found in runs])
    near = lefts[np.abs(lefts - 10) < 12]
    assert near.std() == pytest.approx(0.05 * 50, rel=0.15)
    for found in runs:
        assert (found.boxes_xyxy[:, :2] <= found.boxes_xyxy[:, 2:]).all()
        assert ((found.boxes_xyxy >= 0) & (found.boxes_xyxy <= 100)).all()


def test_the_frames_of_a_seed_stay_the_same_in_every_version() -> None:
    """The published tracking metrics are of these frames."""
    pixels = ShapeSequence("easy", 10).draw(0)
    assert pixels.shape == (288, 384, 3)
    assert pixels.reshape(-1, 3).mean(0) == pytest.approx([69.899, 78.78, 71.813], abs=0.02)
