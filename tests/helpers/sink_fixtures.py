"""Results to write: a few by hand that hold every hard case, and any number by seed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result
from detcli.structures.masks import Rle
from detcli.structures.run_info import RunInfo

LABELS = ClassLabels.from_names(["cat", "dog", "traffic light"])
HOSTILE_NAMES = (
    "line\nbreak.jpg",
    'quote".jpg',
    "comma, space.jpg",
    "\x1b[31mred.jpg",
    "=1+1.jpg",
    "not utf-8 \udcff.jpg",
    "a" * 250 + ".jpg",
    "CON.jpg",
    "[red]x.jpg",
    "汽车/سيارة.jpg",
    "classes.jpg",
)


@pytest.fixture
def info() -> RunInfo:
    return RunInfo("dfine-s", "abc", "0" * 64, "0.1.0", LABELS, "2025-01-01T00:00:00Z", {"threshold": 0.4})


@pytest.fixture
def settings(info: RunInfo) -> SinkSettings:
    return SinkSettings(info)


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    return frame_named


@pytest.fixture
def results() -> list[Result]:
    """Two boxes, none, a failure, then every hostile name with one box."""
    found = Detections(
        np.array([[10.1, 20.2, 110.3, 220.4], [0.0, 0.0, 640.0, 480.0]]),
        np.array([0.93, 0.5], np.float32),
        np.array([1, 0]),
    )
    failed = FailedFrame(Origin(2, "in/c.jpg", "c.jpg", "c"), "truncated", "cannot read 'in/c.jpg': truncated")
    listed: list[Result] = [
        (frame_named("a.jpg", 0), found),
        (frame_named("sub/b.jpg", 1), Detections.empty()),
        (failed, failed),
    ]
    for index, name in enumerate(HOSTILE_NAMES, 3):
        listed.append((frame_named(name, index), random_detections(index, 1)))
    return listed


@pytest.fixture
def segments() -> list[Result]:
    """Two segments, none, a failure, then every hostile name; with masks, no two of an image overlapping."""
    failed = FailedFrame(Origin(2, "in/c.jpg", "c.jpg", "c"), "truncated", "cannot read 'in/c.jpg': truncated")
    listed: list[Result] = [
        (frame_named("a.jpg", 0, size_hw=(48, 64)), random_segments(0, 2)),
        (frame_named("sub/b.jpg", 1, size_hw=(48, 64)), Detections.empty()),
        (failed, failed),
    ]
    for index, name in enumerate(HOSTILE_NAMES, 3):
        listed.append((frame_named(name, index, size_hw=(48, 64)), random_segments(index, index)))
    return listed


@pytest.fixture
def many() -> Callable[[int], Iterator[Result]]:
    """That many results, the same ones at each call; every tenth failed."""
    return seeded_results


def frame_named(relative: str, index: int = 0, *, size_hw: tuple[int, int] = (480, 640)) -> Frame:
    stem = str(Path(relative).with_suffix(""))
    return Frame(Origin(index, f"in/{relative}", relative, stem), size_hw, None)


def random_detections(seed: int, count: int, *, size_hw: tuple[int, int] = (480, 640)) -> Detections:
    """Boxes as float32 numbers made float64 and clipped, as the detector gives them."""
    random = np.random.default_rng(seed)
    corners = np.sort(random.random((count, 2, 2), np.float32), axis=1)
    boxes = corners.reshape(count, 4).astype(np.float64) * np.array([size_hw[1], size_hw[0]] * 2)
    scores = np.sort(random.random(count, np.float32))[::-1].copy()
    return Detections(boxes, scores, random.integers(0, len(LABELS), count))


def random_segments(seed: int, count: int, *, size_hw: tuple[int, int] = (48, 64)) -> Detections:
    """Irregular regions that do not overlap, each with its box; some pixels belong to none."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, count + 1, (-(-size_hw[0] // 4), -(-size_hw[1] // 4)))
    blocks.flat[: count + 1] = range(count + 1)  # everyone has some pixels
    owners = blocks.repeat(4, axis=0).repeat(4, axis=1)[: size_hw[0], : size_hw[1]]
    masks = tuple(Rle.of(owners == number) for number in range(1, count + 1))
    boxes = np.array([mask.box_xyxy for mask in masks], np.float64).reshape(-1, 4)
    scores = np.sort(random.random(count, np.float32))[::-1].copy()
    return Detections(boxes, scores, random.integers(0, len(LABELS), count), masks)


def seeded_results(count: int) -> Iterator[Result]:
    for index in range(count):
        if index % 10 == 9:
            origin = Origin(index, f"in/{index}.jpg", f"{index}.jpg", str(index))
            failed = FailedFrame(origin, "empty", f"cannot read 'in/{index}.jpg': it is empty")
            yield failed, failed
        else:
            yield frame_named(f"{index}.jpg", index), random_detections(index, index % 7)
