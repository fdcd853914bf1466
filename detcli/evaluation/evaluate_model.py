"""Evaluates a detector on a dataset: runs it over every image, then compares its detections with the ground truth."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError
from detcli.evaluation.coco_library import IouType, Json
from detcli.evaluation.coco_metrics import Metrics, evaluate_coco
from detcli.pipeline.run import PipelineSettings, run
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels, plain_name
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.json_records import boxes_xywh
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.inference.detector import Detector

Result = dict[str, Any]
OnResult = Callable[[Frame | FailedFrame, Detections | FailedFrame], None]

_MAX_NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class DatasetPredictions:
    """The detections of a detector in the images of a dataset.

    results  one per detection, as COCO writes them: image_id, category_id, bbox, score, and segmentation where the
             detector gives masks; by image, sorted by confidence
    images   number of images that were processed
    failed   images that could not be read or processed: their ground truth counts as false negatives
    notes    sentences for the user: classes that only one side has, scores that were left out
    """

    results: list[Result]
    images: int
    failed: tuple[FailedFrame, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of a detector on a dataset.

    ground_truth  the COCO annotations that it was evaluated against
    notes         those of the predictions, and of the images that failed
    """

    metrics: Metrics
    predictions: DatasetPredictions
    ground_truth: dict[str, Any]
    notes: tuple[str, ...]


def evaluate_model(
    detector: "Detector",
    dataset: Dataset,
    *,
    workers: int | None = None,
    on_result: OnResult | None = None,
    stop: StopSignal | None = None,
    iou_type: IouType = "bbox",
) -> Evaluation | None:
    """Process every image of a dataset and evaluate the detections; None if `stop` came before the last image.

    detector   its threshold should be 0: every score that is left out lowers AP
    workers    threads that read images; None: one per processor
    on_result  called after each image, in order
    iou_type   "segm": evaluate instance masks, which detector and dataset must give, instead of boxes; stuff classes
               are left out, since they have no instances

    Classes are matched by name, ignoring case; detections of classes that the dataset does not have are dropped. The
    ground truth of an image that cannot be read counts as false negatives, unless its annotations depend on the image.

    Raises DataError if no class is common or no image can be read, and DeviceError.
    """
    predictions = predict_dataset(detector, dataset, workers=workers, on_result=on_result, stop=stop)
    if stop is not None and stop.is_set():
        return None
    if predictions.images == 0:
        first = predictions.failed[0]
        raise DataError(
            f"none of the {len(dataset)} images could be read; the first was '{first.origin.file}': {first.message}"
        )
    ground_truth = ground_truth_annotations(dataset, iou_type)
    metrics = evaluate_predictions(ground_truth, predictions.results, iou_type=iou_type)
    known = {image["id"] for image in ground_truth["images"]}
    failed = sum(dataset.image_id(one.origin.index) in known for one in predictions.failed)
    notes = (*predictions.notes, *_failure_notes(failed, len(dataset) - len(known)))
    return Evaluation(metrics, predictions, ground_truth, notes)


def predict_dataset(
    detector: "Detector",
    dataset: Dataset,
    *,
    indices: Sequence[int] | None = None,
    workers: int | None = None,
    on_result: OnResult | None = None,
    stop: StopSignal | None = None,
) -> DatasetPredictions:
    """Run a detector over a dataset, for `evaluate_predictions`; the first half of `evaluate_model`.

    indices  the images to process, for one process of several; None: all

    Raises DataError if detector and dataset have no class in common, and DeviceError.
    """
    if not len(dataset):
        raise DataError(f"there are no images in '{dataset.report.name}'")
    category_ids = common_categories(detector.labels, dataset.labels)
    if not category_ids:
        raise DataError(
            f"the model and '{dataset.report.name}' have no class in common: the model has "
            f"{_some(detector.labels.names)}; the data has {_some(dataset.labels.names)}"
        )
    sink = _ResultCollector(dataset, category_ids)
    run(
        dataset_images(dataset, indices),
        detector,
        [sink],
        PipelineSettings(workers=workers),
        stop=stop,
        on_result=on_result,
    )
    notes = (*_class_notes(detector, dataset, category_ids), *detector.remarks)
    return DatasetPredictions(sink.results, sink.images, tuple(sink.failed), notes)


def evaluate_predictions(ground_truth: Json, results: Iterable[Json], *, iou_type: IouType = "bbox") -> Metrics:
    """Evaluate the results of those images that the ground truth has; a dataset's annotations may leave some out."""
    known = {image["id"] for image in ground_truth["images"]}
    return evaluate_coco(ground_truth, (result for result in results if result["image_id"] in known), iou_type=iou_type)


def ground_truth_annotations(dataset: Dataset, iou_type: IouType) -> dict[str, Any]:
    """The COCO annotations to evaluate against; for masks without stuff classes, which have no instances."""
    annotations = dataset.annotations()
    stuff = {dataset.labels.category_ids[index] for index in dataset.labels.stuff}
    if iou_type == "bbox" or not stuff:
        return annotations
    return {
        **annotations,
        "annotations": [entry for entry in annotations["annotations"] if entry["category_id"] not in stuff],
        "categories": [entry for entry in annotations["categories"] if entry["id"] not in stuff],
    }


def common_categories(model: ClassLabels, data: ClassLabels) -> dict[int, int]:
    """Class index of the model -> category id of the data, for classes of the same name in any case."""
    ids: dict[str, int] = {}
    for name, category_id in zip(data.names, data.category_ids, strict=True):
        ids.setdefault(plain_name(name), category_id)
    return {index: ids[plain_name(name)] for index, name in enumerate(model.names) if plain_name(name) in ids}


def dataset_images(dataset: Dataset, indices: Sequence[int] | None = None) -> "DatasetImages":
    """The images of a dataset as a source; all of them if no indices are given."""
    return DatasetImages(dataset, range(len(dataset)) if indices is None else indices)


class DatasetImages:
    """Images of a dataset as a source."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self._dataset, self._indices = dataset, indices

    def __iter__(self) -> Iterator["_DatasetImage"]:
        return (_DatasetImage(self._dataset, index) for index in self._indices)

    def count(self) -> int | None:
        """Number of images."""
        return len(self._indices)


@dataclass(frozen=True, slots=True)
class _DatasetImage:
    dataset: Dataset
    index: int

    @property
    def origin(self) -> Origin:
        """Its index in the dataset; its name is known once it is read."""
        return Origin(self.index, str(self.index), str(self.index), str(self.index))

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        return self.dataset.read(self.index, resize)


class _ResultCollector(BaseSink):
    """A sink that keeps detections as COCO results."""

    ordered = True
    needs_pixels = False

    def __init__(self, dataset: Dataset, category_ids: dict[int, int]) -> None:
        self._dataset, self._category_ids = dataset, category_ids
        self.results: list[Result] = []
        self.failed: list[FailedFrame] = []
        self.images = 0

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        if isinstance(detections, FailedFrame):
            self.failed.append(detections)
            return
        self.images += 1
        image_id = self._dataset.image_id(frame.origin.index)
        # The numbers that `detect` writes, so that evaluating its file gives the same metrics to the last digit.
        masks = (
            [{}] * len(detections)
            if detections.masks is None
            else [{"segmentation": mask.as_json()} for mask in detections.masks]
        )
        for class_id, score, bbox, mask in zip(
            detections.class_ids.tolist(), shortest(detections.scores), boxes_xywh(detections), masks, strict=True
        ):
            category_id = self._category_ids.get(class_id)
            if category_id is not None:
                result = {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}
                self.results.append(result | mask)


def _class_notes(detector: "Detector", dataset: Dataset, category_ids: dict[int, int]) -> Iterator[str]:
    common = set(category_ids.values())
    unknown = [
        name
        for name, category_id in zip(dataset.labels.names, dataset.labels.category_ids, strict=True)
        if category_id not in common
    ]
    if unknown:
        yield f"the model does not have the classes {_some(unknown)}: their AP is 0"
    others = [name for index, name in enumerate(detector.labels.names) if index not in category_ids]
    if others:
        yield f"the data does not have the classes {_some(others)}: their detections are left out"
    if detector.threshold > 0:
        yield f"scores up to {detector.threshold:g} are left out, which lowers AP"


def _failure_notes(failed: int, left_out: int) -> Iterator[str]:
    for count, what in (
        (failed, "could not be read: their ground truth counts as false negatives"),
        (left_out, "left out: the size of their ground truth is missing or does not match the image"),
    ):
        if count:
            yield f"{count:,} image{'' if count == 1 else 's'} {what}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_MAX_NAMES_SHOWN])
    return shown if len(names) <= _MAX_NAMES_SHOWN else f"{shown} and {len(names) - _MAX_NAMES_SHOWN} more"
