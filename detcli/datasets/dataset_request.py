"""What the reader of a dataset format is asked for, and what it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detcli.datasets.dataset import Part
from detcli.datasets.formats.dataset_layout import DatasetLayout
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.images.find_images import image_folders
from detcli.datasets.instance_masks import MaskUse
from detcli.structures.class_labels import ClassLabels


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """The part of a dataset that is read; the fields but `layout` are the arguments of `open_dataset`.

    layout  where the annotations of the part are
    """

    where: str
    part: Part
    layout: DatasetLayout
    images: Path | None
    classes: tuple[str, ...] | None
    masks: MaskUse
    first_pixel: Literal[0, 1] | None

    @property
    def path(self) -> Path:
        """The file of the annotations, or their folder."""
        return self.layout.annotations

    @property
    def image_folders(self) -> list[str]:
        """Folders that file names may be relative to, the most likely first: the given one, or those near the annotations."""
        return image_folders(self.path, self.part) if self.images is None else [str(self.images)]

    @property
    def drop_duplicates(self) -> bool:
        """Whether boxes that an image has twice are dropped, which is for training; otherwise they are only reported."""
        return self.part == "train"


@dataclass(frozen=True, slots=True)
class DatasetContents:
    """Annotations as they were read and checked.

    labels          classes that the class ids of the tables index
    annotations     path of the file that the annotations are in
    image_folders   folders that the images were found in, or lists that name them
    segment_folder  folder that the PNGs of segments were found in; empty if none are read
    """

    tables: AnnotationTables
    labels: ClassLabels
    annotations: Path
    image_folders: Sequence[str]
    segment_folder: str = ""
