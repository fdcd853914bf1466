"""Opens ground truth that is not a file of COCO annotations: the validation part of any dataset."""

import os
from pathlib import Path

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.datasets.formats.dataset_layout import DatasetLayout
from detcli.datasets.layouts import find_layout
from detcli.errors import NoDataError
from detcli.io.remote.store_path import StorePath

_COCO = ("coco", "coco-panoptic")


def coco_file(annotations: Path) -> Path | None:
    """The file of COCO annotations: this one, or the one of a folder; None for a dataset of another format.

    Raises NoDataError if a folder has no dataset, or none with a validation part.
    """
    layout = _layout(annotations)
    return annotations if layout is None else layout.annotations if layout.kind in _COCO else None


def open_ground_truth(annotations: Path, *, images: Path | None, masks: bool) -> tuple[Dataset, Path | None]:
    """The dataset, and the folder that its image names are relative to; None for images that are no files."""
    dataset = open_dataset(str(annotations), part="val", images=images, masks=masks)
    layout = find_layout(str(annotations), "val")
    if layout.kind == "yolo":
        return dataset, layout.annotations.parent
    folder = next(iter(dataset.report.image_folders), None)
    return dataset, images if folder is None else Path(folder)


def _layout(annotations: Path) -> DatasetLayout | None:
    """The layout of a folder or file; None for what can only be a file of COCO annotations."""
    is_folder, is_file = os.path.isdir(annotations), os.path.isfile(annotations)  # noqa: PTH112, PTH113 - any name
    if isinstance(annotations, StorePath) or not (is_folder or is_file):
        return None
    try:
        return find_layout(str(annotations), "val")
    except NoDataError:
        if is_folder or annotations.suffix.lower() in (".json", ".xml"):
            raise
        return None  # COCO annotations may have any suffix
