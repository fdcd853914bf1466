"""The interface of datasets, their registry, and the function that opens one by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from detcli.datasets.formats.dataset_layout import TEST
from detcli.datasets.instance_masks import MaskUse
from detcli.datasets.issues import DatasetIssue
from detcli.datasets.layouts import find_layout, layout_of
from detcli.datasets.yolo.yolo_yaml import read_yolo_classes
from detcli.errors import UsageError
from detcli.registry import Registry
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth

Part = Literal["train", "val", "test"]  # training and validation; "test" is for commands that rewrite a dataset
_MAX_FOLDERS = 3  # in a sentence


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """Counts of a dataset, and the issues found when it was opened.

    name      the dataset as the user can type it
    images    number of images, including those without boxes
    boxes     number of boxes for training, without crowds
    boxes_of  the same by class name, in the order of the labels
    empty     number of images without boxes
    crowd     number of crowd boxes
    issues    tolerated issues, one message for each kind with its count and first examples: boxes dropped or clipped,
              images skipped, annotations of images before their rotation
    annotations    path of the file that the annotations are in; empty if they are in no file
    image_folders  folders that the images were found in, or lists that name them
    segment_folder  folder that the PNGs of segments were found in; empty if none are read
    details   the issues with their counts and names
    """

    name: str
    images: int
    boxes: int
    boxes_of: Mapping[str, int]
    empty: int
    crowd: int
    issues: tuple[str, ...]
    annotations: str = ""
    image_folders: tuple[str, ...] = ()
    segment_folder: str = ""
    details: tuple[DatasetIssue, ...] = ()

    @property
    def files(self) -> str:
        """Where annotations and images are, as a part of a sentence; empty for a dataset without files."""
        if not self.annotations:
            return ""
        folders = [f"'{folder}'" for folder in self.image_folders]
        more = f" and {len(folders) - _MAX_FOLDERS:,} more" if len(folders) > _MAX_FOLDERS else ""
        segments = f", PNGs of segments in '{self.segment_folder}'" if self.segment_folder else ""
        return f"annotations '{self.annotations}', images in {', '.join(folders[:_MAX_FOLDERS])}{more}{segments}"


class Dataset(Protocol):
    """Images with ground truth, read lazily; safe in any thread."""

    @property
    def labels(self) -> ClassLabels:
        """Classes in the order of their index, with the dataset's own category ids."""

    @property
    def report(self) -> DatasetSummary:
        """Counts, and issues found when the dataset was opened."""

    def __len__(self) -> int:
        """Number of images."""

    def origin(self, index: int) -> Origin:
        """The names of an image, without reading it: its path, and its name relative to the folder of the images."""

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """The image; `origin.index` is the index. An image that cannot be read is returned as a `FailedFrame`."""

    def stored_bytes(self, index: int) -> bytes | None:
        """The bytes of an image file that is in another file, such as an archive; None for others. Raises ImageError."""

    def size_hw(self, index: int) -> tuple[int, int] | None:
        """Height and width of the upright image, without decoding it; None if unknown."""

    def ground_truth(self, index: int) -> GroundTruth:
        """The ground truth of an image, in pixels of the upright image.

        Raises ImageError if masks are requested and cannot be read.
        """

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        """The class id of each box of an image, with crowds or without; neither the image nor its masks are read."""

    def image_id(self, index: int) -> int:
        """The id of the image in `annotations`."""

    def annotations(self) -> dict[str, Any]:
        """The ground truth as COCO annotations (info, images, annotations, categories), with masks if the dataset has them."""


class NamedDataset(Dataset, Protocol):
    """A dataset that can be opened by name."""

    def __init__(
        self, where: str, *, part: Part, images: Path | None, classes: tuple[str, ...] | None, masks: MaskUse
    ) -> None: ...


DATASETS: Registry[type[NamedDataset]] = Registry(
    "dataset",
    {
        "coco": "detcli.datasets.coco.coco_dataset:CocoDataset",
        "coco-panoptic": "detcli.datasets.coco.coco_panoptic:CocoPanopticDataset",
        "label-studio": "detcli.datasets.formats.label_studio.label_studio_dataset:LabelStudioDataset",
        "parquet": "detcli.datasets.formats.shards.parquet_dataset:ParquetDataset",
        "webdataset": "detcli.datasets.formats.shards.web_dataset:WebdatasetDataset",
        "yolo": "detcli.datasets.yolo.yolo_dataset:YoloDataset",
        "voc": "detcli.datasets.formats.voc.voc_dataset:VocDataset",
        "cvat": "detcli.datasets.formats.cvat.cvat_dataset:CvatDataset",
        "labelme": "detcli.datasets.formats.labelme.labelme_dataset:LabelMeDataset",
        "shapes": "detcli.datasets.shapes:ShapesDataset",
    },
)


def open_dataset(
    where: str,
    *,
    part: Part = "train",
    images: Path | None = None,
    classes: tuple[str, ...] | None = None,
    masks: MaskUse = False,
    first_pixel: Literal[0, 1] | None = None,
) -> Dataset:
    """Open and check a dataset.

    where    COCO annotations of boxes or panoptic ones (a .json file, or a folder that holds a known layout of them), a
             YOLO folder or its data.yaml, a folder of Pascal VOC or a list of its ImageSets, CVAT's XML, a folder of LabelMe,
             an export of Label Studio, a tar of WebDataset or a Parquet file or a folder of them, or "shapes" (synthetic; a folder of that name is "./shapes")
    part     part of a dataset that has several
    images   folder that file names are relative to; None: search next to the annotations
    classes  class names by class index that the categories are matched to; None: the dataset's own classes
    masks    the ground truth has masks; "optional": those that the data has, empty ones for other objects
    first_pixel  number of the first pixel in Pascal VOC; None: found in its files

    Raises NoDataError if there is no such dataset, and DataError, naming the first ten invalid entries, if it cannot be used; UsageError
    for `first_pixel` of other formats.
    """
    kind = "shapes" if _is_shapes(where) else find_layout(where, part).kind
    if first_pixel is not None and kind != "voc":
        raise UsageError(f"`first_pixel` is for data of Pascal VOC, and '{where}' is in another format")
    make: Any = DATASETS[kind]
    if first_pixel is not None:
        make = partial(make, first_pixel=first_pixel)
    dataset: Dataset = make(where, part=part, images=images, classes=classes, masks=masks)
    return dataset


def has_part(where: str, part: Part) -> bool:
    """Whether a dataset has this part, and not only annotations that are used for every part.

    A part for testing that the YAML file of YOLO names counts, also if its images are missing.

    Raises NoDataError if there is no dataset.
    """
    if _is_shapes(where):
        return part != TEST
    layout = layout_of(where, part)
    if layout is None or layout.any_part:
        return False
    return layout.kind != "yolo" or read_yolo_classes(layout.annotations).has_images(part)


def _is_shapes(where: str) -> bool:
    return where.partition(":")[0] == "shapes"
