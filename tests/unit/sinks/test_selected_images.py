"""Which images are selected: the measure by its definition, ties, seeds, and memory for as many as are kept."""

import math
from typing import Any

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.image_selection import ImageSelection
from detcli.sinks.selected_images import (
    ImageQueue,
    SelectedResults,
    box_uncertainties,
    image_uncertainty,
    selected_indices,
)
from detcli.sinks.sink import BaseSink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Result
from tests.helpers.sink_fixtures import frame_named, random_detections, seeded_results


def scored(*scores: float, std: float | None = None) -> Detections:
    """Boxes of 10 x 20 pixels."""
    boxes = np.tile([0.0, 0.0, 10.0, 20.0], (len(scores), 1))
    deviations = None if std is None else np.tile([0.0, 0.0, std, 0.0], (len(scores), 1))
    return Detections(boxes, np.array(scores), np.zeros(len(scores), np.int64), box_std=deviations)


def entropy(score: float) -> float:
    return -score * math.log2(score) - (1 - score) * math.log2(1 - score)


@pytest.mark.parametrize("score", [0.01, 0.3, 0.4, 0.5, 0.77, 0.99])
def test_the_uncertainty_of_a_score_is_its_entropy(score: float) -> None:
    assert box_uncertainties(scored(score)) == pytest.approx([entropy(float(np.float32(score)))])


def test_scores_without_doubt_and_logits_have_bounds() -> None:
    assert box_uncertainties(scored(0, 1, 0.5, -3, 7)).tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(("std", "expected"), [(0.01, entropy(0.95)), (2.5, 0.5), (5, 1), (80, 1)])
def test_an_edge_that_is_less_certain_than_the_score_counts(std: float, expected: float) -> None:
    """The right edge, in relation to half the width, 5 pixels."""
    assert box_uncertainties(scored(0.95, std=std)) == pytest.approx([expected], rel=1e-5)


def test_boxes_without_an_area_have_no_infinite_uncertainty() -> None:
    point = Detections(np.zeros((1, 4)), np.array([0.9]), np.array([0]), box_std=np.array([[0.0, 1, 0, 0]]))
    assert box_uncertainties(point).tolist() == [1]


def test_an_image_has_the_mean_of_its_boxes_or_nothing() -> None:
    assert image_uncertainty(scored(0.5, 0.5, 0.0, 1.0)) == 0.5
    assert image_uncertainty(Detections.empty()) == 0


def results(*images: Detections) -> list[Result]:
    return [(frame_named(f"{i}.jpg", i), found) for i, found in enumerate(images)]


def selected(text: str, listed: list[Result]) -> list[int]:
    return sorted(selected_indices(ImageSelection.of(text), listed))


def test_the_most_uncertain_and_the_top_images_are_selected() -> None:
    listed = results(scored(0.9), scored(0.55), Detections.empty(), scored(0.99, 0.2), scored(0.45))
    assert selected("uncertain:2", listed) == [1, 4]
    assert selected("uncertain:3", listed) == [0, 1, 4]
    assert selected("top:2", listed) == [0, 3]
    assert selected("top:5", listed) == selected("uncertain:99", listed) == [0, 1, 2, 3, 4]


def test_of_equal_images_the_first_are_selected() -> None:
    listed = results(*[scored(0.9)] * 3, *[scored(0.6)] * 5)
    assert selected("uncertain:2", listed) == [3, 4]
    assert selected("top:2", listed) == [0, 1]
    assert selected("uncertain:6", listed) == [0, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("seed", range(5))
def test_the_selection_is_that_of_a_sorted_list(seed: int) -> None:
    random = np.random.default_rng(seed)
    listed = results(*(random_detections(seed * 100 + i, int(random.integers(0, 5))) for i in range(60)))
    order = sorted(range(60), key=lambda i: -image_uncertainty(listed[i][1]))  # type: ignore[arg-type]
    for count in (1, 7, 59, 60):
        assert selected(f"uncertain:{count}", listed) == sorted(order[:count])


def test_random_images_depend_on_the_seed_and_the_index_alone() -> None:
    listed = [result for result in seeded_results(200) if isinstance(result[1], Detections)]
    first, other = selected("random:20", listed), selected("random:20:7", listed)
    assert len(first) == len(other) == 20
    assert first == selected("random:20", listed[::-1])
    assert first != other
    half = listed[:90]
    assert {frame.origin.index for frame, _ in half} & set(first) <= set(selected("random:20", half))
    assert 40 < np.mean(first) < 160


def test_failed_images_are_never_selected() -> None:
    failed = {frame.origin.index for frame, found in seeded_results(50) if isinstance(found, FailedFrame)}
    for text in ("uncertain:50", "top:50", "random:50"):
        assert set(selected(text, list(seeded_results(50)))) == set(range(50)) - failed


class Collected(BaseSink):
    ordered, needs_pixels = False, False

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.ended = ""

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.results.append((frame, detections))

    def close(self, *, complete: bool) -> None:
        self.ended = f"complete={complete}"

    def abort(self) -> None:
        self.ended = "aborted"


def test_a_sink_gets_the_selected_results_in_order_and_without_pixels() -> None:
    inner, listed = Collected(), list(seeded_results(40))
    sink = SelectedResults(inner, ImageSelection.of("uncertain:6"))
    for frame, found in listed:
        pixels = np.zeros((480, 640, 3), np.uint8)
        given = Frame(frame.origin, (480, 640), pixels) if isinstance(frame, Frame) else frame
        sink.write(given, found)
        sink.flush()
    assert inner.results == []
    sink.close(complete=False)
    assert inner.ended == "complete=False"
    assert [frame.origin.index for frame, _ in inner.results] == selected("uncertain:6", listed)
    assert all(frame.pixels is None for frame, _ in inner.results)
    assert sink.remarks == ("6 of 36 images selected by uncertain:6",)
    SelectedResults(inner, ImageSelection.of("top:1")).abort()
    assert inner.ended == "aborted"


def test_no_more_results_are_held_than_are_selected() -> None:
    alive: set[int] = set()

    class Counted:
        def __init__(self, number: int) -> None:
            self.number = number
            alive.add(number)

        def __del__(self) -> None:
            alive.discard(self.number)

    queue: ImageQueue[Counted] = ImageQueue(ImageSelection.of("random:8"))
    for index in range(500):
        queue.add(frame_named("a.jpg", index), Detections.empty(), Counted(index))
        assert len(alive) <= 9
    assert len(list(queue.kept())) == 8


WRONG = (
    *("uncertain", "uncertain:", "uncertain:x", "uncertain:-1", "uncertain:0", "uncertain:1e3", "uncertain:٣"),
    *("best:3", "top:3:1", "", "3", "random:1:x"),
)


@pytest.mark.parametrize("text", WRONG)
def test_other_texts_are_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(UsageError, match=r"`select` must be such as uncertain:100"):
        ImageSelection.of(text)
    with pytest.raises(TypeError, match="not int"):
        ImageSelection.of(3)


def test_a_selection_reads_back_from_its_text() -> None:
    for text in ("uncertain:1", "top:20", "random:5", "random:5:7"):
        assert str(ImageSelection.of(text)) == text
    assert ImageSelection.of(" random : 5 : 0 ") == ImageSelection("random", 5)
