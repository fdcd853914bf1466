"""What is asked for of the conversion of a dataset, and what was made."""

from dataclasses import dataclass

from detcli.argument_checks import check_choice, check_flag
from detcli.engine.data.dataset_output import DatasetOutput

FORMATS_OF_DATASETS = ("coco", "yolo", "voc", "label-studio")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest(DatasetOutput):
    """A dataset that is written in another format.

    format  "coco", "yolo", "voc" or "label-studio"
    masks   write the masks that the data has
    """

    format: str
    masks: bool = True

    def __post_init__(self) -> None:
        DatasetOutput.__post_init__(self)
        check_choice("format", self.format, FORMATS_OF_DATASETS)
        check_flag("masks", self.masks)


@dataclass(frozen=True, slots=True)
class ConvertedPart:
    """A part of a dataset in its new format.

    name    "train", "val" or "test", or "data" for a dataset without parts
    images  number of its images
    boxes   number of its boxes, without crowds
    masks   whether it has masks
    """

    name: str
    images: int
    boxes: int
    masks: bool


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What a conversion made.

    parts    empty if the output exists and was skipped
    skipped  whether the output exists and stays as it is
    """

    parts: tuple[ConvertedPart, ...] = ()
    skipped: bool = False
