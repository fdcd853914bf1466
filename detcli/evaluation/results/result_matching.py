"""Matches stored results with the ground truth: images by id or name, categories by name.

A mismatch that would make every metric 0 is an error; one that leaves a part to evaluate is a note.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.errors import DataError, InputError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, quoted_names
from detcli.io.coco.coco_reader import posix_name
from detcli.io.results import StoredBox, StoredImage
from detcli.structures.class_labels import plain_name
from detcli.text import counted

Result = dict[str, Any]

_MAX_LOWEST_SCORE = 0.05  # results that keep every score have lower ones


@dataclass(frozen=True, slots=True)
class MatchedResults:
    """Results with the ids of the ground truth.

    results  as `evaluate_coco` takes them
    images   number of images of the ground truth that have results, also empty ones
    listed   image ids of all images that were processed; None: the results name only images with detections
    by_id    no image of the results has a name: they were matched by their ids alone
    failed   number of images that failed when the results were made
    notes    sentences for the user
    """

    results: list[Result]
    images: int
    listed: frozenset[int] | None
    by_id: bool
    failed: int
    notes: tuple[str, ...]


def match_results(
    images: Iterable[StoredImage], ground_truth: CocoGroundTruth, name: str, *, masks: bool = False
) -> MatchedResults:
    """Give results the ids of the ground truth.

    name   of the results, for messages
    masks  masks are evaluated: each result must have one

    An image with a name matches the image of the same relative path, then the one with the same id and base name, then
    the only one with the same base name; an image with an id alone matches the image with that id.

    Raises DataError if ids are not those of the ground truth, no image or no category matches, or an image occurs
    twice; InputError if there are no results at all.
    """
    image_index = _ImageIndex(ground_truth, name)
    category_index = _CategoryIndex(ground_truth, name)
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in ground_truth.images}
    results: list[Result] = []
    for image in images:
        image_id = image_index.match(image)
        for box in image.boxes or ():
            category_id = category_index.match(box)
            if image_id is not None and category_id is not None:
                result = {"image_id": image_id, "category_id": category_id, "bbox": list(box.bbox), "score": box.score}
                if masks:
                    result |= _mask_of(box, sizes[image_id], f"'{name}', {image.position}")
                results.append(result)
    image_index.check()
    if not category_index.boxes and not image_index.processed:
        raise InputError(
            f"'{name}' has no detections and does not name the processed images; if nothing was detected, give results "
            "that name the images: .jsonl, or COCO with 'images'"
        )
    category_index.check()
    notes = (
        *image_index.notes(),
        *category_index.notes(),
        *_result_notes(results, category_index.boxes, masks=masks),
    )
    by_id = not image_index.named
    return MatchedResults(results, len(image_index.matched), image_index.listed, by_id, image_index.failed, notes)


def _mask_of(box: StoredBox, size_hw: tuple[Any, Any], where: str) -> dict[str, Any]:
    if box.mask is None:
        raise DataError(f"{where}: a box has no RLE mask, but masks are evaluated")
    if box.mask.size_hw != size_hw:
        raise DataError(
            f"{where}: a mask is for {list(box.mask.size_hw)}, but height and width of the image in the annotations are "
            f"{list(size_hw)}"
        )
    return {"segmentation": box.mask.as_json()}


class _ImageIndex:
    """Which image of the ground truth each image of the results is.

    matched    image ids that have results
    named      whether any image has a name
    complete   every entry is of another image, so that images without detections are listed, too
    processed  number of images that have a name and did not fail
    failed     number of images that failed
    """

    def __init__(self, ground_truth: CocoGroundTruth, name: str) -> None:
        self._ground_truth, self._name = ground_truth, name
        self._names = _NameIndex(ground_truth)
        self._unknown_names: list[str] = []
        self._unknown_ids: list[int] = []
        self._repeated: list[str] = []
        self._sizes = {image["id"]: (image.get("height"), image.get("width")) for image in ground_truth.images}
        self._other_sizes: list[str] = []
        self.matched: set[int] = set()
        self.processed = self.failed = 0
        self.named, self.complete = False, True

    @property
    def listed(self) -> frozenset[int] | None:
        """The images that were processed; None if those without detections are unknown."""
        return frozenset(self.matched) if self.named and self.complete else None

    def match(self, image: StoredImage) -> int | None:
        """The image id of an image; None if the ground truth does not have it."""
        if image.frame is not None:
            raise DataError(
                f"'{self._name}', {image.position}: these are results of a video, whose frames have no names here; "
                "evaluate COCO or YOLO results of the same run instead"
            )
        self.failed += image.boxes is None
        self.named = self.named or image.file is not None
        self.complete = self.complete and image.complete
        self.processed += image.file is not None and image.boxes is not None
        image_id = self._names.find(image)
        if image_id is not None:
            if image_id in self.matched and image.complete:
                self._repeated.append(str(image.file or image_id))
            elif self._has_another_size(image_id, image):
                self._other_sizes.append(str(image.file or image_id))
            self.matched.add(image_id)
        elif image.file is not None:
            self._unknown_names.append(image.file)
        elif image.image_id is not None:
            self._unknown_ids.append(image.image_id)
        return image_id

    def _has_another_size(self, image_id: int, image: StoredImage) -> bool:
        size = self._sizes[image_id]
        return image.size_hw is not None and None not in size and size != image.size_hw

    def check(self) -> None:
        """Raise DataError if ids are unknown, images occur twice, or no image matches."""
        if self._unknown_ids:
            own = quoted_names([image["id"] for image in self._ground_truth.images], limit=3)
            ids = "1 image id" if len(self._unknown_ids) == 1 else f"{len(self._unknown_ids):,} image ids"
            raise DataError(
                f"{ids} in '{self._name}' cannot be found in '{self._ground_truth.name}': "
                f"{quoted_names(self._unknown_ids)}, which has {own}. Detect with `ground_truth` to get the ids of the annotations"
            )
        if self._repeated:
            images = counted(len(self._repeated), "image is", "images are")
            raise DataError(f"{images} in '{self._name}' more than once: {quoted_names(self._repeated)}")
        if self._unknown_names and not self.matched:
            own = quoted_names([image["file_name"] for image in self._ground_truth.images], limit=3)
            raise DataError(
                f"none of the {len(self._unknown_names):,} images in '{self._name}' is in '{self._ground_truth.name}': "
                f"the results have {quoted_names(self._unknown_names, limit=3)}, the annotations {own}"
            )

    def notes(self) -> Iterator[str]:
        """Issues that do not prevent an evaluation."""
        if self._unknown_names:
            images = counted(len(self._unknown_names), "image is", "images are")
            yield f"{images} not in the annotations and left out: {quoted_names(self._unknown_names, limit=3)}"
        if self.failed:
            images = counted(self.failed, "image is", "images are")
            yield f"{images} in the results as failed: their ground truth counts as false negatives"
        if self._other_sizes:
            yield (
                f"{counted(len(self._other_sizes), 'image is', 'images are')} "
                "of another size than in the annotations, so boxes do not "
                f"match: {quoted_names(self._other_sizes, limit=3)}. If the images are rotated by EXIF, evaluate the model on "
                "the dataset instead, which rotates the annotations too"
            )
        missing = len(self._ground_truth.images) - len(self.matched)
        if missing:
            yield (
                f"{missing:,} of the {len(self._ground_truth.images):,} images of the annotations have no results: their "
                "ground truth counts as false negatives"
            )


class _NameIndex:
    """Image ids of the ground truth by the names in results."""

    def __init__(self, ground_truth: CocoGroundTruth) -> None:
        self._by_id = {image["id"]: posix_name(image["file_name"]) for image in ground_truth.images}
        self._by_name: dict[str, int | None] = {}
        self._by_basename: dict[str, int | None] = {}
        for image_id, name in self._by_id.items():
            basename = _basename(name)
            self._by_name[name] = None if name in self._by_name else image_id
            self._by_basename[basename] = None if basename in self._by_basename else image_id

    def find(self, image: StoredImage) -> int | None:
        """The id; None if no image or several match."""
        if image.file is None:
            return image.image_id if image.image_id in self._by_id else None
        parts = posix_name(image.file).split("/")
        for start in range(len(parts)):  # "in/sub/a.jpg", as it was typed, then "sub/a.jpg", then "a.jpg"
            image_id = self._by_name.get("/".join(parts[start:]))
            if image_id is not None:
                return image_id
        if image.image_id is not None and _basename(self._by_id.get(image.image_id, "")) == parts[-1]:
            return image.image_id
        return self._by_basename.get(parts[-1])


class _CategoryIndex:
    """Category ids of the ground truth by the label of a box, or by its category id if it has no label."""

    def __init__(self, ground_truth: CocoGroundTruth, name: str) -> None:
        self._ground_truth, self._name = ground_truth, name
        self._categories = ground_truth.categories  # a property that makes a new dictionary
        self._ids: dict[str, int] = {}
        for category_id, label in self._categories.items():
            self._ids.setdefault(plain_name(label), category_id)
        self._matches: dict[str | int, int | None] = {}
        self._counts: Counter[str | int] = Counter()

    @property
    def boxes(self) -> int:
        """Number of boxes."""
        return self._counts.total()

    def match(self, box: StoredBox) -> int | None:
        """The id; None if the ground truth does not have the category."""
        key: str | int = box.label if box.label is not None else box.category_id or 0
        self._counts[key] += 1
        if key not in self._matches:
            known = self._ids.get(plain_name(key)) if isinstance(key, str) else key if key in self._categories else None
            self._matches[key] = known
        return self._matches[key]

    def check(self) -> None:
        """Raise DataError if no category matches, or the ids are numbered differently."""
        unknown = self._unknown()
        if not unknown:
            return
        categories = self._categories
        has = quoted_names([f"{number} {label}" for number, label in sorted(categories.items())])
        if len(unknown) == len(self._matches):
            raise DataError(
                f"none of the categories in '{self._name}' is in '{self._ground_truth.name}': {quoted_names(unknown)}; it has {has}"
            )
        ids = {key for key in self._matches if isinstance(key, int)}
        count = len(categories)
        for first in (0, 1):
            if ids and ids <= set(range(first, first + count)):
                raise DataError(
                    f"the category ids in '{self._name}' look like class indices from {first}, not like those of "
                    f"'{self._ground_truth.name}', which does not have {quoted_names(unknown)}; it has {has}. Detect with "
                    "`ground_truth` to get the ids of the annotations"
                )

    def notes(self) -> Iterator[str]:
        """Issues that do not prevent an evaluation."""
        unknown = self._unknown()
        if unknown:
            boxes = sum(self._counts[key] for key in unknown)
            yield (
                f"{counted(boxes, 'detection is', 'detections are')} "
                f"left out, of {quoted_names(unknown)}: the annotations have no such category"
            )

    def _unknown(self) -> list[str | int]:
        return sorted((key for key, category_id in self._matches.items() if category_id is None), key=str)


def _result_notes(results: Sequence[Result], boxes: int, *, masks: bool) -> Iterator[str]:
    if not boxes:
        yield "no detections in any image: every metric is 0"
        return
    rows = {hash((r["image_id"], r["category_id"], *r["bbox"], r["score"])) for r in results}
    repeated = len(results) - len(rows)
    if repeated:
        yield f"{counted(repeated, 'detection is', 'detections are')} repeated: each counts as a false positive"
    settings = "`task=instance` with `format=coco-results` keeps" if masks else "`format=coco-results` keeps"
    lowest = min((r["score"] for r in results), default=0.0)
    if lowest > _MAX_LOWEST_SCORE:
        yield (
            f"the lowest score is {lowest:.3g}: results cut off at a threshold have a lower AP; {settings} every score"
        )


def _basename(name: str) -> str:
    return name.rpartition("/")[2]
