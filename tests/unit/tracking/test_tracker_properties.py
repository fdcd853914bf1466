"""Tracks do not depend on the origin and scale of coordinates, nor on the start time."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from detcli.structures.detections import Detections
from detcli.tracking.byte_track import Tracker

Step = tuple[Detections, float, bool]  # what a frame shows, when, and whether frames are missing before it


def steps(seed: int, count: int = 40) -> Iterator[Step]:
    """Things that drift, cross, flicker and are doubted, at a rate that varies, in whole pixels; some frames are empty."""
    random, time_s = np.random.default_rng(seed), 0.0
    place, speed = random.uniform(0, 200, (12, 2)), random.uniform(-60, 60, (12, 2))
    size, class_ids = random.integers(8, 60, (12, 2)), random.integers(0, 2, 12)
    for _ in range(count):
        seconds = float(random.choice([1 / 64, 1 / 32, 1 / 4, 2.0], p=[0.3, 0.5, 0.15, 0.05]))
        time_s, place = time_s + seconds, place + speed * min(seconds, 0.25)
        corner = np.round(place + random.normal(0, 2, place.shape))
        scores = random.choice([0.05, 0.3, 0.6, 0.65, 0.9], 12).astype(np.float32)
        seen = np.flatnonzero(random.random(12) < (0.9 if random.random() < 0.9 else 0))
        boxes = np.concatenate((corner, corner + size), axis=1)
        yield Detections(boxes[seen], scores[seen], class_ids[seen]), time_s, bool(random.random() < 0.05)


def same(boxes: np.ndarray) -> np.ndarray:
    return boxes


def tracks(seed: int, change: Callable[[np.ndarray], np.ndarray] = same, *, start_s: float = 0.0) -> list[list[int]]:
    """The number of each box of each frame; 0 where it has none."""
    tracker, numbers = Tracker(), []
    for found, time_s, missing in steps(seed):
        if missing:
            tracker.gap()
        marked = Detections(change(found.boxes_xyxy), found.scores, found.class_ids, track_ids=np.arange(len(found)))
        returned = tracker.update(marked, start_s + time_s)
        assert returned.track_ids is not None
        number_of = dict(zip(map(tuple, returned.boxes_xyxy.tolist()), returned.track_ids.tolist(), strict=True))
        numbers.append([number_of.get(tuple(box), 0) for box in marked.boxes_xyxy.tolist()])
    return numbers


def in_turn(numbers: list[list[int]]) -> list[list[int]]:
    """The same, numbered as they come in the rows."""
    turn: dict[int, int] = {0: 0}
    return [[turn.setdefault(number, len(turn)) for number in frame] for frame in numbers]


@pytest.mark.parametrize("seed", range(6))
def test_ids_are_consecutive_and_unique_in_a_frame(seed: int) -> None:
    returned = 0
    for frame in tracks(seed):
        shown = [number for number in frame if number]
        new = sorted(number for number in shown if number > returned)
        assert len(set(shown)) == len(shown)
        assert new == list(range(returned + 1, returned + 1 + len(new)))
        returned += len(new)
    assert returned > 6


@pytest.mark.parametrize("seed", range(6))
def test_tracks_do_not_depend_on_the_origin_of_coordinates(seed: int) -> None:
    assert tracks(seed, lambda boxes: boxes + np.array((4096.0, 1024.0, 4096.0, 1024.0))) == tracks(seed)


@pytest.mark.parametrize("times", [0.5, 16.0])
@pytest.mark.parametrize("seed", range(6))
def test_tracks_do_not_depend_on_the_scale_of_the_image(seed: int, times: float) -> None:
    assert tracks(seed, lambda boxes: boxes * times) == tracks(seed)


@pytest.mark.parametrize("seed", range(6))
def test_tracks_do_not_depend_on_mirroring_or_transposing(seed: int) -> None:
    """Only which of two that are equally sure has the lower number may change."""
    plain = in_turn(tracks(seed))
    assert in_turn(tracks(seed, lambda boxes: boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1])) == plain
    assert in_turn(tracks(seed, lambda boxes: boxes[:, [1, 0, 3, 2]])) == plain


@pytest.mark.parametrize("seed", range(6))
def test_tracks_do_not_depend_on_the_start_time(seed: int) -> None:
    assert tracks(seed, start_s=1024.0) == tracks(seed)
