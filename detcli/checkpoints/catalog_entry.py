"""One published model of the catalog: what is known of it before a download."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

LabelSet = Literal[
    "coco", "coco-91", "coco-panoptic", "objects365", "pubtables-detection", "pubtables-structure", "docling", "shapes"
]
Task = Literal["detection", "panoptic"]

_ROWS: Mapping[LabelSet, int] = MappingProxyType(
    {
        "coco": 80,
        "coco-91": 91,
        "coco-panoptic": 250,
        "objects365": 366,
        "pubtables-detection": 2,
        "pubtables-structure": 6,
        "docling": 17,
        "shapes": 10,
    }
)

BUNDLED_MODELS = Path(__file__).parent  # folder of the bundled models, each in a folder of its name


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One published model.

    name                   short name
    repository             of the Hub; None: bundled with detcli, or a file to convert
    revision               branch, tag or commit of the repository; a download records the commit
    family                 folder in detcli/models
    labels                 classes, by the dataset: 80 classes of COCO, 91 rows for them by category id, 250 rows for
                           things and stuff of COCO, 366 rows of Objects365 (row 0 unused), 2 of PubTables-1M's pages, 6 of
                           its tables, 17 parts of a page (Docling), or synthetic shapes
    task                   detection: boxes; panoptic: masks of things and stuff too
    threshold              default threshold of scores
    nms                    default intersection over union of non-maximum suppression; None: off, as published
    average_precision      published, of boxes, in percent, on the validation set of its labels, of PubTables-1M on the test
                           set; None: not published
    panoptic_quality       published, in percent; None for a model without masks
    parameters_millions    published; of a panoptic network and of a Table Transformer, counted
    gflops                 published, for one image at the input size; None: not published
    license                SPDX identifier of the weights
    sha256                 of the weights of a bundled model
    trained_on             title of the last training dataset, if it is not that of the labels
    published_at           where the authors publish a .pth file that has to be converted; None: on the Hub, or bundled
    """

    name: str
    repository: str | None
    labels: LabelSet
    average_precision: float | None
    parameters_millions: float
    gflops: float | None
    family: str = "dfine"
    task: Task = "detection"
    panoptic_quality: float | None = None
    revision: str = "main"
    threshold: float = 0.4
    nms: float | None = None
    license: str = "Apache-2.0"
    sha256: str | None = None
    trained_on: str | None = None
    published_at: str | None = None

    @property
    def is_bundled(self) -> bool:
        """Whether its files come with detcli."""
        return self.repository is None and self.published_at is None

    @property
    def label_count(self) -> int:
        """Number of rows of the class head."""
        return _ROWS[self.labels]

    @property
    def folder(self) -> Path | None:
        """Folder of its files if it is bundled, else None."""
        return BUNDLED_MODELS / self.name if self.is_bundled else None
