"""Which image of the ground truth each image of stored results is: by its name, or by its id if it has none."""

from collections.abc import Iterator

from detcli.errors import DataError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, quoted_names
from detcli.io.coco.coco_reader import posix_name
from detcli.io.results import StoredImage
from detcli.text import counted


class ImageIndex:
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


def _basename(name: str) -> str:
    return name.rpartition("/")[2]
