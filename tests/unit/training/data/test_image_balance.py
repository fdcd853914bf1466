"""Repeat factors and limits of images without boxes: the rule, its frequencies, and what processes and resumes share."""

import math

import numpy as np
import pytest

from detcli.errors import DataError
from detcli.structures.class_labels import ClassLabels
from detcli.training.data.image_balance import ImageBalance, image_balance
from detcli.training.data.sampler import Sampler
from detcli.training.recipes.recipe import Recipe
from tests.helpers.evaluation_fixtures import MemoryDataset

EPOCHS = 400
# Of 40 images: class 0 in most, class 1 in four, class 2 in one, ten images without boxes.
CLASSES = [[0]] * 25 + [[0, 1]] * 2 + [[1, 1]] * 2 + [[2, 0]] + [[]] * 10
FRACTIONS = (28 / 40, 4 / 40, 1 / 40)


class Images(MemoryDataset):
    """Images with these classes of boxes; their ground truth is never read."""

    def __init__(self, classes: list[list[int]] = CLASSES) -> None:
        super().__init__(ClassLabels.from_names(["many", "few", "one"]), len(classes))
        self._classes = classes

    def box_classes(self, index: int, *, crowds: bool = False) -> np.ndarray:
        return np.array(self._classes[index], np.int64)

    def ground_truth(self, index: int) -> None:  # type: ignore[override]
        raise AssertionError("reading the ground truth may take long")


def balance(**fields: float) -> ImageBalance:
    made = image_balance(Recipe().merged(fields), Images())
    assert made is not None
    return made


def sampler(data: Images | None = None, **fields: object) -> Sampler:
    recipe, data = Recipe().merged({"batch": 4, **fields}), data or Images()
    return Sampler.of(recipe, len(data), balance=image_balance(recipe, data))


def expected_factors(threshold: float) -> list[float]:
    """The rule, written out: max over classes of max(1, sqrt(t / f))."""
    of_class = [max(1.0, math.sqrt(threshold / fraction)) for fraction in FRACTIONS]
    return [max([1.0, *(of_class[class_id] for class_id in own)]) for own in CLASSES]


def counts(drawn: Sampler, epochs: int = EPOCHS) -> np.ndarray:
    """Number of times that each image is drawn, by epoch: [epochs, images]."""
    return np.array([np.bincount(drawn.order(epoch), minlength=len(CLASSES)) for epoch in range(epochs)])


def assert_frequencies(found: np.ndarray, expected: np.ndarray) -> None:
    """Counts of each epoch are the expected ones rounded up or down, and their means are the expected ones."""
    assert (found >= np.floor(expected - 1e-9)).all()
    assert (found <= np.ceil(expected + 1e-9)).all()
    part = expected % 1
    deviation = np.sqrt(np.maximum(part * (1 - part), 1e-12) / len(found))
    assert (np.abs(found.mean(axis=0) - expected) < 5 * deviation + 1e-9).all()


@pytest.mark.parametrize("threshold", [0.001, 0.05, 0.3, 1.0])
def test_factors_follow_the_rule_of_lvis(threshold: float) -> None:
    assert balance(repeat_threshold=threshold).factors.tolist() == pytest.approx(expected_factors(threshold))


@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_images_are_drawn_as_often_as_the_rule_says(threshold: float) -> None:
    drawn, factors = sampler(repeat_threshold=threshold), np.array(expected_factors(threshold))
    assert drawn.per_epoch == round(factors.sum())
    assert drawn.steps == round(factors.sum()) // 4
    assert_frequencies(counts(drawn), factors * drawn.steps * 4 / factors.sum())


@pytest.mark.parametrize("per_epoch", [8, 40, 200])
def test_epochs_of_any_length_keep_the_proportions(per_epoch: int) -> None:
    drawn, factors = sampler(repeat_threshold=0.3, images_per_epoch=per_epoch), np.array(expected_factors(0.3))
    assert (drawn.steps, len(drawn.order(0))) == (per_epoch // 4, per_epoch)
    assert_frequencies(counts(drawn), factors * per_epoch / factors.sum())


def test_images_are_rounded_independently_of_their_neighbors() -> None:
    """Two images with the same factor are drawn twice together about as often as apart."""
    factors = np.array(expected_factors(0.3))
    drawn = sampler(repeat_threshold=0.3, images_per_epoch=4 * round(factors.sum() / 4))
    found = counts(drawn)[:, 25:29] - np.floor(factors * drawn.steps * 4 / factors.sum())[25:29]
    correlation = np.corrcoef(found.T)[np.triu_indices(4, 1)]
    assert (np.abs(correlation) < 0.35).all()


def test_a_low_threshold_draws_each_image_once() -> None:
    drawn = sampler(repeat_threshold=0.001, batch=10)
    assert drawn.per_epoch == 40
    assert (counts(drawn, 3) == 1).all()


def test_an_epoch_depends_on_its_number_and_the_seed_alone() -> None:
    fields = {"repeat_threshold": 0.3, "max_empty_fraction": 0.1}
    one = sampler(**fields)
    assert one.order(3) == sampler(**fields).order(3)
    assert one.order(3) != one.order(4)
    assert one.order(3) != sampler(seed=1, **fields).order(3)


@pytest.mark.parametrize("limit", [0.0, 0.1, 0.2])
def test_images_without_boxes_are_limited_in_each_epoch(limit: float) -> None:
    drawn = sampler(max_empty_fraction=limit, batch=5)
    found = counts(drawn)
    empty, length = found[:, 30:].sum(axis=1), drawn.steps * 5
    assert (empty == min(int(limit * length), round(length * min(limit, 0.25)))).all()
    assert (empty <= limit * length).all()
    assert drawn.per_epoch == round(30 / (1 - limit)), "each image with boxes once, and as many others as allowed"
    assert_frequencies(found[:, :30], np.full(30, (length - empty[0]) / 30))
    assert_frequencies(found[:, 30:], np.full(10, empty[0] / 10))
    if limit:
        assert {tuple(row) for row in found[:20, 30:].tolist()} != {tuple(found[0, 30:].tolist())}, "others each epoch"


def test_a_limit_above_the_share_of_images_without_boxes_drops_none() -> None:
    drawn = sampler(max_empty_fraction=0.9, batch=10)
    assert (counts(drawn, 3) == 1).all()


def test_the_limit_holds_together_with_repeated_images() -> None:
    drawn = sampler(repeat_threshold=1.0, max_empty_fraction=0.05, images_per_epoch=60)
    found, factors = counts(drawn), np.array(expected_factors(1.0))[:30]
    assert (found[:, 30:].sum(axis=1) == 3).all()
    assert_frequencies(found[:, :30], factors * 57 / factors.sum())


@pytest.mark.parametrize("fields", [{"repeat_threshold": 0.3}, {"repeat_threshold": 0.3, "max_empty_fraction": 0.1}])
def test_partners_in_a_mosaic_are_as_likely_as_images_of_an_epoch(fields: dict[str, float]) -> None:
    drawn = sampler(**fields)
    numbers = np.random.default_rng(0).integers(1 << 31, size=20_000).tolist()
    found = np.bincount([drawn.other(number) for number in [*numbers, 0, 2**31 - 1]], minlength=len(CLASSES))
    factors = np.array(expected_factors(0.3))
    if "max_empty_fraction" in fields:
        factors[30:] = factors[:30].sum() / 9 / 10  # together a tenth
    chances = factors / factors.sum()
    assert (np.abs(found / len(numbers) - chances) < 5 * np.sqrt(chances / len(numbers))).all()
    assert [sampler().other(number) for number in (0, 39, 45)] == [0, 39, 5], "all are equally likely"


def test_images_of_an_epoch_are_counted_once() -> None:
    assert sampler(max_empty_fraction=0, images_per_epoch=400).distinct == 30
    assert sampler(repeat_threshold=0.3, images_per_epoch=4).distinct == 4


def test_processes_and_micro_batches_share_the_order() -> None:
    recipe = Recipe(batch=12, accumulate=2, repeat_threshold=0.5, max_empty_fraction=0.1)
    made = image_balance(recipe, Images())
    one = Sampler.of(recipe, 40, balance=made)
    many = [Sampler.of(recipe, 40, balance=image_balance(recipe, Images()), rank=rank, size=3) for rank in range(3)]
    assert all(other.order(5) == one.order(5) for other in many)
    assert {other.steps for other in many} == {one.steps}
    for step in range(one.steps):
        for part in range(2):
            shared = [position for other in many for position in other.positions(step, part)]
            assert shared == list(one.positions(step, part))


def test_without_the_fields_nothing_is_read_or_drawn_differently() -> None:
    assert image_balance(Recipe(), Images()) is None
    assert sampler().order(2) == Sampler.of(Recipe(batch=4), 40).order(2)


def test_a_limit_for_data_without_boxes_is_an_error() -> None:
    with pytest.raises(DataError, match=r"max_empty_fraction is 0.5, and no image of 'memory' has a box"):
        image_balance(Recipe(max_empty_fraction=0.5), Images([[], []]))
