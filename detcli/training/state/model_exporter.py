"""Exports the moving average of the weights: as a model folder, and as a detector for validation."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.checkpoints.model_files import ModelFiles
from detcli.checkpoints.score_threshold import KEY, StoredThreshold
from detcli.errors import UsageError
from detcli.evaluation.coco_library import IouType
from detcli.inference.batches.batching import BatchSettings, automatic_batch
from detcli.inference.detector import Detector
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.letterbox import is_letterboxed
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FitWithin, FixedSize, Letterbox, ShortestEdge, check_size
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.empty_weights import empty_weights
from detcli.models.family import Family, SegmentationNetwork
from detcli.runtimes.torch_runtime import TorchRuntime
from detcli.structures.class_labels import ClassLabels
from detcli.structures.resize import InputBorder
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_job import TrainingJob

# Fields of preprocessor_config.json with the image size, in all versions of the format.
_SIZES = ("size", "max_size", "pad_size", "pad_position", "pad_value", "do_resize")
_GRAY = 114  # of borders, as other detection programs have it


class ModelExporter:
    """Turns the tensors of the average into a model folder or a detector.

    preprocessing  how images are prepared, in training and afterwards
    iou_type       what is evaluated: boxes or masks
    """

    def __init__(self, job: TrainingJob, device: torch.device) -> None:
        self._job, self._device = job, device
        self.preprocessing = training_preprocessing(job.preprocessor, job.family, job.recipe)
        self.labels = job.data.labels
        self.iou_type: IouType = "segm" if job.recipe.trains_masks_alone else "bbox"

    def write(self, folder: Path, state: Mapping[str, Tensor], threshold: StoredThreshold | None = None) -> None:
        """Write the model, with the threshold of its validation. Raises OutputError; an older one then stays complete."""
        family, config = self._job.family, self._job.config
        stored = {} if threshold is None else {KEY: threshold.to_dict()}
        write_checkpoint(
            folder, self.config_json() | stored, self.preprocessor_json(), family.write_weights(state, config)
        )

    def config_json(self) -> dict[str, Any]:
        """config.json, with the data's category ids and stuff if they differ from the default ones."""
        written = self._job.family.write_config(self._job.config)
        usual = ClassLabels.from_names(self.labels.names)
        if self.labels.category_ids != usual.category_ids:
            written["category_ids"] = list(self.labels.category_ids)
        if self.labels.stuff != usual.stuff or (self.labels.stuff and "category_ids" in written):
            written["stuff"] = sorted(self.labels.stuff)
        return written

    def preprocessor_json(self) -> dict[str, Any]:
        """preprocessor_config.json, with the size of this training."""
        own = {name: value for name, value in self._job.preprocessor.items() if name not in _SIZES}
        return {**self._job.family.preprocessor, **own, "do_resize": True, **self.preprocessing.size_fields()}

    def detector(self, state: Mapping[str, Tensor], folder: Path) -> Detector:
        """A detector in its inference form that keeps every score; the tensors are not changed.

        It gives boxes, or masks if these are evaluated.
        """
        family = self._job.family
        with empty_weights():
            network = family.build(self._job.config)
        segmenting = None
        if isinstance(network, SegmentationNetwork):
            network.configure_masks(enabled=self.iou_type == "segm")
        if self.iou_type == "segm":
            segmenting = SegmentationSettings("instance", threshold=0.0, stuff=self.labels.stuff)
        network.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, strict=True, assign=True)
        size = automatic_batch(self._device.type, self.preprocessing.size_hw or self.preprocessing.image_size)
        return Detector(
            ModelInfo(ModelFiles(str(folder), folder), self.labels),
            TorchRuntime(family.optimize(network), device=self._device),
            preprocessor=Preprocessor(self.preprocessing, self._device),
            selection=Selection(0.0, scores=family.scores),
            # A resumed run has to give the same metrics; on a GPU a batch that is too large is halved instead.
            batches=BatchSettings(size, deterministic=self._device.type == "cpu"),
            segmentation=segmenting,
        )


def training_preprocessing(preprocessor: Mapping[str, Any], family: Family, recipe: Recipe) -> Preprocessing:
    """How images are prepared for a network in validation and after training.

    preprocessor  preprocessor_config.json, whose size is replaced by the recipe's

    Raises UsageError if the network cannot take images of the recipe's size, and UnsupportedModelError for a
    field of the file.
    """
    without_size = {name: value for name, value in preprocessor.items() if name not in _SIZES}
    asked = replace(Preprocessing.of(without_size, family), pad_size_hw=None)
    if not recipe.shortest_edges:
        size_hw = check_size(recipe.image_size, family.size_divisor, "`image_size`", error=UsageError)
        if recipe.resize == "letterbox":
            return _letterboxed(asked, preprocessor, family, size_hw)
        return replace(asked, sizing=FixedSize(size_hw))
    if family.size_divisor > 1:
        raise UsageError(
            "the recipe's shortest_edges are for networks that take images of many sizes; this one takes those of one "
            "size, image_size"
        )
    return replace(asked, sizing=ShortestEdge(max(recipe.shortest_edges), recipe.longest_edge))


def _letterboxed(
    asked: Preprocessing, preprocessor: Mapping[str, Any], family: Family, size_hw: tuple[int, int]
) -> Preprocessing:
    """The same preprocessing of images that keep their aspect ratio in an input of this size.

    The border is that of the model, if it has one. Otherwise it is black, at the bottom and the right, as transformers pads;
    but in the center for a network with normalization, where transformers pads with other values than an image has.
    """
    if family.size_divisor == 1:
        raise UsageError(
            'the recipe has resize = "letterbox", which is for networks whose inputs have one size; this one takes images '
            "of many sizes and keeps their aspect ratio with shortest_edges"
        )
    if is_letterboxed(preprocessor):
        border = Preprocessing.of(preprocessor, family).border or InputBorder(centered=True)
        return replace(asked, sizing=Letterbox(size_hw, border.value), pads=True)
    if asked.mean is not None:
        return replace(asked, sizing=Letterbox(size_hw, _GRAY), pads=True)
    return replace(asked, sizing=FitWithin(size_hw), pads=True, pad_size_hw=size_hw)
