"""What is asked for of the division of a dataset, and what was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detcli.argument_checks import check_flag, check_int
from detcli.datasets.splits.image_groups import check_rule
from detcli.datasets.splits.part_sizes import check_shares
from detcli.engine.data.dataset_output import DatasetOutput
from detcli.engine.requests.record_fields import store

DEFAULT_PARTS: Mapping[str, float] = {"val": 0.2}
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRequest(DatasetOutput):
    """A dataset that is divided into parts.

    parts            share of each part by its name: a fraction of the images, or their number; 'train' gets the rest
    group_by         images that stay together: "folder", a field of the images in COCO annotations such as "video_id", or a
                     regular expression that is searched in their names; None: each image is for itself
    near_duplicates  images that look alike stay together, too
    seed             random seed: the same seed gives the same parts
    """

    parts: Mapping[str, int | float] = field(default_factory=lambda: dict(DEFAULT_PARTS))
    group_by: str | None = None
    near_duplicates: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        DatasetOutput.__post_init__(self)
        if not isinstance(self.parts, Mapping):
            raise TypeError(f"`parts` must be a mapping from names to shares, not {type(self.parts).__name__}")
        store(self, parts=check_shares(self.parts))
        if self.group_by is not None:
            if not isinstance(self.group_by, str):
                raise TypeError(f"`group_by` must be a str, not {type(self.group_by).__name__}")
            check_rule(self.group_by)
        check_flag("near_duplicates", self.near_duplicates)
        store(self, seed=check_int("seed", self.seed, at_least=0, at_most=MAX_SEED))


@dataclass(frozen=True, slots=True)
class SplitPart:
    """A part of a divided dataset.

    annotations  path of its COCO annotations
    groups       number of groups of images that stay together
    wanted       number of images that was asked for
    images       number of its images
    boxes        number of its boxes, without crowds
    images_of    number of images by class name
    """

    name: str
    annotations: Path
    groups: int
    wanted: int
    images: int
    boxes: int
    images_of: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "annotations": str(self.annotations),
            "groups": self.groups,
            "wanted": self.wanted,
            "images": self.images,
            "boxes": self.boxes,
            "images_of": dict(self.images_of),
        }


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What the division of a dataset made.

    parts    in the order of the request, 'train' first; empty if the output exists and was skipped
    skipped  whether the output exists and stays as it is
    """

    parts: tuple[SplitPart, ...] = ()
    skipped: bool = False

    def to_json(self) -> str:
        """One JSON document."""
        return json.dumps({"parts": [part.to_dict() for part in self.parts]}, indent=2, ensure_ascii=False) + "\n"
