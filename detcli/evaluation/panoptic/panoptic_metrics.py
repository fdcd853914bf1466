"""Panoptic segments evaluated: those of a file, or those that a detector finds in a dataset."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError, ImageError
from detcli.evaluation.evaluate import common_categories, images_of
from detcli.evaluation.panoptic.panoptic_files import Category, PanopticFile, partners, read_panoptic, renamed
from detcli.evaluation.panoptic.panoptic_quality import PanopticAccumulator, PanopticQuality, SegmentTable
from detcli.pipeline.run import run
from detcli.sinks.sink import BaseSink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.inference.detector import Detector

_GROUPS = ("all", "things", "stuff")


@dataclass(frozen=True, slots=True)
class PanopticMetrics:
    """How good segments are.

    categories  of the ground truth
    tally       counts by category id
    unreadable  images that could not be looked at: the ground truth of them is missed
    notes       sentences for the user
    """

    categories: Sequence[Category]
    tally: PanopticAccumulator
    unreadable: Sequence[FailedFrame] = ()
    notes: Sequence[str] = ()

    @property
    def groups(self) -> dict[str, PanopticQuality]:
        """Means over all categories, those of things, and those of stuff."""
        wanted = {"all": (True, False), "things": (True,), "stuff": (False,)}
        return {
            name: self.tally.mean([one.category_id for one in self.categories if one.is_thing in wanted[name]])
            for name in _GROUPS
        }

    @property
    def by_name(self) -> dict[str, float | None]:
        """PQ, SQ and RQ of all, and those of things and of stuff, as in `PQ_things`."""
        return {
            f"{figure}{'' if name == 'all' else f'_{name}'}": getattr(quality, figure.lower())
            for name, quality in self.groups.items()
            for figure in ("PQ", "SQ", "RQ")
        }


def judge_panoptic(results: Path, annotations: Path) -> PanopticMetrics:
    """Evaluate COCO panoptic results. Images and categories meet by name, as far as there are names.

    Raises UsageError, InputError or DataError for what cannot be evaluated, or has nothing in common.
    """
    truth, found = read_panoptic(annotations, "annotations"), read_panoptic(results)
    if not truth.entries or not truth.categories:
        raise DataError(f"'{annotations}' has no annotations or no categories to evaluate against")
    pairs, names = partners(found, truth), renamed(found, truth)
    if not pairs or not names:
        what = "image" if not pairs else "category"
        raise DataError(f"'{results}' and '{annotations}' have no {what} in common")
    tally = PanopticAccumulator()
    for image_id in truth.entries:
        own = found.segments(pairs[image_id]) if image_id in pairs else None
        true = truth.segments(image_id)
        if own is not None and own.ids.shape != true.ids.shape:
            (height, width), (true_height, true_width) = own.ids.shape, true.ids.shape
            raise DataError(
                f"'{results}', image {pairs[image_id]}: its PNG has {width} x {height} pixels, the true one "
                f"{true_width} x {true_height}"
            )
        tally.add(true, None if own is None else _renamed(own, names))
    missed = len(truth.entries.keys() - pairs.keys())
    notes = [f"{missed:,} of {len(truth.entries):,} images have no results: all is missed there"] if missed else []
    notes += _left_out(found, pairs.values(), names)
    return PanopticMetrics(truth.categories, tally, notes=notes)


def judge_segmenter(
    detector: "Detector",
    dataset: Dataset,
    *,
    workers: int | None = None,
    on_result: Callable[[Any, Any], None] | None = None,
    stop: StopSignal | None = None,
) -> PanopticMetrics | None:
    """Look at every image of a dataset whose ground truth have masks; None where `stop` came before the last image.

    detector  makes panoptic segments

    Raises DataError where no class is common or no image can be read, and DeviceError.
    """
    category_ids = common_categories(detector.labels, dataset.labels)
    if not category_ids:
        raise DataError(f"the model and '{dataset.report.name}' have no class in common")
    counting = _PanopticCountingSink(dataset, category_ids)
    run(images_of(dataset), detector, [counting], workers=workers, stop=stop, on_result=on_result)
    if stop is not None and stop.is_set():
        return None
    if not counting.judged:
        first = counting.unreadable[0]
        raise DataError(f"no image could be evaluated on; the first was '{first.origin.file}': {first.message}")
    labels = dataset.labels
    categories = tuple(
        Category(name, category_id, index not in labels.stuff)
        for index, (name, category_id) in enumerate(zip(labels.names, labels.category_ids, strict=True))
    )
    return PanopticMetrics(categories, counting.tally, counting.unreadable, tuple(counting.notes()))


def _renamed(segments: SegmentTable, names: dict[int, int]) -> SegmentTable:
    kept = {number: names[category] for number, category in segments.categories.items() if category in names}
    return SegmentTable(segments.ids, kept, segments.crowds)


def _left_out(found: PanopticFile, image_ids: Iterable[int], names: Mapping[int, int]) -> list[str]:
    """What to say of categories that segments are of and the ground truth has not."""
    there = {category for image_id in image_ids for category in found.entries[image_id][1].values()}
    others = [one.name for one in found.categories if one.category_id in there and one.category_id not in names]
    if not others:
        return []
    first, more = ", ".join(f"'{name}'" for name in others[:3]), " …" if len(others) > 3 else ""
    what = "1 class" if len(others) == 1 else f"{len(others):,} classes"
    return [f"{what} of the results not among the true ones, and left out: {first}{more}"]


class _PanopticCountingSink(BaseSink):
    """A sink that holds segments against the true ones, and keeps none."""

    ordered = True
    needs_pixels = False

    def __init__(self, dataset: Dataset, category_ids: dict[int, int]) -> None:
        self._dataset, self._category_ids = dataset, category_ids
        self.tally = PanopticAccumulator()
        self.unreadable: list[FailedFrame] = []
        self.judged = 0

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        failed = detections if isinstance(detections, FailedFrame) else None
        try:
            ground_truth = self._dataset.ground_truth(frame.origin.index)
        except ImageError as error:
            failed = failed or FailedFrame(frame.origin, error.code, str(error))
            ground_truth = GroundTruth.empty()
        if failed is not None:
            self.unreadable.append(failed)
        self._add(ground_truth, detections, frame)

    def _add(self, ground_truth: GroundTruth, detections: Detections | FailedFrame, frame: Frame | FailedFrame) -> None:
        ids = self._dataset.labels.category_ids
        true = [ids[class_id] for class_id in ground_truth.class_ids.tolist()]
        crowd = ground_truth.crowd.tolist()
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            if ground_truth.masks:
                self.tally.add(SegmentTable.of(ground_truth.masks, true, crowd, ground_truth.masks[0].size_hw), None)
            return
        if ground_truth.masks is None:  # they cannot be read: nobody knows the ground truth
            return
        if detections.masks is None:
            raise ValueError("panoptic quality is of masks, and the detector gives none")
        self.judged += 1
        found = [self._category_ids.get(class_id, -1) for class_id in detections.class_ids.tolist()]
        own = SegmentTable.of(detections.masks, found, [False] * len(found), frame.size_hw)
        known = {number: category for number, category in own.categories.items() if category >= 0}
        self.tally.add(SegmentTable.of(ground_truth.masks, true, crowd, frame.size_hw), SegmentTable(own.ids, known))

    def notes(self) -> Iterator[str]:
        if self.unreadable:
            yield (
                f"{len(self.unreadable):,} of {len(self._dataset):,} images could not be looked at: what is known to be "
                "there counts as missed"
            )
