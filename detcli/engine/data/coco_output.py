"""COCO annotations in an output folder, as `open_dataset` finds them: `annotations/instances_train.json` next to `images/`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.coco.coco_panoptic import CocoPanopticDataset
from detcli.datasets.coco.coco_subset import Document, document_lines, read_document, subset
from detcli.datasets.dataset import Dataset
from detcli.engine.data.dataset_output import DatasetOutput
from detcli.engine.data.image_placement import ImagePlacer
from detcli.engine.data.shared_classes import SharedClasses
from detcli.inspection.findings import DataPart
from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.ground_truth.dataset_writer import WHOLE, LabeledImage
from detcli.structures.json_records import Record


def annotations_name(part: str, *, panoptic: bool = False) -> str:
    """The name of the annotations of a part below the folder; "data" is the whole dataset."""
    start = "panoptic" if panoptic else "instances"
    return f"annotations/{start}.json" if part == WHOLE else f"annotations/{start}_{part}.json"


def write_document(folder: OutputFolder, name: str, document: Document) -> None:
    """Write annotations. Raises OutputError."""
    folder.write(name, b"".join(document_lines(document)))


def write_segments(placer: ImagePlacer, name: str, document: Document, source: str) -> None:
    """Put the PNGs of panoptic annotations into the folder of the same name, next to them.

    name    of the annotations
    source  the folder that the PNGs are in
    """
    folder = name.removesuffix(".json")
    for entry in document["annotations"]:
        placer.place_file(f"{source}/{entry['file_name']}", f"{folder}/{entry['file_name']}")


class CocoPartWriter:
    """Annotations of each part: entries of COCO annotations stay as they are, others are made.

    folder   of the output
    request  what is asked for; without masks, entries have none
    """

    keeps_crowds = True
    keeps_boxes = True
    unique_stems = False
    one_folder = False
    spaces = True
    reduced = 0

    def __init__(
        self,
        folder: OutputFolder,
        request: DatasetOutput,
        parts: Sequence[DataPart],
        classes: SharedClasses,
        *,
        masks: bool,
    ) -> None:
        self._folder, self._classes, self._masks = folder, classes, masks
        self._parts = {part.name: part.dataset for part in parts}
        self._placer = ImagePlacer(folder, request.image_files)
        self._names: dict[str, dict[int, str]] = {part.name: {} for part in parts}
        self._images: dict[str, list[Record]] = {part.name: [] for part in parts}
        self._annotations: dict[str, list[Record]] = {part.name: [] for part in parts}
        self.last = self._file(parts[-1].name)

    def image_folder(self, part: str) -> str:
        """The folder of the images of a part."""
        return "images" if part == WHOLE else f"images/{part}"

    def add(self, part: str, image: LabeledImage) -> None:
        """Add an image."""
        self._names[part][image.image_id] = image.name
        if is_verbatim(self._parts[part]):
            return
        entries = self._annotations[part]
        self._images[part].append(coco_image(image.image_id, image.name, size_hw=image.size_hw))
        masks = image.truth.masks
        areas = None if masks is None else np.array([mask.area or np.nan for mask in masks], np.float64)
        entries += ground_truth_annotations(
            image.truth,
            self._classes.labels,
            image_id=image.image_id,
            first_id=len(entries) + 1,
            areas=areas,
            some_masks=True,
        )

    def finish(self) -> None:
        """Write the annotations."""
        for part, dataset in self._parts.items():
            document = self._document(part)
            write_document(self._folder, self._file(part), document)
            if is_panoptic(dataset):
                write_segments(self._placer, self._file(part), document, dataset.report.segment_folder)

    def _document(self, part: str) -> Document:
        dataset = self._parts[part]
        if is_verbatim(dataset):
            document = subset(read_document(Path(dataset.report.annotations)), self._names[part])
            if self._masks:
                return document
            entries = [{key: entry[key] for key in entry if key != "segmentation"} for entry in document["annotations"]]
            return {**document, "annotations": entries}
        return {
            "info": {"description": f"Ground truth of {dataset.report.name}"},
            "images": self._images[part],
            "annotations": self._annotations[part],
            "categories": coco_categories(self._classes.labels),
        }

    def _file(self, part: str) -> str:
        return annotations_name(part, panoptic=is_panoptic(self._parts[part]))


def is_panoptic(dataset: Dataset) -> bool:
    """Whether a dataset has panoptic annotations and the PNGs of its segments."""
    return isinstance(dataset, CocoPanopticDataset) and bool(dataset.report.segment_folder)


def is_verbatim(dataset: Dataset) -> bool:
    """Whether a dataset is in COCO annotations, whose entries stay as they are; segments without PNGs become boxes."""
    return isinstance(dataset, CocoDataset) or is_panoptic(dataset)


def document_of(dataset: Dataset) -> Document:
    """The COCO annotations of a dataset: those that it was read from, or new ones. Raises NoDataError."""
    return read_document(Path(dataset.report.annotations)) if is_verbatim(dataset) else dataset.annotations()
