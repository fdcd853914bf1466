"""Load a model: locate it, read its files, build the network and move it to its device."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from detcli.argument_checks import (
    check_choice,
    check_classes,
    check_flag,
    check_fraction,
    check_positive,
    check_size,
    check_type,
)
from detcli.checkpoints import catalog
from detcli.checkpoints.checkpoint_files import Checkpoint
from detcli.checkpoints.hub.locate_model import locate
from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.batching import BatchSettings, automatic_batch
from detcli.inference.config_labels import read_labels
from detcli.inference.detector import Detector, ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.inference.read_model import read_model
from detcli.inference.segmentation.segmentation_settings import TASKS, SegmentationSettings, Task
from detcli.models.empty_weights import empty_weights
from detcli.models.family import Family, SegmentationNetwork, family_of
from detcli.runtimes.runtime import RUNTIMES
from detcli.runtimes.torch_runtime import Precision, choose_device, choose_precision
from detcli.structures.class_labels import ClassLabels

if TYPE_CHECKING:
    from detcli.checkpoints.hub.locate_model import DownloadProgress

DEFAULT_THRESHOLD = 0.4
_COMPILE_NOTE = "images have many sizes: each new size waits for the compiler (`compile`)"


def load_detector(
    model: str | os.PathLike[str] = "dfine-s",
    *,
    threshold: float | None = None,
    classes: Sequence[str | int] | None = None,
    max_detections: int = 300,
    image_size: int | tuple[int, int] | None = None,
    segmentation: SegmentationSettings | Task | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    pad: bool = False,
    deterministic: bool = False,
    compile: bool = False,  # noqa: A002 - the name of the option and of torch.compile
    optimize: bool = True,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: "DownloadProgress | None" = None,
) -> Detector:
    """Load a model; download it first if it is not on this machine.

    model           name in the catalog, repository of the Hub, folder or file
    threshold       keep scores strictly above it, 0 … 1; None: the model's own threshold, else 0.4
    classes         class names or indices to keep; None: all
    max_detections  maximum number of detections per image
    image_size      input size: an int (a square) or (height, width); for a model that keeps the aspect ratio, the maximum
                    of the shorter and of the longer side. None: as the checkpoint says
    segmentation    "panoptic", "instance", "semantic" or settings: masks instead of boxes, for models that segment
    device          "auto", "cpu", "cuda", "cuda:N" or "mps"
    precision       "auto" (fp32), "fp32", "tf32", "bf16" or "fp16"
    batch_size      most images in a batch; None: chosen by device and input size
    pad             images of different sizes share a batch: faster on a GPU, but results then depend on the other images
    deterministic   the same bytes from every run on this machine, whatever the batches; on a GPU call
                    `detcli.runtimes.torch_runtime.use_deterministic_kernels` too
    compile         run torch.compile: minutes of start-up for long runs
    optimize        fold normalization layers and drop what inference does not need
    revision        commit, branch or tag of the repository; None: as the catalog says
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    progress        is called during a download

    Raises TypeError for an argument of a wrong type, UsageError (a ValueError) for a wrong value, ModelError if the model
    is rejected, HubError or AccessError if it cannot be downloaded, and DeviceError if the device has no memory for it.
    """
    check_type("model", model, (str, os.PathLike), "a name or a path")
    check_type("revision", revision, (str, type(None)), "a str or None")
    check_type("cache_dir", cache_dir, (str, os.PathLike, type(None)), "a path or None")
    check_type("precision", precision, str, "a str")
    flags = {"pad": pad, "deterministic": deterministic, "compile": compile, "optimize": optimize, "offline": offline}
    for name, flag in flags.items():
        check_flag(name, flag)
    if pad and deterministic:
        raise UsageError("`pad` cannot be combined with `deterministic`: results would depend on the batch")
    settings = _Settings(
        threshold=None if threshold is None else check_fraction("threshold", threshold),
        classes=check_classes(() if classes is None else classes),
        max_detections=check_positive("max_detections", max_detections),
        image_size=None if image_size is None else check_size("image_size", image_size),
        segmentation=_segmentation(segmentation),
        device=(chosen := _device(device)),
        precision=choose_precision(precision, chosen),
        batch_size=None if batch_size is None else check_positive("batch_size", batch_size),
        pad=pad,
        deterministic=deterministic,
        compile=compile,
        optimize=optimize,
    )
    name = os.fspath(model)
    if settings.segmentation is not None:
        _check_that_it_segments(name)
    cache = None if cache_dir is None else Path(cache_dir)
    files = locate(name, revision=revision, offline=offline, cache_dir=cache, progress=progress)
    checkpoint = read_model(files)
    return _Loader(settings, checkpoint, replace(files, sha256=checkpoint.sha256)).detector()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """The checked arguments of `load_detector` that do not say which model."""

    threshold: float | None
    classes: Sequence[str]
    max_detections: int
    image_size: tuple[int, int] | None
    segmentation: SegmentationSettings | None
    device: torch.device
    precision: Precision
    batch_size: int | None
    pad: bool
    deterministic: bool
    compile: bool
    optimize: bool


class _Loader:
    """Builds a detector from a checkpoint. Raises ModelError and UsageError."""

    def __init__(self, settings: _Settings, checkpoint: Checkpoint, files: Any) -> None:
        self._settings, self._checkpoint, self._files = settings, checkpoint, files
        self._family: Family = family_of(checkpoint.config)
        self._config = self._family.read_config(checkpoint.config)
        self._labels: ClassLabels = read_labels(checkpoint.config, self._config.labels, files.dataset)
        self._class_ids = self._labels.find(settings.classes) if settings.classes else None

    def detector(self) -> Detector:
        """Build it."""
        settings = self._settings
        segmentation, preprocessing = self._segmentation(), self._preprocessing()
        network, warned = self._network(segmentation)
        many_sizes = preprocessing.size_hw is None
        notes = (*self._checkpoint.notes, *warned, *([_COMPILE_NOTE] if settings.compile and many_sizes else []))
        size = settings.batch_size or automatic_batch(
            settings.device.type, preprocessing.size_hw or preprocessing.image_size
        )
        return Detector(
            ModelInfo(self._files, self._labels, notes, self._checkpoint.assumed),
            RUNTIMES["torch"](
                network,
                device=settings.device,
                precision=settings.precision,
                compile=settings.compile,
                dynamic=many_sizes,
            ),
            preprocessor=Preprocessor(preprocessing, settings.device),
            selection=Selection(self._threshold(), settings.max_detections, self._class_ids, self._family.scores),
            batches=BatchSettings(size, settings.pad, settings.deterministic, settings.compile),
            segmentation=segmentation,
        )

    def _threshold(self) -> float:
        if self._settings.threshold is not None:
            return self._settings.threshold
        return DEFAULT_THRESHOLD if self._files.entry is None else float(self._files.entry.threshold)

    def _segmentation(self) -> SegmentationSettings | None:
        """The settings, with the threshold of the call, its classes and the model's stuff classes."""
        given = self._settings.segmentation
        if given is None:
            return None
        if not self._family.has_masks(self._config):
            raise _has_no_masks(self._files.name)
        threshold = self._settings.threshold if given.threshold is None else given.threshold
        return replace(given, threshold=threshold, class_ids=self._class_ids, stuff=self._labels.stuff)

    def _preprocessing(self) -> Preprocessing:
        checkpoint = self._checkpoint
        preprocessing = Preprocessing.of(checkpoint.preprocessor, self._family, file=checkpoint.preprocessor_file)
        if self._settings.image_size is not None:
            preprocessing = preprocessing.with_size(self._settings.image_size, self._family.size_divisor)
        if self._settings.pad and preprocessing.size_hw is None and not preprocessing.pads:
            raise UsageError(f"`pad`: '{self._files.name}' is not made for padded images (do_pad is off)")
        return preprocessing

    def _network(self, segmentation: SegmentationSettings | None) -> tuple[nn.Module, list[str]]:
        """The network in evaluation form with its weights, and warnings about them."""
        with empty_weights():
            network = self._family.build(self._config)
        if isinstance(network, SegmentationNetwork):
            # Semantic segmentation combines the masks of all queries.
            threshold = 0.0
            if segmentation is not None and segmentation.task != "semantic":
                threshold = segmentation.score_threshold
            network.configure_masks(enabled=segmentation is not None, score_threshold=threshold)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", RuntimeWarning)
            state = self._family.read_weights(self._checkpoint.tensors, self._config)
            network.load_state_dict(state, strict=True, assign=True)
        network.eval()
        network = self._family.optimize(network) if self._settings.optimize else network
        return network, [str(warning.message) for warning in warned]


def _device(device: object) -> torch.device:
    check_type("device", device, (str, torch.device), "a str")
    return choose_device(str(device))


def _segmentation(segmentation: object) -> SegmentationSettings | None:
    if segmentation is None or isinstance(segmentation, SegmentationSettings):
        return segmentation
    check_choice("segmentation", segmentation, TASKS)
    return SegmentationSettings(cast("Task", segmentation))


def _check_that_it_segments(model: str) -> None:
    """Raise UnsupportedModelError for a model of the catalog without masks, before anything is downloaded."""
    entry = catalog.find(model)
    if entry is not None and entry.task != "panoptic":
        raise _has_no_masks(model)


def _has_no_masks(model: str) -> UnsupportedModelError:
    names = ", ".join(entry.name for entry in catalog.CATALOG.values() if entry.task == "panoptic")
    return UnsupportedModelError(f"'{model}' detects boxes, not masks; models that segment: {names}")
