"""What is known of a dataset before it is opened: its format, its annotations, and whether it has parts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

PART_NAMES = {"train": ("train",), "val": ("val", "valid", "validation")}
TEST: Final = "test"
ALL_PART_NAMES = PART_NAMES | {TEST: ("test",)}  # a dataset that has only a part for testing is not divided


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """The dataset in a folder or file.

    kind         "coco", "coco-panoptic", "label-studio", "yolo", "voc", "cvat", "labelme", "webdataset" or "parquet"
    annotations  annotations of COCO or Label Studio, the YAML file or classes.txt of YOLO, CVAT's XML, a list of images or a
                 folder of annotation files of Pascal VOC, a folder of LabelMe, a tar or Parquet file or a folder of them
    any_part     whether the dataset has no parts, so that it is used for any part
    """

    kind: str
    annotations: Path
    any_part: bool
