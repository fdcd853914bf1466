"""What is asked for of stored results: which results, what is kept of them, and where they go."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from detcli.argument_checks import (
    check_choice,
    check_classes,
    check_flag,
    check_int,
    check_nms,
    check_number,
    check_texts,
    check_thresholds,
    check_type,
)
from detcli.engine.requests.record_fields import optional_path, store
from detcli.engine.requests.run_request import FailurePolicy, OutputSettings
from detcli.engine.requests.shard_outputs import outputs_of_shard
from detcli.errors import UsageError
from detcli.image_selection import ImageSelection
from detcli.io.remote.store_path import store_text
from detcli.shard import Shard

Only = Literal["with", "without"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInput:
    """Stored results, and what their formats lack.

    results         files and folders of results
    results_format  of all of them; None: by suffix and first bytes
    images          folder or archive of the images
    ground_truth    COCO annotations of the images
    """

    results: tuple[str, ...]
    results_format: str | None = None
    images: Path | None = None
    ground_truth: Path | None = None

    def __post_init__(self) -> None:
        store(self, results=tuple(map(store_text, check_texts("results", self.results))))
        if not self.results:
            raise UsageError("no results are named: `results` must name files or folders of results")
        if self.results_format is not None:
            check_type("results_format", self.results_format, str, "a str")
        for name in ("images", "ground_truth"):
            store(self, **{name: optional_path(name, getattr(self, name))})

    @property
    def reads(self) -> tuple[str, ...]:
        """Every file and folder that is read."""
        return (*self.results, *(str(path) for path in (self.images, self.ground_truth) if path is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsFilter:
    """Which detections and images are kept, in this order: threshold, classes, area, region, overlaps, best, images.

    threshold         scores are strictly above it; None: all
    class_thresholds  of classes that have another threshold, by name or index
    classes           names or indices; None: all
    min_area          in pixels of the image, of boxes; None: any
    max_area          the same
    region            left, top, right, bottom in pixels: boxes whose center is in it; None: all
    nms               intersection over union above which a box of a class is a duplicate; None or "off": none is
    nms_agnostic      boxes of other classes may be duplicates, too
    max_detections    the best of each image; None: all
    only              images with, or without, detections; None: all images
    select            so many images, by the detections that are kept; None: all
    """

    threshold: Any = None
    class_thresholds: tuple[tuple[str, float], ...] = ()
    classes: tuple[str, ...] | None = None
    min_area: float | None = None
    max_area: float | None = None
    region: tuple[float, float, float, float] | None = None
    nms: Any = None
    nms_agnostic: bool = False
    max_detections: int | None = None
    only: Only | None = None
    select: ImageSelection | None = None

    def __post_init__(self) -> None:
        usual, of_classes = check_thresholds("threshold", self.threshold)
        store(self, threshold=usual, class_thresholds=of_classes or self.class_thresholds)
        nms = check_nms("nms", self.nms)
        store(self, nms=None if nms == "off" else nms)
        check_flag("nms_agnostic", self.nms_agnostic)
        if self.nms_agnostic and self.nms is None:
            raise UsageError("`nms_agnostic` needs `nms`")
        if self.classes is not None:
            store(self, classes=tuple(check_classes(self.classes)))
        for name in ("min_area", "max_area"):
            if getattr(self, name) is not None:
                store(self, **{name: check_number(name, getattr(self, name), at_least=0)})
        if self.min_area is not None and self.max_area is not None and self.min_area > self.max_area:
            raise UsageError(f"`min_area` is {self.min_area:g}, which is above `max_area`, {self.max_area:g}")
        if self.region is not None:
            store(self, region=_region(self.region))
        if self.max_detections is not None:
            check_int("max_detections", self.max_detections, at_least=1)
        if self.only is not None:
            check_choice("only", self.only, get_args(Only))
        if self.select is not None:
            store(self, select=ImageSelection.of(self.select))
        if not self.as_json():
            raise UsageError("nothing is to be filtered: set a `threshold`, `classes`, `nms` or another filter")

    def as_json(self) -> dict[str, object]:
        """What is set, for the provenance of the results."""
        named = {
            "threshold": self.threshold,
            "class_thresholds": dict(self.class_thresholds) or None,
            "classes": None if self.classes is None else list(self.classes),
            "min_area": self.min_area,
            "max_area": self.max_area,
            "region": None if self.region is None else list(self.region),
            "nms": self.nms,
            "nms_agnostic": self.nms_agnostic or None,
            "max_det": self.max_detections,
            "only": self.only,
            "select": None if self.select is None else str(self.select),
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsRequest:
    """Stored results that are written again.

    keep      what is kept; None: everything
    renumber  of several results: they are of different inputs, and get new indices in their order
    """

    input: StoredInput
    output: OutputSettings
    keep: ResultsFilter | None = None
    renumber: bool = False

    def __post_init__(self) -> None:
        check_flag("renumber", self.renumber)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRequest:
    """Stored results that are drawn on their images.

    output    its folders and drawing style
    failures  when images that cannot be drawn end the run
    workers   threads that read and write images; None: one per processor
    shard     only the images of this shard, by their position in the results, "2/8" or (2, 8); None: all
    """

    input: StoredInput
    output: OutputSettings
    failures: FailurePolicy = field(default_factory=FailurePolicy)
    workers: int | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        store(self, shard=None if self.shard is None else Shard.of(self.shard))
        store(self, output=outputs_of_shard(self.output, self.shard))
        if self.output.save_images is None and self.output.save_crops is None:
            raise UsageError("there is nothing to draw into: name a folder in `save_images`")
        if self.workers is not None:
            check_int("workers", self.workers, at_least=1)


def _region(value: Any) -> tuple[float, float, float, float]:
    if not isinstance(value, tuple | list) or len(value) != 4:
        raise UsageError("`region` must be four numbers: left, top, right, bottom in pixels")
    left, top, right, bottom = (check_number("region", number) for number in value)
    if left >= right or top >= bottom:
        raise UsageError(
            f"`region` must be left, top, right, bottom in pixels: {left:g},{top:g},{right:g},{bottom:g} is empty"
        )
    return left, top, right, bottom
