"""The images of the first steps of an epoch as the network gets them, with their ground truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.errors import UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Pixels
from detcli.structures.masks import Rle
from detcli.structures.network_io import Targets
from detcli.training.data.data_loader import MicroBatch
from detcli.training.data.samples import LoadFailure
from detcli.training.optimization.process_place import place_in_environment
from detcli.training.state.model_exporter import training_preprocessing
from detcli.training.training_job import TrainingJob
from detcli.training.trials.trial_steps import reading_micro_batches
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.image_grid import image_grid

IMAGES = 16
_SMALLEST_SIDE = 320  # smaller images are enlarged to about this, so that labels can be read
_BOXES_AND_NAMES, _BOXES = DrawingStyle(hide_scores=True), DrawingStyle(hide_labels=True)


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """An image of a training batch.

    file          its name; of images that are put together, that of the first
    pixels        uint8 [H, W, 3] RGB: after all changes and resizing, without normalization; padding has the mean color
    ground_truth  in these pixels, with masks where training has them; scores are 1
    """

    file: str
    pixels: Pixels
    ground_truth: Detections


@dataclass(frozen=True, slots=True)
class BatchPreview:
    """The first images of an epoch.

    epoch     counted from 1
    images    in the order of the run
    labels    class names
    failures  images that could not be read; others replace them
    """

    epoch: int
    images: tuple[PreviewImage, ...]
    labels: ClassLabels
    failures: tuple[LoadFailure, ...] = ()

    @property
    def boxes(self) -> int:
        """Number of all ground-truth boxes."""
        return sum(len(image.ground_truth) for image in self.images)

    def grid(self) -> Pixels:
        """All images side by side with boxes, masks and class names: uint8 [H, W, 3] RGB."""
        return image_grid([_drawn(image, self.labels) for image in self.images])


def preview_batches(job: TrainingJob, *, images: int = IMAGES, epoch: int = 1) -> BatchPreview:
    """Read and augment the first images of an epoch, exactly those of the run; nothing is trained or written.

    images  how many; fewer, if the epoch has fewer
    epoch   counted from 1

    Raises UsageError for an epoch that the recipe does not have, and in several processes, and DataError if no image can
    be read.
    """
    if place_in_environment().size > 1:
        raise UsageError("a batch is shown by one process: start it without torchrun")
    recipe = job.recipe
    if epoch > recipe.epochs:
        raise UsageError(f"`show_epoch` is {epoch}, and the recipe has {recipe.epochs} epochs")
    preprocessing = training_preprocessing(job.preprocessor, job.family, recipe)
    shown: list[PreviewImage] = []
    failures: list[LoadFailure] = []
    with reading_micro_batches(job, recipe, torch.device("cpu"), epoch=epoch - 1) as (micro_batches, steps):
        for batch in islice(micro_batches, steps * recipe.accumulate):
            shown += _images(batch, preprocessing)
            failures += batch.failures
            if len(shown) >= images:
                break
    return BatchPreview(epoch, tuple(shown[:images]), job.data.labels, tuple(failures))


def _images(batch: MicroBatch, preprocessing: Preprocessing) -> Iterator[PreviewImage]:
    for number, (file, targets) in enumerate(zip(batch.files, batch.targets, strict=True)):
        size_hw = canvas_hw = batch.pixels.shape[2], batch.pixels.shape[3]
        if batch.mask is not None:
            size_hw = int(batch.mask[number].any(1).sum()), int(batch.mask[number].any(0).sum())
        ground_truth = _ground_truth(targets, size_hw, canvas_hw)
        yield PreviewImage(file, _pixels(batch.pixels[number], preprocessing), ground_truth)


def _pixels(tensor: Tensor, preprocessing: Preprocessing) -> Pixels:
    """The pixels of a network input, float [3, H, W], in 0 … 255 again."""
    values = tensor.float().permute(1, 2, 0)
    if preprocessing.mean is not None and preprocessing.std is not None:
        values = values * torch.tensor(preprocessing.std) + torch.tensor(preprocessing.mean)
    if preprocessing.rescale is not None:
        values = values / preprocessing.rescale
    return np.ascontiguousarray(values.round().clamp(0, 255).byte().numpy())


def _ground_truth(targets: Targets, size_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> Detections:
    """The ground truth in pixels of the network's input.

    size_hw    of the image without padding, which boxes are fractions of
    canvas_hw  with padding
    """
    height, width = size_hw
    boxes = cxcywh_to_xyxy(targets.boxes_cxcywh.double()) * torch.tensor([width, height, width, height])
    masks = None if targets.masks is None else tuple(_on_canvas(mask, canvas_hw) for mask in targets.masks.numpy())
    return Detections(boxes.numpy(), np.ones(len(boxes), np.float32), targets.class_ids.numpy(), masks=masks)


def _drawn(image: PreviewImage, labels: ClassLabels) -> Pixels:
    factor = max(1, round(_SMALLEST_SIDE / max(image.pixels.shape[:2])))
    pixels, truth = image.pixels, image.ground_truth
    if factor > 1:
        pixels = pixels.repeat(factor, 0).repeat(factor, 1)
    boxes = Detections(truth.boxes_xyxy * factor, truth.scores, truth.class_ids)
    if truth.masks is None:
        return draw(pixels, boxes, labels, _BOXES_AND_NAMES)
    masks = tuple(Rle.of(mask.decode().repeat(factor, 0).repeat(factor, 1)) for mask in truth.masks)
    with_masks = Detections(boxes.boxes_xyxy, boxes.scores, boxes.class_ids, masks=masks)
    return draw(draw(pixels, boxes, labels, _BOXES), with_masks, labels, _BOXES_AND_NAMES)


def _on_canvas(mask: npt.NDArray[np.bool_], canvas_hw: tuple[int, int]) -> Rle:
    """A mask with the padding of its image."""
    whole = np.zeros(canvas_hw, np.bool_)
    whole[: mask.shape[0], : mask.shape[1]] = mask
    return Rle.of(whole)
