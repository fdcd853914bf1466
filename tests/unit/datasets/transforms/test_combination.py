"""Combinations happen as often as asked, with images of any size, and the seed determines them."""

from dataclasses import replace

import numpy as np
import pytest

from detcli.datasets.transforms.combination import Combination
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from tests.helpers.annotated_datasets import ground_truth_of, photo, with_filled_boxes
from tests.helpers.painted_objects import ground_truth_shown, painted

NAMES = ("copy_paste", "mixup")
BLACK = (np.zeros((48, 64, 3), np.uint8), GroundTruth.empty())


def other(number: int) -> tuple[Pixels, GroundTruth]:
    """Images of different sizes and aspects, with one white box each."""
    size = (40 + number % 31, 50 + number % 37)
    return with_filled_boxes(size, [[size[1] // 4, size[0] // 4, 3 * size[1] // 4, 3 * size[0] // 4]])


def only(name: str, probability: float = 1.0) -> Combination:
    return replace(Combination(), **{name: probability})


@pytest.mark.parametrize("name", NAMES)
def test_a_combination_happens_with_its_probability(name: str) -> None:
    settings = only(name, 0.3)
    count = sum(settings.apply(*BLACK, other, np.random.default_rng(seed))[0] is not BLACK[0] for seed in range(1000))
    assert 250 < count < 350


def test_without_probabilities_no_image_is_read_and_nothing_is_drawn() -> None:
    rng = np.random.default_rng(5)
    pixels, ground_truth = Combination().apply(*BLACK, lambda number: pytest.fail("read"), rng)
    assert pixels is BLACK[0]
    assert ground_truth is BLACK[1]
    assert rng.random() == np.random.default_rng(5).random()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(30))
def test_boxes_follow_the_pixels_of_an_image_of_another_size(name: str, seed: int) -> None:
    pixels, kept = only(name).apply(*BLACK, other, np.random.default_rng(seed))
    assert pixels.shape == (48, 64, 3)
    rows, columns = np.nonzero(pixels[..., 0] > 20)
    assert len(kept) == 1
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(kept.boxes_xyxy[0] - seen).max() <= 1.5


@pytest.mark.parametrize("size_hw", [(90, 50), (20, 200), (48, 64), (1, 1), (300, 20)])
@pytest.mark.parametrize("name", NAMES)
def test_boxes_and_masks_stay_inside_whatever_the_sizes_are(name: str, size_hw: tuple[int, int]) -> None:
    for seed in range(10):
        pair = painted(seed, first_id=101, size_hw=size_hw)
        pixels, kept = only(name).apply(
            *painted(seed, size_hw=(48, 64)), lambda number, pair=pair: pair, np.random.default_rng(seed)
        )
        assert pixels.shape == (48, 64, 3)
        assert kept.masks is not None
        assert all(mask.size_hw == (48, 64) for mask in kept.masks)
        assert (kept.boxes_xyxy >= 0).all()
        assert (kept.boxes_xyxy <= [64, 48] * 2).all()
        assert (kept.boxes_xyxy[:, 2:] > kept.boxes_xyxy[:, :2]).all()


def test_a_box_whose_center_the_crop_does_not_show_is_left_out() -> None:
    wide = photo((48, 400)), ground_truth_of([[x, 10, x + 20, 30] for x in range(0, 400, 20)])
    for seed in range(30):
        _, kept = only("mixup").apply(*BLACK, lambda number: wide, np.random.default_rng(seed))
        assert 3 <= len(kept) <= 4  # 64 of 400 columns
        assert ((kept.boxes_xyxy[:, 2] - kept.boxes_xyxy[:, 0]) >= 10).all()


def test_mixup_comes_after_copy_paste_with_images_of_their_own() -> None:
    numbers: list[int] = []

    def read(number: int) -> tuple[Pixels, GroundTruth]:
        numbers.append(number)
        return other(number)

    pixels, kept = Combination(1.0, 1.0).apply(*BLACK, read, np.random.default_rng(2))
    assert len(set(numbers)) == 2
    assert all(0 <= number < 1 << 31 for number in numbers)
    assert len(kept) == 2
    left, top, right, bottom = kept.boxes_xyxy[0].round().astype(int)
    assert pixels[(top + bottom) // 2, (left + right) // 2, 0] > 100


@pytest.mark.parametrize("seed", range(20))
def test_all_together_give_the_same_bytes_for_the_same_seed(seed: int) -> None:
    settings = Combination(0.5, 0.5, frozenset({2}))
    image = painted(seed)
    first, second = (
        settings.apply(*image, lambda number: painted(number % 9, first_id=2), np.random.default_rng(seed))
        for _ in range(2)
    )
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].boxes_xyxy.tobytes() == second[1].boxes_xyxy.tobytes()
    assert first[1].masks == second[1].masks


def test_pasted_masks_are_those_of_the_visible_pixels() -> None:
    pixels, kept = only("copy_paste").apply(
        *painted(3), lambda number: painted(4, first_id=101), np.random.default_rng(0)
    )
    assert kept.masks == ground_truth_shown(pixels, kept.class_ids.tolist()).masks


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_0_to_1_is_rejected(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be a probability"):
        only(name, wrong)
