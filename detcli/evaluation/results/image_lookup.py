"""Reads the images that COCO annotations name, from the folder next to the annotations that has them."""

from pathlib import Path

from detcli.datasets.images.find_images import best_folder, found_by_end, image_folders, relative_to_folder
from detcli.errors import ImageError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.io.coco.coco_reader import posix_name
from detcli.io.images.decode import decode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS, MAX_IMAGE_BYTES
from detcli.io.read import read_bytes
from detcli.io.remote.store_path import StorePath
from detcli.structures.frame import Pixels


class ImageLookup:
    """The images of COCO annotations by image id.

    folder  that file names are relative to; None: search next to the annotations, as for a dataset; for annotations in an
            object store, in the current folder

    A name that leads out of the folder is never followed.
    """

    def __init__(self, annotations: Path, ground_truth: CocoGroundTruth, folder: Path | None) -> None:
        self._names = {image["id"]: posix_name(image["file_name"]) for image in ground_truth.images}
        nearby = ["."] if isinstance(annotations, StorePath) else image_folders(annotations.absolute(), "val")
        candidates = nearby if folder is None else [str(folder)]
        names = list(self._names.values())
        best, count = best_folder(names, candidates)
        self._by_end: dict[str, str] = {}
        if not count and names and candidates:
            best, found = found_by_end(names, candidates)
            self._by_end = {names[index]: file for index, file in found.items()}
        self._folder = best if count or self._by_end else None

    @property
    def folder(self) -> str | None:
        """The folder that the images are read from; None if none has them."""
        return None if self._folder is None else self._folder.root

    @property
    def found(self) -> bool:
        """Whether the folder has any of a sample of the images."""
        return self._folder is not None

    def read(self, image_id: int) -> Pixels | None:
        """The upright image, uint8 [H, W, 3] RGB; None if it is missing or cannot be read."""
        if self._folder is None:
            return None
        relative = relative_to_folder(self._names[image_id], self._folder.root)
        name = None if relative is None else self._folder.find(relative)
        name = name or self._by_end.get(self._names[image_id])
        if name is None:
            return None
        try:
            data = read_bytes(self._folder.path(name), max_bytes=MAX_IMAGE_BYTES)
            return decode(data, max_pixels=DEFAULT_MAX_PIXELS).pixels
        except ImageError:
            return None
