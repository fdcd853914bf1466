"""The preview of training batches: the images and the ground truth that the run gives to the network, as pixels again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detcli.errors import DataError, UsageError
from detcli.models.dfine import DFineFamily
from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.training.training_loop import train
from detcli.training.trials.batch_preview import preview_batches
from tests.helpers import detr_training_jobs
from tests.helpers.training_jobs import PREPROCESSOR, Rectangles, job, quick_recipe

PLAIN = {"photometric": 0.0, "zoom_out": 0.0, "iou_crop": 0.0, "flip": 0.0, "multi_scale_repeat": 0}
NORMALIZED = PREPROCESSOR | {"do_normalize": True, "image_mean": [0.485, 0.456, 0.4], "image_std": [0.2, 0.22, 0.25]}


class RecordingFamily(DFineFamily):
    """D-FINE that notes what the network and the losses of training are given."""

    def __init__(self) -> None:
        self.inputs: list[torch.Tensor] = []
        self.targets: list[Any] = []

    def build(self, config: Any) -> Any:
        network = super().build(config)
        network.register_forward_pre_hook(lambda _, given: self._note(given))
        return network

    def _note(self, given: tuple[Any, ...]) -> None:
        pixels = given[0] if isinstance(given[0], torch.Tensor) else given[0].pixels
        self.inputs.append(pixels.detach().clone())

    def criterion(self, config: Any) -> Any:
        plain = super().criterion(config)

        def losses(outputs: Any, targets: Any) -> Any:
            self.targets.append(targets)
            return plain(outputs, targets)

        return losses


def test_the_preview_has_the_images_and_boxes_of_the_run(tmp_path: Path) -> None:
    """Of the second epoch, over several steps of micro-batches, with all augmentation and several sizes."""
    family = RecordingFamily()
    recipe = quick_recipe(accumulate=2, mosaic=0.5, epochs=2, stop_augmentation_epoch=0)
    asked = job(tmp_path / "run", recipe, count=8, val=None, preprocessor=NORMALIZED)
    train(replace(asked, family=family, log_to=("none",)))
    given = [image for batch in family.inputs for image in batch][8:]
    targets = [target for batch in family.targets for target in batch][8:]
    preview = preview_batches(asked, images=7, epoch=2)
    assert (len(given), len(preview.images), preview.epoch) == (8, 7, 2)
    assert len({image.pixels.shape for image in preview.images}) > 1
    for image, tensor, target in zip(preview.images, given, targets, strict=False):
        mean, std = (torch.tensor(NORMALIZED[key])[:, None, None] for key in ("image_mean", "image_std"))
        expected = (255 * (tensor * std + mean)).permute(1, 2, 0)
        np.testing.assert_allclose(image.pixels, expected.numpy(), atol=0.51)
        height, width = image.pixels.shape[:2]
        boxes = cxcywh_to_xyxy(target.boxes_cxcywh) * torch.tensor([width, height, width, height])
        np.testing.assert_allclose(image.ground_truth.boxes_xyxy, boxes.numpy(), atol=1e-3)
        assert image.ground_truth.class_ids.tolist() == target.class_ids.tolist()


def test_images_without_augmentation_are_those_of_the_data(tmp_path: Path) -> None:
    asked = job(tmp_path, quick_recipe(**PLAIN), count=6, preprocessor=NORMALIZED)
    preview = preview_batches(asked, images=4)
    for image in preview.images:
        index = int(image.file.removesuffix(".png"))
        np.testing.assert_array_equal(image.pixels, asked.data.read(index).pixels)
        np.testing.assert_allclose(image.ground_truth.boxes_xyxy, asked.data.ground_truth(index).boxes_xyxy, atol=1e-4)


def test_the_epochs_without_augmentation_are_shown_as_they_are(tmp_path: Path) -> None:
    asked = job(tmp_path, quick_recipe(flip=0.0, zoom_out=1.0, iou_crop=0.0), count=8)

    def changed(epoch: int) -> int:
        images = preview_batches(asked, images=8, epoch=epoch).images
        return sum(
            not np.array_equal(image.pixels, asked.data.read(int(image.file.removesuffix(".png"))).pixels)
            for image in images
        )

    assert [changed(epoch) for epoch in (1, 2, 3)] == [8, 8, 0]


def test_boxes_and_masks_follow_images_of_many_sizes(tmp_path: Path) -> None:
    asked = detr_training_jobs.job(tmp_path, model="detr-panoptic", count=8)
    preview = preview_batches(asked, images=6)
    padded = fitting = 0
    for image in preview.images:
        truth = image.ground_truth
        assert truth.masks is not None
        for mask, box in zip(truth.masks, truth.boxes_xyxy, strict=True):
            beyond = np.array([-1, -1, 1, 1]) * (np.array(mask.box_xyxy) - box)
            assert beyond.max() < 1.5, "the mask lies in its box; other shapes may cover a part"
            fitting += bool(np.abs(beyond).max() < 1.5)
            assert mask.size_hw == image.pixels.shape[:2]
        padded += bool((image.pixels == image.pixels[-1, -1]).all(axis=(1, 2))[-1])
    assert padded, "some images are padded"
    assert fitting > preview.boxes / 2
    assert preview.grid().std() > 1


def test_the_grid_has_a_cell_for_each_image_and_draws_boxes(tmp_path: Path) -> None:
    preview = preview_batches(job(tmp_path, quick_recipe(**PLAIN), count=8), images=5)
    grid = preview.grid()
    assert grid.shape == (2 * 320 + 4, 3 * 320 + 8, 3), "of 64 pixels, enlarged five times"
    first = preview.images[0]
    cell = grid[:320, :320]
    changed = (cell != first.pixels.repeat(5, 0).repeat(5, 1)).any(-1)
    left, top, right, bottom = (int(edge) * 5 for edge in first.ground_truth.boxes_xyxy[0])
    assert changed[top : bottom - 1, left].mean() > 0.9
    assert not changed[(top + bottom) // 2, (left + right) // 2]
    assert preview.boxes == sum(len(image.ground_truth) for image in preview.images)


def test_no_more_images_than_the_epoch_has(tmp_path: Path) -> None:
    assert len(preview_batches(job(tmp_path, count=10), images=100).images) == 8, "two full batches"


def test_nothing_is_written_and_a_second_preview_is_equal(tmp_path: Path) -> None:
    asked = job(tmp_path / "run", count=8)
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    one, other = preview_batches(asked), preview_batches(replace(asked, workers=1))
    assert torch.equal(torch.rand(1), drawn)
    assert [image.pixels.tobytes() for image in one.images] == [image.pixels.tobytes() for image in other.images]
    assert list(tmp_path.iterdir()) == []


def test_another_seed_shows_other_images(tmp_path: Path) -> None:
    one, other = (preview_batches(job(tmp_path, quick_recipe(seed=seed), count=8)) for seed in (0, 1))
    assert [image.pixels.tobytes() for image in one.images] != [image.pixels.tobytes() for image in other.images]


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    asked = job(tmp_path, count=8, data=Rectangles(8, broken={2}))
    assert {failure.file for failure in preview_batches(asked).failures} == {"2.png"}
    with pytest.raises(DataError, match="none of the 3 images can be read"):
        preview_batches(job(tmp_path, count=3, data=Rectangles(3, broken={0, 1, 2})))


@pytest.mark.parametrize("epoch", [4, 1000])
def test_an_epoch_that_the_recipe_lacks_is_refused(tmp_path: Path, epoch: int) -> None:
    with pytest.raises(UsageError, match=f"`show_epoch` is {epoch}, and the recipe has 3 epochs"):
        preview_batches(job(tmp_path), epoch=epoch)


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="start it without torchrun"):
        preview_batches(job(tmp_path))
