"""A detector evaluated on a dataset: the pipeline with a sink that counts, then the evaluate."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError
from detcli.evaluation.coco_metrics import IouType, Json, Metrics, judge
from detcli.pipeline.run import run
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
OnProgress = Callable[[Frame | FailedFrame, Detections | FailedFrame], None]


@dataclass(frozen=True, slots=True)
class EvaluationIssues:
    """What a detector found in a dataset.

    results     one a detection as COCO writes them: image_id, category_id, bbox, score, and segmentation where the
                detector gives masks; by image, the best first
    images    how many were looked at
    unreadable  images that could not be: the ground truth of them counts as missed
    notes       sentences for the user: of classes that only one side has, of scores that were left out
    """

    results: list[Result]
    images: int
    unreadable: tuple[FailedFrame, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a detector is on a dataset.

    metrics   of the evaluate
    findings  what it found there
    ground_truth     COCO annotations that it was evaluated against
    notes     those of the findings, and of the images that could not be looked at
    """

    metrics: Metrics
    findings: EvaluationIssues
    ground_truth: dict[str, Any]
    notes: tuple[str, ...]


def evaluate(
    detector: "Detector",
    dataset: Dataset,
    *,
    workers: int | None = None,
    on_result: OnProgress | None = None,
    stop: StopSignal | None = None,
    iou_type: IouType = "bbox",
) -> Evaluation | None:
    """Look at every image of a dataset and evaluate what was found; None where `stop` ended it before the last image.

    detector   as it is to be evaluated: its threshold should be 0, since each score it leaves out lowers AP
    workers    threads that read images; None: one a processor
    on_result  called after each image, in order
    iou_type   "segm": detector and dataset give masks, of instances, which are evaluated in place of boxes; the ground truth of
               stuff is left out then, since it has none

    The detector's classes are those of the dataset by name, in any case; detections of others are dropped. What is
    true of an image that cannot be read counts as missed, unless nobody knows where in the image it would be.

    Raises DataError where no class is common or no image can be read, and DeviceError.
    """
    findings = find(detector, dataset, workers=workers, on_result=on_result, stop=stop)
    if stop is not None and stop.is_set():
        return None
    if findings.images == 0:
        first = findings.unreadable[0]
        raise DataError(
            f"none of the {len(dataset)} images could be read; the first was '{first.origin.file}': {first.message}"
        )
    ground_truth = coco_ground_truth_of(dataset, iou_type)
    metrics = judge_known(ground_truth, findings.results, iou_type=iou_type)
    known = {image["id"] for image in ground_truth["images"]}
    missed = sum(dataset.image_id(failed.origin.index) in known for failed in findings.unreadable)
    return Evaluation(metrics, findings, ground_truth, (*findings.notes, *_unread(missed, len(dataset) - len(known))))


def find(
    detector: "Detector",
    dataset: Dataset,
    *,
    indices: Sequence[int] | None = None,
    workers: int | None = None,
    on_result: OnProgress | None = None,
    stop: StopSignal | None = None,
) -> EvaluationIssues:
    """What a detector finds in a dataset, for `judge_known`; the first half of `evaluate`.

    indices  of the images to look at, for one process of several; None: all

    Raises DataError where detector and dataset have no class in common, and DeviceError.
    """
    if not len(dataset):
        raise DataError(f"there are no images in '{dataset.report.name}'")
    category_ids = common_categories(detector.labels, dataset.labels)
    if not category_ids:
        raise DataError(
            f"the model and '{dataset.report.name}' have no class in common: the model finds "
            f"{_some(detector.labels.names)}; the data has {_some(dataset.labels.names)}"
        )
    counting = _CountingSink(dataset, category_ids)
    run(
        images_of(dataset, indices),
        detector,
        [counting],
        workers=workers,
        stop=stop,
        on_result=on_result,
    )
    return EvaluationIssues(
        counting.results,
        counting.images,
        tuple(counting.unreadable),
        tuple(_notes(detector, dataset, category_ids)),
    )


def judge_known(ground_truth: Json, results: Iterable[Json], *, iou_type: IouType = "bbox") -> Metrics:
    """Evaluate what was found in those images whose ground truth are known; a dataset's annotations may leave some out."""
    known = {image["id"] for image in ground_truth["images"]}
    return judge(ground_truth, (result for result in results if result["image_id"] in known), iou_type=iou_type)


def coco_ground_truth_of(dataset: Dataset, iou_type: IouType) -> dict[str, Any]:
    """What a detector is evaluated against; of masks those of instances alone, since nothing else of stuff is found."""
    ground_truth = dataset.annotations()
    stuff = {dataset.labels.category_ids[index] for index in dataset.labels.stuff}
    if iou_type == "bbox" or not stuff:
        return ground_truth
    return {
        **ground_truth,
        "annotations": [entry for entry in ground_truth["annotations"] if entry["category_id"] not in stuff],
        "categories": [entry for entry in ground_truth["categories"] if entry["id"] not in stuff],
    }


def common_categories(model: ClassLabels, data: ClassLabels) -> dict[int, int]:
    """Class index of the model -> category id of the data, for classes of the same name in any case."""
    ids: dict[str, int] = {}
    for name, category_id in zip(data.names, data.category_ids, strict=True):
        ids.setdefault(plain_name(name), category_id)
    return {index: ids[plain_name(name)] for index, name in enumerate(model.names) if plain_name(name) in ids}


def images_of(dataset: Dataset, indices: Sequence[int] | None = None) -> "EvaluatedImages":
    """Images of a dataset as a source; all, where no indices are given."""
    return EvaluatedImages(dataset, range(len(dataset)) if indices is None else indices)


class EvaluatedImages:
    """Images of a dataset as a source."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self._dataset, self._indices = dataset, indices

    def __iter__(self) -> Iterator["_EvaluatedImage"]:
        return (_EvaluatedImage(self._dataset, index) for index in self._indices)

    def count(self) -> int | None:
        """How many they are."""
        return len(self._indices)


@dataclass(frozen=True, slots=True)
class _EvaluatedImage:
    dataset: Dataset
    index: int

    @property
    def origin(self) -> Origin:
        """Its place in the dataset; its name is known once it is read."""
        return Origin(self.index, str(self.index), str(self.index), str(self.index))

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        return self.dataset.read(self.index, resize)


class _CountingSink(BaseSink):
    """A sink that keeps what was found as COCO results."""

    ordered = True
    needs_pixels = False

    def __init__(self, dataset: Dataset, category_ids: dict[int, int]) -> None:
        self._dataset, self._category_ids = dataset, category_ids
        self.results: list[Result] = []
        self.unreadable: list[FailedFrame] = []
        self.images = 0

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        if isinstance(detections, FailedFrame):
            self.unreadable.append(detections)
            return
        self.images += 1
        image_id = self._dataset.image_id(frame.origin.index)
        # The numbers that `detect` writes, so that evaluating its file gives the same figures to the last digit.
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
                found = {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}
                self.results.append(found | mask)


def _notes(detector: "Detector", dataset: Dataset, category_ids: dict[int, int]) -> Iterator[str]:
    unknown = [
        name
        for name, category_id in zip(dataset.labels.names, dataset.labels.category_ids, strict=True)
        if category_id not in category_ids.values()
    ]
    if unknown:
        yield f"the model does not know {_some(unknown)}: nothing of that can be found, and its AP is 0"
    others = [name for index, name in enumerate(detector.labels.names) if index not in category_ids]
    if others:
        yield f"the data does not have {_some(others)}: what the model finds of that is left out"
    if detector.threshold > 0:
        yield f"scores up to {detector.threshold:g} are left out: AP comes out lower than it is"


def _unread(missed: int, left_out: int) -> Iterator[str]:
    for count, what in (
        (missed, "could not be read: the ground truth of them counts as missed"),
        (left_out, "left out: the ground truth of them is of another size than they are, or has none"),
    ):
        if count:
            yield f"{count:,} image{'' if count == 1 else 's'} {what}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
