"""What a recipe asks for is what samples get, in both image modes; the seed determines each to the byte."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detcli.datasets.dataset import Dataset
from detcli.datasets.shapes import ShapesDataset
from detcli.datasets.transforms.augmentation import Augmentation, augment
from detcli.datasets.transforms.keep_aspect import KeepAspectTransform, augment_many_sizes
from detcli.errors import DataError
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed
from detcli.structures.stop_signal import StopSignal
from detcli.training.data.image_augmentation import ImageAugmentation
from detcli.training.data.image_balance import image_balance
from detcli.training.data.sampler import Sampler
from detcli.training.data.samples import TrainingSample, TrainingSamples
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_events import Event, TrainingStep
from detcli.training.training_job import TrainingJob
from detcli.training.training_loop import train
from tests.helpers import detr_training_jobs, training_jobs
from tests.helpers.painted_objects import painted
from tests.helpers.training_jobs import Rectangles

DATA = Rectangles(10, size_hw=(48, 72))
PIXELS_ONLY = ("hue", "random_gamma", "blur", "noise", "jpeg")
RECIPES = {"one size": training_jobs.quick_recipe, "many sizes": detr_training_jobs.quick_recipe}
ALL = (*PIXELS_ONLY, "copy_paste", "mixup")
JOBS: dict[str, Callable[..., TrainingJob]] = {
    "one size": lambda run, recipe: training_jobs.job(run, recipe, val=None),
    "many sizes": lambda run, recipe: detr_training_jobs.job(run, recipe, val=0),
}
modes = pytest.mark.parametrize("mode", RECIPES)


def recipe_of(mode: str, **changes: Any) -> Recipe:
    return RECIPES[mode](photometric=0.5, flip=0.5, **changes)


def samples(recipe: Recipe, *, data: Dataset = DATA, epoch: int = 0, count: int = 8) -> list[TrainingSample]:
    made = TrainingSamples(data, recipe, Sampler.of(recipe, len(data)))
    return [made.make(position % len(data), epoch, position, None) for position in range(count)]


def content(sample: TrainingSample) -> tuple[Any, ...]:
    """All bytes of a sample."""
    bits = None if sample.bits is None else sample.bits.tobytes()
    ground_truth = sample.ground_truth
    return sample.pixels.tobytes(), ground_truth.boxes_xyxy.tobytes(), ground_truth.class_ids.tobytes(), bits


@modes
def test_fields_that_are_off_change_no_byte(mode: str) -> None:
    """Each sample equals that of the published augmentation alone, called with the sample's own generator."""
    recipe = recipe_of(mode)
    for position, sample in enumerate(samples(recipe)):
        rng = np.random.default_rng(derive_seed(recipe.seed, 0, position, "augmentation"))
        pixels, ground_truth = DATA.read(position).pixels, DATA.ground_truth(position)  # type: ignore[union-attr]
        if recipe.shortest_edges:
            sizes = (
                recipe.shortest_edges,
                recipe.longest_edge,
                recipe.random_crop,
                recipe.crop_edges,
                recipe.crop_sides,
            )
            settings = KeepAspectTransform(*sizes, flip=0.5, photometric=0.5)
            output, kept = augment_many_sizes(pixels, ground_truth, settings, rng=rng)
        else:
            output, kept = augment(pixels, ground_truth, Augmentation(), size_hw=(64, 64), rng=rng)
        assert np.array_equal(sample.pixels, output)
        assert np.array_equal(sample.ground_truth.boxes_xyxy, kept.boxes_xyxy)


@modes
@pytest.mark.parametrize("name", PIXELS_ONLY)
def test_pixel_changes_leave_boxes_alone(mode: str, name: str) -> None:
    plain, changed = samples(recipe_of(mode)), samples(recipe_of(mode, **{name: 1.0}))
    assert [one.pixels.shape for one in changed] == [one.pixels.shape for one in plain]
    assert [content(one)[1:] for one in changed] == [content(one)[1:] for one in plain]
    differ = [not np.array_equal(a.pixels, b.pixels) for a, b in zip(plain, changed, strict=True)]
    assert sum(differ) >= 6  # an exponent near 1 changes nothing


@modes
@pytest.mark.parametrize("name", ALL)
def test_the_last_epochs_have_none_of_it(mode: str, name: str) -> None:
    plain = recipe_of(mode, epochs=9, stop_augmentation_epoch=5)
    changed = replace(plain, **{name: 1.0})
    assert [content(one) for one in samples(changed, epoch=5)] == [content(one) for one in samples(plain, epoch=5)]
    assert [content(one) for one in samples(changed, epoch=4)] != [content(one) for one in samples(plain, epoch=4)]


@modes
def test_samples_follow_from_seed_epoch_and_position(mode: str) -> None:
    recipe = recipe_of(mode, **dict.fromkeys(ALL, 0.5))
    first, again = ([content(one) for one in samples(recipe)] for _ in range(2))
    assert first == again
    others = samples(replace(recipe, seed=1)), samples(recipe, epoch=1)
    assert all(a != content(b) for other in others for a, b in zip(first, other, strict=True))


@modes
def test_mixup_adds_the_boxes_of_an_image_augmented_alike(mode: str) -> None:
    whole = {"zoom_out": 0.0, "iou_crop": 0.0} if mode == "one size" else {"random_crop": 0.0}
    plain, mixed = (samples(recipe_of(mode, mixup=mixup, **whole)) for mixup in (0.0, 1.0))
    for one, both in zip(plain, mixed, strict=True):
        count = len(one.ground_truth)
        assert both.pixels.shape == one.pixels.shape
        assert both.ground_truth.boxes_xyxy[:count].tolist() == one.ground_truth.boxes_xyxy.tolist()
        assert count < len(both.ground_truth) <= count + 2  # each image has one or two objects


@modes
@pytest.mark.parametrize("masks", [False, True])
def test_pasted_objects_bring_their_boxes_and_masks(mode: str, masks: bool) -> None:
    data = ShapesDataset("shapes:0:6", masks=masks)
    plain, pasted = (samples(recipe_of(mode, copy_paste=value), data=data) for value in (0.0, 1.0))
    before, after = (sum(len(one.ground_truth) for one in each) for each in (plain, pasted))
    assert after > before
    for one in pasted:
        assert (one.bits is not None) == masks
        if one.bits is not None:
            boxes = one.ground_truth.boxes_xyxy
            for mask, (left, top, right, bottom) in zip(one.masks(torch.device("cpu")), boxes, strict=True):  # type: ignore[arg-type]
                rows, columns = np.nonzero(mask.numpy())
                assert not len(rows) or columns.min() >= left - 2
                assert not len(rows) or rows.max() < bottom + 2
                assert right > left
                assert bottom > top


def test_a_mosaic_of_images_with_masks_has_masks() -> None:
    data = ShapesDataset("shapes:0:6", masks=True)
    for sample in samples(recipe_of("one size", mosaic=1.0), data=data, count=4):
        assert sample.bits is not None
        assert len(sample.bits) == len(sample.ground_truth)


@pytest.mark.parametrize("name", ["mosaic", "mixup"])
def test_images_made_of_several_have_one_segment_of_stuff(name: str) -> None:
    recipe = recipe_of("one size", **{name: 1.0})
    counts = {}

    def others(number: int) -> tuple[Pixels, GroundTruth]:
        return painted(number % 50)

    for stuff in (frozenset({2}), frozenset[int]()):
        augmentation = ImageAugmentation(recipe, stuff=stuff)
        rngs = (np.random.default_rng(seed) for seed in range(10))
        kept = [augmentation.apply(*painted(100), rng, others, strong=True)[1] for rng in rngs]
        counts[bool(stuff)] = max(int((one.class_ids == 2).sum()) for one in kept)
    assert counts[True] == 1
    assert counts[False] > 1


@modes
@pytest.mark.parametrize("name", ["copy_paste", "mixup"])
def test_an_unreadable_partner_is_replaced_by_the_next_image(mode: str, name: str) -> None:
    """The samples are those of the same data in which the unreadable images are copies of the next readable ones."""
    broken, copies = Rectangles(10, broken={3, 4, 7}), Rectangles(10)
    for bad, good in ((3, 5), (4, 5), (7, 8)):
        copies.replace(bad, good)
    recipe = recipe_of(mode, **{name: 1.0})
    for one, other in zip(samples(recipe, data=broken, count=30), samples(recipe, data=copies, count=30), strict=True):
        assert content(one) == content(other)


@pytest.mark.parametrize(
    ("mode", "name"),
    [(mode, name) for mode in RECIPES for name in ("copy_paste", "mixup")] + [("one size", "mosaic")],
)
def test_an_unreadable_partner_is_reported(mode: str, name: str) -> None:
    data = Rectangles(10, broken={3, 4, 7})
    order = Sampler.of(recipe_of(mode), len(data))

    def failures(recipe: Recipe) -> set[int]:
        made = TrainingSamples(data, recipe, order)
        return {failure.index for position in range(60) for failure in made.make(0, 0, position, None).failures}

    assert failures(recipe_of(mode)) == set()
    assert failures(recipe_of(mode, **{name: 1.0})) == {3, 4, 7}


@modes
def test_unreadable_partners_do_not_count_as_images_of_the_epoch(mode: str) -> None:
    """The limit of unreadable images is a fraction of the images of an epoch."""
    data = Rectangles(10, broken={3})
    made = TrainingSamples(data, recipe_of(mode, mixup=1.0), Sampler.of(recipe_of(mode), len(data)))
    own = [failure.partner for failure in made.make(3, 0, 0, None).failures if failure.index == 3]
    assert own[0] is False
    assert all(failure.partner for position in range(60) for failure in made.make(0, 0, position, None).failures)


@modes
def test_a_run_that_was_interrupted_ends_in_the_same_bytes(mode: str, tmp_path: Path) -> None:
    recipe = recipe_of(mode, **dict.fromkeys(ALL, 0.5), epochs=2, stop_augmentation_epoch=0)
    job = JOBS[mode]
    straight, asked = job(tmp_path / "straight", recipe), job(tmp_path / "stopped", recipe)
    train(straight)
    stop = StopSignal()

    def watch(event: Event) -> None:
        if isinstance(event, TrainingStep) and (event.epoch, event.step) == (1, 0):
            stop.set()

    assert train(asked, observer=watch, stop=stop).interrupted is not None
    train(replace(asked, resume=True))
    for name in ("last/model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes(), name


@pytest.mark.parametrize("limit", [0.0, 0.2, 1.0])
def test_replaced_images_keep_the_limit_of_images_without_boxes(limit: float) -> None:
    """Each second image is empty, and some with boxes cannot be read: without a limit, empty ones replace them."""
    data = Rectangles(12, broken={0, 4, 6}, empty={1, 3, 5, 7, 9, 11})
    recipe = training_jobs.quick_recipe(max_empty_fraction=limit, flip=0.5, iou_crop=0.0, zoom_out=0.0)
    sampler = Sampler.of(recipe, 12, balance=image_balance(recipe, data))
    made = TrainingSamples(data, recipe, sampler)
    empty = total = 0
    for epoch in range(20):
        for position, index in enumerate(sampler.order(epoch)):
            sample = made.make(index, epoch, position, None)
            empty += not len(sample.ground_truth)
            total += 1
    if limit < 1:
        assert empty <= limit * total
    else:
        assert empty == 0.75 * total, "6 of 12 are empty, and 3 more are replaced by empty ones"


def test_without_a_readable_image_with_boxes_training_ends() -> None:
    data = Rectangles(4, broken={0, 2}, empty={1, 3})
    recipe = training_jobs.quick_recipe(max_empty_fraction=0.5)
    made = TrainingSamples(data, recipe, Sampler.of(recipe, 4, balance=image_balance(recipe, data)))
    with pytest.raises(DataError, match=r"none of the 2 images with boxes can be read; the first is '2.png'"):
        made.make(2, 0, 0, None)
    assert not len(made.make(1, 0, 0, None).ground_truth)


@pytest.mark.parametrize("partner", [False, True])
def test_only_images_of_the_epoch_count_towards_the_limit(tmp_path: Path, partner: bool) -> None:
    """One image of two that is read fails: by itself, or as the partner of the other one."""
    recipe = RECIPES["one size"](
        epochs=1, images_per_epoch=2, batch=2, base_batch=2, mixup=1.0 if partner else 0.0, max_failed_fraction=0.0
    )
    order = Sampler.of(recipe, 10).order(0)
    data = Rectangles(10, broken=set(range(10)) - set(order) if partner else {order[0]})
    notes: list[Event] = []
    job = training_jobs.job(tmp_path / "run", recipe, val=None, data=data)
    if partner:
        assert train(job, observer=notes.append).epochs == 1
        assert any("cannot read" in str(note) for note in notes)
    else:
        with pytest.raises(DataError, match="more than max_failed_fraction = 0 allows"):
            train(job, observer=notes.append)
