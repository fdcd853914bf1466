"""Stored results brought to the ids of the ground truth: images by id or name, categories by name, never by luck.

Whatever would end in a silent zero is an error, or a note where the rest can still be evaluated.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.errors import DataError, InputError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, named
from detcli.io.coco.coco_reader import posix_name
from detcli.io.results import StoredBox, StoredImage
from detcli.structures.class_labels import plain_name

Result = dict[str, Any]

_THRESHOLD_NOTED = 0.05  # results that keep every score have some below it


@dataclass(frozen=True, slots=True)
class MatchedResults:
    """Results in the ids of the ground truth.

    results   as `evaluate_coco` takes them
    images  of the ground truth that there are results of, empty ones too
    failed    images that failed when the results were made
    notes     sentences for the user
    """

    results: list[Result]
    images: int
    failed: int
    notes: tuple[str, ...]


def match_results(
    images: Iterable[StoredImage], truth: CocoGroundTruth, name: str, *, masks: bool = False
) -> MatchedResults:
    """Bring results to the ids of the ground truth.

    name   of the results, for messages
    masks  are evaluated: each result has to have one

    An image with a name belongs to the ground truth's image of the same relative path, then of the same id and last part,
    then of the same last part where only one has it; one with an id alone to the image of that id.

    Raises DataError where ids are not those of the ground truth, no image or no category is, or an image stands twice;
    InputError where there are no results at all.
    """
    found = _ImageIndex(truth, name)
    categories = _CategoryIndex(truth, name)
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in truth.images}
    results: list[Result] = []
    for image in images:
        image_id = found.place(image)
        for box in image.boxes or ():
            category_id = categories.find(box)
            if image_id is not None and category_id is not None:
                result = {"image_id": image_id, "category_id": category_id, "bbox": list(box.bbox), "score": box.score}
                if masks:
                    result |= _mask_of(box, sizes[image_id], f"'{name}', {image.place}")
                results.append(result)
    found.check()
    if not categories.seen and not found.looked_at:
        raise InputError(
            f"'{name}' holds no detections, so there is nothing to evaluate; if nothing was found indeed, give results "
            "that name the images looked at: .jsonl, or COCO with 'images'"
        )
    categories.check()
    notes = (*found.notes(), *categories.notes(), *_result_notes(results, categories.seen, masks=masks))
    return MatchedResults(results, len(found.taken), found.failed, notes)


def _mask_of(box: StoredBox, size_hw: tuple[Any, Any], where: str) -> dict[str, Any]:
    if box.mask is None:
        raise DataError(f"{where}: there is a box without a mask of run lengths, and masks are to be evaluated")
    if box.mask.size_hw != size_hw:
        raise DataError(
            f"{where}: a mask is for {list(box.mask.size_hw)}, and the annotations say that height and width of the image "
            f"are {list(size_hw)}"
        )
    return {"segmentation": box.mask.as_json()}


class _ImageIndex:
    """Which image of the ground truth each image of the results is.

    taken      image ids that results were given for
    looked_at  images that have a name and did not fail
    failed     images that did
    """

    def __init__(self, truth: CocoGroundTruth, name: str) -> None:
        self._truth, self._name = truth, name
        self._names = _NameIndex(truth)
        self._strangers: list[str] = []
        self._wrong_ids: list[int] = []
        self._twice: list[str] = []
        self._sizes = {image["id"]: (image.get("height"), image.get("width")) for image in truth.images}
        self._other_sizes: list[str] = []
        self.taken: set[int] = set()
        self.looked_at = self.failed = 0

    def place(self, image: StoredImage) -> int | None:
        """The image id of an image, or None where the ground truth does not have it."""
        if image.frame is not None:
            raise DataError(
                f"'{self._name}', {image.place}: these are results of a video, and its frames have no names here; the COCO "
                "file (-o out.json) or the YOLO folder of the same run can be evaluated"
            )
        self.failed += image.boxes is None
        self.looked_at += image.file is not None and image.boxes is not None
        image_id = self._names.find(image)
        if image_id is not None:
            if image_id in self.taken and image.whole:
                self._twice.append(str(image.file or image_id))
            elif self._is_of_another_size(image_id, image):
                self._other_sizes.append(str(image.file or image_id))
            self.taken.add(image_id)
        elif image.file is not None:
            self._strangers.append(image.file)
        elif image.image_id is not None:
            self._wrong_ids.append(image.image_id)
        return image_id

    def _is_of_another_size(self, image_id: int, image: StoredImage) -> bool:
        size = self._sizes[image_id]
        return image.size_hw is not None and None not in size and size != image.size_hw

    def check(self) -> None:
        """Raise DataError where ids are wrong, images stand twice, or none is known."""
        if self._wrong_ids:
            own = named([image["id"] for image in self._truth.images], most=3)
            ids = "1 image id" if len(self._wrong_ids) == 1 else f"{len(self._wrong_ids):,} image ids"
            raise DataError(
                f"{ids} in '{self._name}' cannot be found in '{self._truth.name}': "
                f"{named(self._wrong_ids)}; its own are {own}. 'detcli detect --gt' writes the ids of the annotations"
            )
        if self._twice:
            images = _counted(len(self._twice), "image")
            raise DataError(f"{images} in '{self._name}' more than once: {named(self._twice)}")
        if self._strangers and not self.taken:
            own = named([image["file_name"] for image in self._truth.images], most=3)
            raise DataError(
                f"none of the {len(self._strangers):,} images in '{self._name}' is in '{self._truth.name}': "
                f"there is {named(self._strangers, most=3)}, and the annotations have {own}"
            )

    def notes(self) -> Iterator[str]:
        """What is odd but bearable."""
        if self._strangers:
            images = _counted(len(self._strangers), "image")
            yield f"{images} not in the annotations and left out: {named(self._strangers, most=3)}"
        if self.failed:
            yield f"{_counted(self.failed, 'image')} in the results as failed: the ground truth of them counts as missed"
        if self._other_sizes:
            yield (
                f"{_counted(len(self._other_sizes), 'image')} of another size here than in the annotations, so boxes "
                f"do not meet: {named(self._other_sizes, most=3)}. 'detcli eval --model' turns boxes with their "
                "images, where cameras left that to EXIF"
            )
        missing = len(self._truth.images) - len(self.taken)
        if missing:
            yield (
                f"{missing:,} of the {len(self._truth.images):,} images of the annotations have no results: what is "
                "true of them counts as missed"
            )


class _NameIndex:
    """Image ids of the ground truth by what results call the images."""

    def __init__(self, truth: CocoGroundTruth) -> None:
        self._by_id = {image["id"]: posix_name(image["file_name"]) for image in truth.images}
        self._by_name: dict[str, int | None] = {}
        self._by_last_part: dict[str, int | None] = {}
        for image_id, name in self._by_id.items():
            last = _last_part(name)
            self._by_name[name] = None if name in self._by_name else image_id
            self._by_last_part[last] = None if last in self._by_last_part else image_id

    def find(self, image: StoredImage) -> int | None:
        """The id, or None where the ground truth has no such image, or several."""
        if image.file is None:
            return image.image_id if image.image_id in self._by_id else None
        parts = posix_name(image.file).split("/")
        for start in range(len(parts)):  # "in/sub/a.jpg", as it was typed, then "sub/a.jpg", then "a.jpg"
            image_id = self._by_name.get("/".join(parts[start:]))
            if image_id is not None:
                return image_id
        if image.image_id is not None and _last_part(self._by_id.get(image.image_id, "")) == parts[-1]:
            return image.image_id
        return self._by_last_part.get(parts[-1])


class _CategoryIndex:
    """Category ids of the ground truth by the label of a box, or by its own id where it has no label."""

    def __init__(self, truth: CocoGroundTruth, name: str) -> None:
        self._truth, self._name = truth, name
        self._ids: dict[str, int] = {}
        for category_id, label in truth.categories.items():
            self._ids.setdefault(plain_name(label), category_id)
        self._found: dict[str | int, int | None] = {}
        self._counts: Counter[str | int] = Counter()

    @property
    def seen(self) -> int:
        """How many boxes were looked at."""
        return self._counts.total()

    def find(self, box: StoredBox) -> int | None:
        """The id, or None where the ground truth has no such category."""
        key: str | int = box.label if box.label is not None else box.category_id or 0
        self._counts[key] += 1
        if key not in self._found:
            known = (
                self._ids.get(plain_name(key))
                if isinstance(key, str)
                else key
                if key in self._truth.categories
                else None
            )
            self._found[key] = known
        return self._found[key]

    def check(self) -> None:
        """Raise DataError where no category is known, or the ids are those of another numbering."""
        unknown = self._unknown()
        if not unknown:
            return
        categories = self._truth.categories
        has = named([f"{number} {label}" for number, label in sorted(categories.items())])
        if len(unknown) == len(self._found):
            raise DataError(
                f"none of the categories in '{self._name}' is in '{self._truth.name}': {named(unknown)}; it has {has}"
            )
        ids = {key for key in self._found if isinstance(key, int)}
        count = len(categories)
        for first in (0, 1):
            if ids and ids <= set(range(first, first + count)):
                raise DataError(
                    f"the category ids in '{self._name}' look like class numbers counted from {first}, not like those of "
                    f"'{self._truth.name}', which does not have {named(unknown)}; it has {has}. "
                    "'detcli detect --gt' writes the ids of the annotations"
                )

    def notes(self) -> Iterator[str]:
        """What is odd but bearable."""
        unknown = self._unknown()
        if unknown:
            boxes = sum(self._counts[key] for key in unknown)
            yield (
                f"{_counted(boxes, 'detection')} left out, of {named(unknown)}: the annotations have no such category"
            )

    def _unknown(self) -> list[str | int]:
        return sorted((key for key, found in self._found.items() if found is None), key=str)


def _result_notes(results: Sequence[Result], seen: int, *, masks: bool) -> Iterator[str]:
    if not seen:
        yield "nothing was found in any image: each figure is 0"
        return
    rows = {hash((r["image_id"], r["category_id"], *r["bbox"], r["score"])) for r in results}
    repeated = len(results) - len(rows)
    if repeated:
        yield f"{_counted(repeated, 'detection')} there a second time: each counts as a false alarm"
    least = min((r["score"] for r in results), default=0.0)
    if least > _THRESHOLD_NOTED:
        command = "segment --task instance" if masks else "detect"
        yield (
            f"the lowest score is {least:.3g}: results cut off at a threshold have a lower AP; "
            f"'detcli {command} -f coco-results' keeps every score"
        )


def _counted(count: int, noun: str) -> str:
    """With its noun and verb: 1 image is, 2 images are."""
    return f"{count:,} {noun} is" if count == 1 else f"{count:,} {noun}s are"


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]
