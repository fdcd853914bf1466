"""What stored results lack of their images: names and sizes, and the images themselves."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from detcli.errors import ImageError, InputError, UsageError
from detcli.io.coco.coco_entries import image_size
from detcli.io.coco.coco_reader import posix_name, read_coco_document
from detcli.io.images.limits import DEFAULT_MAX_PIXELS, MAX_IMAGE_BYTES
from detcli.io.read import read_bytes
from detcli.io.remote.addresses import is_remote, scheme_of
from detcli.io.results import ImageSizes, StoredImage
from detcli.sources.archives.archive_images import ArchiveImages, ArchiveSettings, MemberChoice
from detcli.sources.archives.archive_place import archive_place
from detcli.sources.images.argument_paths import is_range, may_exist
from detcli.sources.images.brace_ranges import expand_ranges
from detcli.sources.images.image_source import ImageSource
from detcli.sources.images.lazy_image import FailedImage, LazyImage
from detcli.sources.source import SourceItem, SourceSettings
from detcli.structures.frame import FailedFrame, Origin


class ImageFacts:
    """What images and annotations say about the images of results.

    images        folder or archive of the images, or None
    ground_truth  COCO annotations or a dataset, or None

    Raises UsageError if it is missing.
    """

    def __init__(self, images: Path | None, ground_truth: Path | None) -> None:
        if images is not None and not _holds_images(str(images)):
            raise UsageError(f"`images` must be a folder or an archive of images, and '{images}' is none")
        self._folder = None if images is None else FolderImages(images)
        self._sizes, self._names = ({}, {}) if ground_truth is None else _annotated(ground_truth)

    def sizes(self, path: Path) -> ImageSizes:
        """Sizes by name, for boxes that are relative to them. Raises UsageError if there are none."""
        if self._folder is not None:
            return self._folder
        if self._sizes:
            return self._sizes
        raise UsageError(
            f"the boxes in '{path}' are relative to the size of each image: name the folder of the images in `images`"
        )

    def complete(self, image: StoredImage, path: Path) -> StoredImage:
        """The image with its name and its size. Raises UsageError where one of both is unknown."""
        if image.file is None:
            name = None if image.image_id is None else self._names.get(image.image_id)
            if name is None:
                missing = "not in it" if self._names else "no name: set `ground_truth` to the annotations of the images"
                raise UsageError(
                    f"'{path}' has ids of images and no names, and the image {image.image_id} is {missing}"
                )
            image = replace(image, file=name)
        if image.boxes is None or image.size_hw is not None:
            return image
        size = self._size(str(image.file))
        if size is None:
            raise UsageError(
                f"'{path}' does not have the size of '{image.file}': name the folder of the images in `images`, or their "
                "annotations in `ground_truth`"
            )
        return replace(image, size_hw=size)

    def _size(self, name: str) -> tuple[int, int] | None:
        if name in self._sizes:
            return self._sizes[name]
        try:
            return None if self._folder is None else self._folder[name]
        except KeyError:
            return None


class FolderImages(Mapping[str, tuple[int, int]]):
    """The images of a folder by their name below it; as a mapping, their heights and widths, which are read when asked for.

    folder  is searched with the folders inside it; also an archive, or a range of archives
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._items = {item.origin.relative: item for item in ImageSource((str(folder),), SourceSettings())}
        self._by_last: dict[str, str | None] = {}
        for name in self._items:
            last = name.rpartition("/")[2]
            self._by_last[last] = None if last in self._by_last else name
        self._known: dict[str, tuple[int, int]] = {}

    def find(self, name: str) -> SourceItem | None:
        """The image of a name or a path in results: by its end below the folder, or by its last part if that is unique."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        for start in range(len(parts)):
            item = self._items.get("/".join(parts[start:]))
            if item is not None:
                return item
        match = self._by_last.get(parts[-1]) if parts else None
        return None if match is None else self._items[match]

    def __getitem__(self, name: str) -> tuple[int, int]:
        if name not in self._known:
            item = self.find(name)
            if item is None:
                raise KeyError(name)
            frame = item()
            if isinstance(frame, FailedFrame):
                raise InputError(f"cannot read the size of '{item.origin.file}': {frame.message}")
            self._known[name] = frame.size_hw
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class ImageFinder:
    """The images of results by their names.

    folder  where they are found; None: where the results say
    """

    def __init__(self, folder: Path | None) -> None:
        self._where = folder
        self._folder = None if folder is None else FolderImages(folder)
        self._archives = ArchiveImages(ArchiveSettings(MemberChoice(()), MAX_IMAGE_BYTES))

    def find(self, origin: Origin) -> SourceItem:
        """The image with the names of an origin; one that is not there fails when it is read."""
        if self._folder is not None:
            found = self._folder.find(origin.file) or self._folder.find(origin.relative)
            missing = ImageError("not-found", f"no image of this name is in '{self._where}'")
            return found or LazyImage(origin, FailedImage(missing), DEFAULT_MAX_PIXELS)
        if scheme_of(origin.file) is not None and not is_remote(origin.file):
            missing = ImageError("unsupported", "it is not a file: set `images`")
            return LazyImage(origin, FailedImage(missing), DEFAULT_MAX_PIXELS)
        place = archive_place(origin.file)
        if place is not None and place.is_member:
            return LazyImage(origin, self._archives.reader(place), DEFAULT_MAX_PIXELS)
        return LazyImage(origin, partial(read_bytes, origin.file, max_bytes=MAX_IMAGE_BYTES), DEFAULT_MAX_PIXELS)


def _holds_images(path: str) -> bool:
    if is_range(path):
        return any(map(may_exist, expand_ranges(path)))
    place = archive_place(path)
    return os.path.isdir(path) if place is None else os.path.isfile(place.path)  # noqa: PTH112, PTH113 - any name


def _annotated(ground_truth: Path) -> tuple[dict[str, tuple[int, int]], dict[int, str]]:
    """Sizes by name, and names by id."""
    from detcli.evaluation.results.ground_truth_data import coco_file, open_ground_truth  # most commands need neither

    path = coco_file(ground_truth)
    if path is None:
        document = open_ground_truth(ground_truth, images=None, masks=False)[0].annotations()
    else:
        document = read_coco_document(path, invalid=UsageError, sections=("images", "categories"))
    sizes: dict[str, tuple[int, int]] = {}
    names: dict[int, str] = {}
    for image in document["images"]:
        if (
            not isinstance(image, dict)
            or not isinstance(image.get("file_name"), str)
            or type(image.get("id")) is not int
        ):
            continue
        name, size = posix_name(image["file_name"]), image_size(image)
        names[image["id"]] = name
        if size is not None:
            sizes[name] = size
    return sizes, names
