"""The door of the datasets: what one promises, the table of those who keep it, and how a name becomes one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from detcli.datasets.layouts import find_layout, layout_of
from detcli.datasets.yolo.yolo_yaml import read_data_yaml
from detcli.registry import Registry
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Resize
from detcli.structures.ground_truth import GroundTruth

Part = Literal["train", "val"]


@dataclass(frozen=True, slots=True)
class IssueSummary:
    """What was found on entry.

    name        the dataset as the user can type it
    images    how many there are, those without boxes among them
    boxes       how many boxes can be learned from
    boxes_of    the same by class name, in the order of the labels
    empty       images without a box
    crowd       boxes over crowds
    findings    what is odd but bearable, each a sentence with its number and first culprits: boxes dropped or clipped,
                images skipped, annotations made on images before they were turned upright
    """

    name: str
    images: int
    boxes: int
    boxes_of: Mapping[str, int]
    empty: int
    crowd: int
    findings: tuple[str, ...]


class Dataset(Protocol):
    """Images with ground truth, read lazily; safe in any thread."""

    @property
    def labels(self) -> ClassLabels:
        """Classes in the order of their index, with the dataset's own category ids."""

    @property
    def report(self) -> IssueSummary:
        """What was found on entry."""

    def __len__(self) -> int:
        """How many images there are."""

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """The image; `origin.index` is the index. Never raises for what is wrong with it."""

    def ground_truth(self, index: int) -> GroundTruth:
        """The ground truth of it, in pixels of the upright image.

        Raises PictureError where masks were asked for and cannot be read; boxes are always there.
        """

    def image_id(self, index: int) -> int:
        """The id of the image in `annotations`."""

    def annotations(self) -> dict[str, Any]:
        """The ground truth as COCO annotations (info, images, annotations, categories), for evaluates; with masks if there are."""


class NamedDataset(Dataset, Protocol):
    """A dataset made from what the command line names."""

    def __init__(
        self, where: str, *, part: Part, images: Path | None, classes: tuple[str, ...] | None, masks: bool
    ) -> None: ...


DATASETS: Registry[type[NamedDataset]] = Registry(
    "dataset",
    {
        "coco": "detcli.datasets.coco.coco_dataset:CocoDataset",
        "coco-panoptic": "detcli.datasets.coco.coco_panoptic:CocoPanopticDataset",
        "yolo": "detcli.datasets.yolo.yolo_dataset:YoloDataset",
        "shapes": "detcli.datasets.shapes:ShapesDataset",
    },
)


def open_dataset(
    where: str,
    *,
    part: Part = "train",
    images: Path | None = None,
    classes: tuple[str, ...] | None = None,
    masks: bool = False,
) -> Dataset:
    """The dataset of `--data` or `--val`, checked.

    where    COCO annotations of boxes or panoptic ones (a .json file, or a folder that holds a known layout of them), a
             YOLO folder or its data.yaml, or "shapes" (drawn; a folder of that name is "./shapes")
    part     which part of a folder that holds several
    images   folder that file names are relative to; None: found next to the annotations
    classes  names by class index that the dataset's own are mapped to, by name; None: the dataset's own
    masks    ground truth have masks

    Raises UsageError where nothing of that kind is there, or there are no masks in that kind, and DataError, naming the
    first ten culprits, where it cannot be learned from or evaluated against.
    """
    if _is_shapes(where):
        return DATASETS["shapes"](where, part=part, images=images, classes=classes, masks=masks)
    return DATASETS[find_layout(where, part).kind](where, part=part, images=images, classes=classes, masks=masks)


def has_part(where: str, part: Part) -> bool:
    """Whether what `--data` names has a part of its own, and not only one whole that serves as any part.

    Raises UsageError where there is no dataset at all.
    """
    if _is_shapes(where):
        return True
    layout = layout_of(where, part)
    if layout is None or layout.whole:
        return False
    return layout.kind != "yolo" or bool(read_data_yaml(layout.annotations).parts[part])


def _is_shapes(where: str) -> bool:
    return where.partition(":")[0] == "shapes"
