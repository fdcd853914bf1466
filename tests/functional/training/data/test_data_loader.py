"""Samples depend on the seed and the position, not on the process or thread that reads them."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from detcli.inference.postprocessing.tensor_postprocess import without_padding
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.models.family import FAMILIES
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import Frame
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.network_io import Outputs
from detcli.training.data.data_loader import DataLoader, MicroBatch
from detcli.training.data.image_balance import image_balance
from detcli.training.data.sampler import Sampler
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.model_exporter import training_preprocessing
from tests.helpers.training_jobs import Rectangles, quick_recipe


def parts(
    recipe: Recipe, data: Rectangles, *, epoch: int = 0, step: int = 0, workers: int = 2, **who: int
) -> list[MicroBatch]:
    device = torch.device("cpu")
    preprocessing = training_preprocessing({}, FAMILIES["dfine"], recipe)
    feed = DataLoader(
        data,
        Sampler.of(recipe, len(data), balance=image_balance(recipe, data), **who),
        recipe,
        preprocessor=Preprocessor(preprocessing, device),
        divisor=32,
        device=device,
    )
    with feed.running(epoch, step, workers) as running:
        return list(running)


def assert_same(one: MicroBatch, other: MicroBatch) -> None:
    assert torch.equal(one.pixels, other.pixels)
    assert one.files == other.files
    for a, b in zip(one.targets, other.targets, strict=True):
        assert torch.equal(a.class_ids, b.class_ids)
        assert torch.equal(a.boxes_cxcywh, b.boxes_cxcywh)
        assert a.seed == b.seed


def test_an_epoch_sees_each_image_once_in_an_order_of_its_own() -> None:
    sampler = Sampler.of(Recipe(batch=4), 12)
    assert sampler.steps == 3
    assert sorted(sampler.order(0)) == list(range(12))
    assert sampler.order(0) == Sampler.of(Recipe(batch=4), 12).order(0)
    assert sampler.order(0) != sampler.order(1)
    assert sampler.order(0) != Sampler.of(Recipe(batch=4, seed=1), 12).order(0)


def test_what_is_left_after_the_last_full_batch_is_left_out() -> None:
    sampler = Sampler.of(Recipe(batch=5), 13)
    assert (sampler.steps, len(sampler.order(0)), len(set(sampler.order(0)))) == (2, 10, 10)


def test_fewer_images_than_a_batch_are_seen_again_until_it_is_full() -> None:
    sampler = Sampler.of(Recipe(batch=8), 3)
    assert sampler.steps == 1
    order = sampler.order(0)
    assert [sorted(order[:3]), sorted(order[3:6]), len(order)] == [[0, 1, 2], [0, 1, 2], 8]
    assert sampler.distinct == 3


@pytest.mark.parametrize(("asked", "steps"), [(8, 2), (4, 1), (40, 10)])
def test_an_epoch_may_have_fewer_images_or_more(asked: int, steps: int) -> None:
    sampler = Sampler.of(Recipe(batch=4, images_per_epoch=asked), 12)
    assert sampler.steps == steps
    assert len(sampler.order(0)) == asked


GEOMETRY: list[dict[str, Any]] = [
    {"vertical_flip": 0.5},
    {"quarter_turn": 0.5},
    {"rotation": 0.7, "max_rotation": 30},
    {"resize": "letterbox"},
    {"vertical_flip": 0.5, "quarter_turn": 0.5, "rotation": 0.7, "mosaic": 0.3, "resize": "letterbox"},
]


@pytest.mark.parametrize("changes", GEOMETRY)
def test_geometry_depends_on_seed_epoch_and_image_alone(changes: dict[str, Any]) -> None:
    recipe, data = quick_recipe(image_size=[64, 96], **changes), Rectangles(10, size_hw=(64, 48))
    every = parts(recipe, data, workers=1)
    for one, other in zip(every, parts(recipe, data, workers=5), strict=True):
        assert_same(one, other)
    later = parts(recipe, data, epoch=1, step=1)
    for one, other in zip(every[-len(later) :], later, strict=True):
        assert_same(one, other)
    plain = parts(quick_recipe(image_size=[64, 96]), data)
    assert not all(torch.equal(one.pixels, other.pixels) for one, other in zip(every, plain, strict=True))


@pytest.mark.parametrize("size_hw", [(64, 40), (40, 64), (64, 64)])
def test_letterboxed_images_and_boxes_are_those_of_inference(size_hw: tuple[int, int]) -> None:
    off = {"photometric": 0, "zoom_out": 0, "iou_crop": 0, "flip": 0, "multi_scale_repeat": 0, "batch": 4, "epochs": 1}
    recipe, data = quick_recipe(image_size=[64, 96], resize="letterbox", **off), Rectangles(4, size_hw=size_hw)
    (part,) = parts(recipe, data)
    rule = training_preprocessing({}, FAMILIES["dfine"], recipe)
    for row, file in enumerate(part.files):
        frame = data.read(int(file.removesuffix(".png")))
        assert isinstance(frame, Frame)
        batch = Preprocessor(rule, torch.device("cpu")).batch([frame])
        assert torch.equal(part.pixels[row], batch.pixels[0])
        boxes = part.targets[row].boxes_cxcywh[None]
        outputs = without_padding(Outputs(torch.zeros(1, boxes.shape[1], 3), boxes), batch)
        center, side = outputs.boxes_cxcywh[0].split(2, dim=1)
        found = torch.cat((center - side / 2, center + side / 2), dim=1).numpy() * ([size_hw[1], size_hw[0]] * 2)
        truth = data.ground_truth(int(file.removesuffix(".png"))).boxes_xyxy
        assert np.allclose(found, truth, atol=1e-3)


def test_threads_do_not_change_what_is_read() -> None:
    recipe, data = quick_recipe(mosaic=0.5, copy_paste=0.5, mixup=0.5, blur=0.5, noise=0.5), Rectangles(10)
    for one, other in zip(parts(recipe, data, workers=1), parts(recipe, data, workers=5), strict=True):
        assert_same(one, other)


def test_going_on_in_the_middle_reads_what_would_have_come() -> None:
    recipe, data = quick_recipe(), Rectangles(10)
    for one, other in zip(parts(recipe, data)[3:], parts(recipe, data, epoch=1, step=1), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("balance", [{}, {"repeat_threshold": 1, "max_empty_fraction": 0.5}])
def test_processes_read_together_what_one_would(balance: dict[str, float]) -> None:
    recipe, data = quick_recipe(epochs=1, **balance), Rectangles(10, broken={2, 5})
    one = parts(recipe, data)
    for whole, first, second in zip(
        one, parts(recipe, data, rank=0, size=2), parts(recipe, data, rank=1, size=2), strict=True
    ):
        assert torch.equal(whole.pixels, torch.cat((first.pixels, second.pixels)))
        assert whole.files == first.files + second.files
        assert whole.failures == first.failures + second.failures


def test_images_and_boxes_stay_together() -> None:
    data = Rectangles(10)
    recipe = quick_recipe(epochs=1, photometric=0, zoom_out=0, iou_crop=0, flip=1, multi_scale_repeat=0)
    for part in parts(recipe, data):
        for pixels, target in zip(part.pixels, part.targets, strict=True):
            assert float(pixels.max()) <= 1.0
            for class_id, (cx, cy, _, _) in zip(target.class_ids.tolist(), target.boxes_cxcywh.tolist(), strict=True):
                assert int(pixels[:, int(cy * 64), int(cx * 64)].argmax()) == class_id  # red, green, blue


def test_the_last_epochs_only_flip_and_have_one_size() -> None:
    recipe = quick_recipe(epochs=30, stop_augmentation_epoch=2, flip=0, batch=10, multi_scale_repeat=1)
    data = Rectangles(10)
    strong, calm = parts(recipe, data)[:2], parts(recipe, data)[2:]
    assert {tuple(part.pixels.shape[-2:]) for part in calm} == {(64, 64)}
    plain = torch.from_numpy(np.stack([data.read(i).pixels for i in range(10)])).float().div(255)  # type: ignore[union-attr]
    for part in calm:
        shown = [plain[int(file.removesuffix(".png"))] for file in part.files]
        assert torch.equal(part.pixels, torch.stack(shown).permute(0, 3, 1, 2))
    assert all(not torch.equal(part.pixels, calm[0].pixels) for part in strong)


def test_sizes_vary_from_step_to_step() -> None:
    recipe = quick_recipe(epochs=30, stop_augmentation_epoch=0, batch=10, multi_scale_repeat=1, image_size=[128, 128])
    sizes = {part.pixels.shape[-1] for part in parts(recipe, Rectangles(10))}
    assert sizes == {96, 128, 160}


def test_crowds_are_not_training_targets() -> None:
    data = Rectangles(4)
    plain = data.ground_truth
    data.ground_truth = lambda index: GroundTruth(  # type: ignore[method-assign]
        plain(index).boxes_xyxy, plain(index).class_ids, np.ones(len(plain(index)), np.bool_)
    )
    (part,) = parts(quick_recipe(epochs=1), data)
    assert [len(target.class_ids) for target in part.targets] == [0, 0, 0, 0]
    assert part.targets[0].boxes_cxcywh.shape == (0, 4)


def test_the_next_image_replaces_one_that_cannot_be_read() -> None:
    data = Rectangles(4, broken={1, 2}, labels=ClassLabels(("red", "green", "blue"), (1, 2, 3)))
    (part,) = islice(parts(quick_recipe(epochs=1), data), 1)
    assert sorted(part.files) == ["0.png", "3.png", "3.png", "3.png"]
    assert sorted({(failure.index, failure.file) for failure in part.failures}) == [(1, "1.png"), (2, "2.png")]
