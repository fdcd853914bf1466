"""Evaluates panoptic segments: those of a file, or those of a detector in a dataset."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError, ImageError
from detcli.evaluation.evaluate_model import common_categories, dataset_images
from detcli.evaluation.panoptic.panoptic_files import (
    Category,
    PanopticFile,
    match_categories,
    match_images,
    read_panoptic,
)
from detcli.evaluation.panoptic.panoptic_quality import PanopticAccumulator, PanopticQuality, SegmentTable
from detcli.pipeline.run import PipelineSettings, run
from detcli.sinks.sink import BaseSink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.inference.detector import Detector

_GROUPS: Mapping[str, tuple[bool, ...]] = {"all": (True, False), "things": (True,), "stuff": (False,)}
_MAX_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class PanopticMetrics:
    """Panoptic quality of segments.

    categories   of the ground truth
    accumulator  counts by category id
    failed       images that could not be processed: their ground truth counts as false negatives
    notes        sentences for the user
    """

    categories: Sequence[Category]
    accumulator: PanopticAccumulator
    failed: Sequence[FailedFrame] = ()
    notes: Sequence[str] = ()

    @property
    def groups(self) -> dict[str, PanopticQuality]:
        """Means over all categories, those of things, and those of stuff."""
        return {
            name: self.accumulator.mean([one.category_id for one in self.categories if one.is_thing in kinds])
            for name, kinds in _GROUPS.items()
        }

    @property
    def by_name(self) -> dict[str, float | None]:
        """PQ, SQ and RQ of all categories, and those of things and of stuff, as in `PQ_things`."""
        return {
            f"{metric}{'' if name == 'all' else f'_{name}'}": value
            for name, quality in self.groups.items()
            for metric, value in (("PQ", quality.pq), ("SQ", quality.sq), ("RQ", quality.rq))
        }


def evaluate_panoptic_results(
    results: Path, annotations: Path, *, on_folder: Callable[[str, str], None] | None = None
) -> PanopticMetrics:
    """Evaluate COCO panoptic results; images and categories are matched by name if both files have names, else by id.

    on_folder  called with the file and the folder that its PNGs were found in, for both files

    Raises UsageError, InputError or DataError for files that cannot be evaluated or have nothing in common.
    """
    ground_truth, predicted = read_panoptic(annotations, "annotations"), read_panoptic(results)
    for file in (predicted, ground_truth):
        if on_folder is not None and file.folder:
            on_folder(file.name, file.folder)
    if not ground_truth.entries or not ground_truth.categories:
        raise DataError(f"'{annotations}' has no annotations or no categories to evaluate against")
    images = match_images(predicted, ground_truth)
    categories = match_categories(predicted, ground_truth)
    if not images or not categories:
        missing = "image" if not images else "category"
        raise DataError(f"'{results}' and '{annotations}' have no {missing} in common")
    accumulator = PanopticAccumulator()
    for image_id in ground_truth.entries:
        segments = predicted.segments(images[image_id]) if image_id in images else None
        expected = ground_truth.segments(image_id)
        if segments is not None:
            _check_same_size(segments, expected, f"'{results}', image {images[image_id]}")
            segments = _with_categories(segments, categories)
        accumulator.add(expected, segments)
    missing_images = len(ground_truth.entries.keys() - images.keys())
    notes = []
    if missing_images:
        notes.append(
            f"{missing_images:,} of {len(ground_truth.entries):,} images have no results: their segments count as false "
            "negatives"
        )
    notes += _unknown_class_notes(predicted, images.values(), categories)
    return PanopticMetrics(ground_truth.categories, accumulator, notes=notes)


def evaluate_panoptic_model(
    detector: "Detector",
    dataset: Dataset,
    *,
    workers: int | None = None,
    on_result: Callable[[Any, Any], None] | None = None,
    stop: StopSignal | None = None,
) -> PanopticMetrics | None:
    """Process every image of a dataset whose ground truth has masks; None if `stop` came before the last image.

    detector  makes panoptic segments

    Raises DataError if no class is common or no image can be read, and DeviceError.
    """
    category_ids = common_categories(detector.labels, dataset.labels)
    if not category_ids:
        raise DataError(f"the model and '{dataset.report.name}' have no class in common")
    sink = _PanopticSink(dataset, category_ids)
    run(dataset_images(dataset), detector, [sink], PipelineSettings(workers=workers), stop=stop, on_result=on_result)
    if stop is not None and stop.is_set():
        return None
    if not sink.evaluated:
        first = sink.failed[0]
        raise DataError(f"no image could be evaluated; the first was '{first.origin.file}': {first.message}")
    labels = dataset.labels
    categories = tuple(
        Category(name, category_id, index not in labels.stuff)
        for index, (name, category_id) in enumerate(zip(labels.names, labels.category_ids, strict=True))
    )
    return PanopticMetrics(categories, sink.accumulator, sink.failed, tuple(sink.notes()))


def _check_same_size(segments: SegmentTable, expected: SegmentTable, where: str) -> None:
    if segments.ids.shape != expected.ids.shape:
        (height, width), (expected_height, expected_width) = segments.ids.shape, expected.ids.shape
        raise DataError(
            f"{where}: its PNG has {width} x {height} pixels, that of the ground truth {expected_width} x {expected_height}"
        )


def _with_categories(segments: SegmentTable, category_ids: Mapping[int, int]) -> SegmentTable:
    """The segments with the category ids of the ground truth; those of other categories are left out."""
    kept = {
        segment_id: category_ids[category]
        for segment_id, category in segments.categories.items()
        if category in category_ids
    }
    return SegmentTable(segments.ids, kept, segments.crowds)


def _unknown_class_notes(
    predicted: PanopticFile, image_ids: Iterable[int], category_ids: Mapping[int, int]
) -> list[str]:
    """A note on categories of the results that the ground truth does not have."""
    used = {category for image_id in image_ids for category in predicted.entries[image_id][1].values()}
    names = [
        one.name for one in predicted.categories if one.category_id in used and one.category_id not in category_ids
    ]
    if not names:
        return []
    shown = ", ".join(f"'{name}'" for name in names[:_MAX_NAMES_SHOWN]) + (
        " …" if len(names) > _MAX_NAMES_SHOWN else ""
    )
    classes = "1 class" if len(names) == 1 else f"{len(names):,} classes"
    return [f"{classes} of the results not in the ground truth, and left out: {shown}"]


class _PanopticSink(BaseSink):
    """A sink that compares segments with the ground truth, and keeps none."""

    ordered = True
    needs_pixels = False

    def __init__(self, dataset: Dataset, category_ids: dict[int, int]) -> None:
        self._dataset, self._category_ids = dataset, category_ids
        self.accumulator = PanopticAccumulator()
        self.failed: list[FailedFrame] = []
        self.evaluated = 0

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        failed = detections if isinstance(detections, FailedFrame) else None
        try:
            ground_truth = self._dataset.ground_truth(frame.origin.index)
        except ImageError as error:
            failed = failed or FailedFrame(frame.origin, error.code, str(error))
            ground_truth = GroundTruth.empty()
        if failed is not None:
            self.failed.append(failed)
        self._add(ground_truth, detections, frame)

    def _add(self, ground_truth: GroundTruth, detections: Detections | FailedFrame, frame: Frame | FailedFrame) -> None:
        ids = self._dataset.labels.category_ids
        expected_ids = [ids[class_id] for class_id in ground_truth.class_ids.tolist()]
        crowd = ground_truth.crowd.tolist()
        masks = ground_truth.masks
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            if masks:
                self.accumulator.add(SegmentTable.of(masks, expected_ids, crowd, masks[0].size_hw), None)
            return
        if masks is None:  # the annotations of this image cannot be read
            return
        if detections.masks is None:
            raise ValueError("panoptic quality needs masks, and the detector gives none")
        self.evaluated += 1
        category_ids = [self._category_ids.get(class_id, -1) for class_id in detections.class_ids.tolist()]
        segments = SegmentTable.of(detections.masks, category_ids, [False] * len(category_ids), frame.size_hw)
        known = {segment_id: category for segment_id, category in segments.categories.items() if category >= 0}
        expected = SegmentTable.of(masks, expected_ids, crowd, frame.size_hw)
        self.accumulator.add(expected, SegmentTable(segments.ids, known))

    def notes(self) -> Iterator[str]:
        """Sentences for the user."""
        if self.failed:
            yield (
                f"{len(self.failed):,} of {len(self._dataset):,} images could not be processed: what is known of their "
                "ground truth counts as false negatives"
            )
