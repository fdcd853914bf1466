"""A checkpoint -> a detector that PyTorch runs."""

import warnings
from dataclasses import dataclass
from typing import Any

from torch import nn

from detcli.checkpoints import catalog
from detcli.checkpoints.checkpoint_files import Checkpoint
from detcli.checkpoints.score_threshold import StoredThreshold, read_score_threshold
from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.batches.batch_probe import probe_cuda
from detcli.inference.batches.batching import BatchSettings, automatic_batch
from detcli.inference.config_labels import read_labels
from detcli.inference.detector import Detector
from detcli.inference.load_settings import DEFAULT_THRESHOLD, LoadSettings
from detcli.inference.model_info import ModelInfo
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.inference.segmentation.computed_masks import ComputedMasks
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.edge_uncertainty import predict_box_std
from detcli.models.empty_weights import empty_weights
from detcli.models.family import Family, family_of
from detcli.models.reduced_network import reduce_network
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.graph_recorder import GraphRecorder, cuda_recorder
from detcli.runtimes.runtime import RUNTIMES, Runtime
from detcli.runtimes.torch_runtime import choose_device, choose_precision
from detcli.structures.class_labels import ClassLabels

_COMPILE_NOTE = "images have many sizes: each new size waits for the compiler (`compile`)"


@dataclass(frozen=True, slots=True)
class ModelParts:
    """The parts of a model, before a runtime runs it.

    network        in its inference form, in float32, on the CPU
    threshold, nms  that detections are kept with by default
    notes          sentences that the user should see
    stored_threshold  that `eval` or `train` wrote into the model folder; None: none
    uncertainty    whether the network also returns the standard deviation of each edge
    """

    family: Family
    network: nn.Module
    preprocessing: Preprocessing
    labels: ClassLabels
    threshold: float
    nms: float | None
    notes: tuple[str, ...]
    stored_threshold: StoredThreshold | None = None
    uncertainty: bool = False

    def exported_facts(self, model: str) -> ExportedFacts:
        """The facts of an export of these parts, for batches of any size; `model` is the name of the model."""
        return ExportedFacts(
            model=model,
            labels=self.labels,
            preprocessor=self.preprocessing.as_json(),
            size_divisor=self.family.size_divisor,
            scores=self.family.scores,
            threshold=self.threshold,
            nms=self.nms,
            threshold_source="" if self.stored_threshold is None else self.stored_threshold.source,
            class_thresholds={} if self.stored_threshold is None else self.stored_threshold.classes,
            size_hw=self.preprocessing.size_hw,
            uncertainty=self.uncertainty,
        )


class CheckpointLoader:
    """Builds a detector from a checkpoint. Raises ModelError and UsageError."""

    def __init__(self, settings: LoadSettings, checkpoint: Checkpoint, files: Any) -> None:
        self._settings, self._checkpoint, self._files = settings, checkpoint, files
        self._device = choose_device(settings.device)
        self._family: Family = family_of(checkpoint.config)
        self._config = self._family.read_config(checkpoint.config)
        self._stored_threshold = read_score_threshold(checkpoint.config)
        self._labels: ClassLabels = read_labels(checkpoint.config, self._config.labels, files.dataset)
        self._selection = settings.selection(
            self._labels,
            self._family.scores,
            threshold=self._own_threshold,
            nms=self._own_nms,
            class_thresholds=None if self._stored_threshold is None else self._stored_threshold.classes,
        )

    def detector(self) -> Detector:
        """Build it."""
        settings = self._settings
        segmentation, preprocessing = self._segmentation(), self.preprocessing()
        network, warned, masks = self._network(segmentation)
        many_sizes = preprocessing.size_hw is None
        notes = (*self._checkpoint.notes, *warned, *([_COMPILE_NOTE] if settings.compile and many_sizes else []))
        runtime = RUNTIMES["torch"](
            network,
            device=self._device,
            precision=choose_precision(settings.precision, self._device),
            compile=settings.compile,
            dynamic=many_sizes,
            recorder=self._recorder(preprocessing),
        )
        size = settings.batch_size or self._batch_size(runtime, preprocessing)
        return Detector(
            ModelInfo(
                self._files,
                self._labels,
                notes,
                self._checkpoint.assumed,
                queries=settings.queries,
                decoder_layers=settings.decoder_layers,
                stored_threshold=self._stored_threshold,
                uncertainty=settings.uncertainty,
            ),
            runtime,
            preprocessor=Preprocessor(preprocessing, self._device),
            selection=self._selection,
            batches=BatchSettings(size, settings.pad, settings.deterministic, settings.compile),
            segmentation=segmentation,
            masks=masks,
        )

    def _recorder(self, preprocessing: Preprocessing) -> GraphRecorder | None:
        """What records CUDA graphs: for boxes of images of one size; the number of masks follows from the scores."""
        settings = self._settings
        otherwise = settings.compile or settings.deterministic or settings.segmentation is not None
        return None if otherwise or preprocessing.size_hw is None else cuda_recorder(self._device)

    def _batch_size(self, runtime: Runtime[Any, Any], preprocessing: Preprocessing) -> int:
        """The usual batch size; on a GPU as many images as its free memory holds, up to twice as many."""
        size_hw = preprocessing.size_hw or preprocessing.image_size
        usual = automatic_batch(self._device.type, size_hw)
        if self._device.type != "cuda" or size_hw is None or self._settings.compile or self._settings.deterministic:
            return usual
        return probe_cuda(runtime, self._device, size_hw, most=2 * usual)

    def parts(self) -> ModelParts:
        """Build the network, without a runtime."""
        network, warned, _ = self._network(self._segmentation())
        notes = (*self._checkpoint.notes, *warned)
        return ModelParts(
            self._family,
            network,
            self.preprocessing(),
            self._labels,
            self._selection.threshold,
            self._own_nms,
            notes,
            self._stored_threshold,
            self._settings.uncertainty,
        )

    @property
    def _own_threshold(self) -> float:
        if self._stored_threshold is not None:
            return self._stored_threshold.value
        return DEFAULT_THRESHOLD if self._files.entry is None else float(self._files.entry.threshold)

    @property
    def _own_nms(self) -> float | None:
        return None if self._files.entry is None else self._files.entry.nms

    def _segmentation(self) -> SegmentationSettings | None:
        """The settings of the call. Raises UnsupportedModelError for a network without masks."""
        if self._settings.segmentation is not None and not self._family.has_masks(self._config):
            raise _has_no_masks(self._files.name)
        return self._settings.segments(self._selection, self._labels)

    def preprocessing(self) -> Preprocessing:
        """The preprocessing with the input size of the settings. Raises UsageError."""
        checkpoint = self._checkpoint
        preprocessing = Preprocessing.of(checkpoint.preprocessor, self._family, file=checkpoint.preprocessor_file)
        if self._settings.image_size is not None:
            preprocessing = preprocessing.with_size(self._settings.image_size, self._family.size_divisor)
        if self._settings.pad and preprocessing.size_hw is None and not preprocessing.pads:
            raise UsageError(f"`pad`: '{self._files.name}' is not made for padded images (do_pad is off)")
        return preprocessing

    def _network(self, segmentation: SegmentationSettings | None) -> tuple[nn.Module, list[str], ComputedMasks]:
        """The network in evaluation form with its weights, warnings about them, and the masks that it computes."""
        with empty_weights():
            network = self._family.build(self._config)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", RuntimeWarning)
            state = self._family.read_weights(self._checkpoint.tensors, self._config)
            network.load_state_dict(state, strict=True, assign=True)
        network.eval()
        settings = self._settings
        reduce_network(network, self._files.name, queries=settings.queries, decoder_layers=settings.decoder_layers)
        if settings.uncertainty:
            predict_box_std(network, self._files.name)
        network = self._family.optimize(network) if self._settings.optimize else network
        return network, [str(warning.message) for warning in warned], ComputedMasks(network, segmentation)


def check_settings(settings: LoadSettings, model: str) -> None:
    """Check what can be checked before anything is downloaded. Raises UsageError and UnsupportedModelError."""
    choose_precision(settings.precision, choose_device(settings.device))
    if settings.runtime == "onnx":
        raise UsageError(f"`runtime=onnx` runs exported files: 'detcli export {model}' writes one")
    entry = catalog.find(model)
    if settings.segmentation is not None and entry is not None and entry.task != "panoptic":
        raise _has_no_masks(model)


def _has_no_masks(model: str) -> UnsupportedModelError:
    names = ", ".join(entry.name for entry in catalog.CATALOG.values() if entry.task == "panoptic")
    return UnsupportedModelError(f"'{model}' detects boxes, not masks; models that segment: {names}")
