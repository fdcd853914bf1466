"""The stored results of one run: read once to learn what they hold, and again as results for sinks."""

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detcli.engine.results.class_table import ClassTable
from detcli.engine.results.image_facts import ImageFacts
from detcli.engine.results.stored_limits import check_limits
from detcli.engine.results.stored_names import CommonFolder
from detcli.errors import InputError, NoDataError, UsageError
from detcli.io.remote.store_path import StorePath
from detcli.io.results import FORMATS, StoredImage, format_of_results, read_results
from detcli.io.results.metadata import ResultsMetadata

_OF_MODELS = (".pth", ".pt", ".ckpt", ".safetensors", ".onnx")
Numbered = tuple[int, StoredImage]


@dataclass(slots=True)
class Contents:
    """What stored results hold.

    images, failed, empty       numbers of images that were processed, that failed, that have no detections
    masks, tracks, uncertainty  whether detections have them
    ids                         whether a detection has a category id
    video                       whether there are frames of videos
    """

    images: int = 0
    failed: int = 0
    empty: int = 0
    masks: bool = False
    tracks: bool = False
    uncertainty: bool = False
    ids: bool = False
    video: bool = False


class StoredRun:
    """A file or a folder of results.

    path         of the results
    format_name  None: by its suffix and first bytes
    facts        names and sizes of images, which some formats lack

    Raises NoDataError, UsageError or InputError if it cannot be read.
    """

    def __init__(self, path: Path, format_name: str | None, facts: ImageFacts) -> None:
        self.path, self._facts = path, facts
        if not isinstance(path, StorePath) and not os.path.lexists(path):
            raise NoDataError(f"cannot read the results '{path}': there is no such file or folder")
        if path.suffix.lower() in _OF_MODELS:
            raise UsageError(
                f"'{path}' is a file of a model, not of results; models are converted by 'detcli models convert' and "
                "'detcli export'"
            )
        self.record = FORMATS[format_name or format_of_results(path)]
        metadata = self.record.load_metadata(path)
        self.metadata: ResultsMetadata = ResultsMetadata() if metadata is None else metadata
        self.contents = Contents()
        arguments = self.metadata.info.get("arguments")
        self.arguments = arguments if isinstance(arguments, dict) else {}
        self.common = CommonFolder(self.arguments)
        self.indices = array("q")  # positions in the input of the run, in its order
        self.names = array("q")  # hashes
        self._positions = array("q")  # the same as `indices`, in the order of the file
        self._own = array("q")  # the index that each image of the file has; -1: none
        self._ids = array("q")  # of the images that were processed
        self._of_rows = False  # an image may have several rows of a table
        self._all_indexed = True  # every image has an index, also those that were processed
        self._ids_are_indices = False

    @property
    def has_indices(self) -> bool:
        """Whether the results know the positions of their images in the input of the run."""
        return bool(self._own) and (self._all_indexed or self._ids_are_indices)

    @property
    def lacks(self) -> frozenset[str]:
        """Names in `formats.CONTENTS` of what the file cannot hold."""
        return self.record.lost() | self.metadata.lacks

    @property
    def has_ids(self) -> bool:
        """Whether every image that was processed has an id of a ground truth."""
        return bool(self._ids) and len(self._ids) == self.contents.images

    def has(self, name: str) -> bool:
        """Whether they hold what a name in `formats.CONTENTS` means."""
        if name in self.lacks:
            return False
        of_run = {"provenance": bool(self.metadata.info), "image_ids": self.has_ids and not self.has_indices}
        return bool(of_run[name] if name in of_run else getattr(self.contents, name, True))

    def scan(self, classes: ClassTable) -> None:
        """Read everything once, so that invalid results are found before anything is written.

        Raises InputError for an invalid value, and for the results of several runs in one file.
        """
        classes.declare(self.metadata.classes, self.path)
        for image in self._read():
            self._add(image)
            for box in image.boxes or ():
                classes.add(box, self.path)
        self._check_rows()
        self._ids_are_indices = self._have_ids_of_positions()
        self._positions = array("q", self._numbered())
        self.indices = array("q", sorted(self._positions)) if self._are_sorted_here else self._positions
        for before, after in zip(self.indices, self.indices[1:], strict=False):
            if after <= before:
                raise InputError(
                    f"'{self.path}': the image with the index {after} comes after the one with {before}; results of several "
                    "runs are joined by 'detcli merge' from their files"
                )

    def _check_rows(self) -> None:
        """Raise InputError if an image has rows in two places of a table, which would become two images."""
        if not self._of_rows or len(set(self.names)) == len(self.names):
            return
        seen: set[int] = set()
        for image in self._read():
            name = hash((image.file, image.frame))
            if name in seen:
                raise InputError(
                    f"'{self.path}': the rows of '{image.file}' are not together: sort them by file and frame"
                )
            seen.add(name)

    def images(self) -> Iterator[Numbered]:
        """The images with their positions in the input, in that order.

        Raises InputError if the results were changed since they were scanned.
        """
        if self._are_sorted_here:
            return iter(sorted(self._with_positions(), key=lambda pair: pair[0]))
        return self._with_positions()

    def _with_positions(self) -> Iterator[Numbered]:
        count = 0
        for count, image in enumerate(self._read(), 1):
            if count > len(self._positions):
                break
            yield self._positions[count - 1], image
        if count != len(self._positions):
            raise InputError(f"'{self.path}' was changed while it was read")

    @property
    def _are_sorted_here(self) -> bool:
        """Whether failed images are not at their places in the file, as in COCO."""
        return not self._all_indexed and self.contents.failed > 0

    def _numbered(self) -> Iterator[int]:
        """The position of each image; those without an index take the positions that failed images leave."""
        if self._all_indexed:
            yield from self._own
            return
        ids = iter(self._ids if self._ids_are_indices else ())
        failed = set(self._own)
        position = 0
        for index in self._own:
            if index >= 0:
                yield index
            elif self._ids_are_indices:
                yield next(ids) - 1
            else:
                while position in failed:
                    position += 1
                yield position
                position += 1

    def _read(self) -> Iterator[StoredImage]:
        sizes = self._facts.sizes(self.path) if self.record.needs_image_sizes else None
        for image in read_results(self.path, format_name=self.record.name, sizes=sizes):
            yield self._facts.complete(image, self.path)

    def _add(self, image: StoredImage) -> None:
        contents = self.contents
        check_limits(image, self.path)
        self.names.append(hash((image.file, image.frame)))
        self._own.append(-1 if image.index is None else image.index)
        self._of_rows = self._of_rows or not image.complete
        self._all_indexed = self._all_indexed and image.index is not None
        if image.boxes is None:
            contents.failed += 1
        else:
            contents.images += 1
            contents.empty += not image.boxes
            if image.image_id is not None:
                self._ids.append(image.image_id)
        contents.video = contents.video or image.frame is not None
        contents.ids = contents.ids or any(box.category_id is not None for box in image.boxes or ())
        contents.masks |= self._all_have("mask", image)
        contents.tracks |= self._all_have("track_id", image)
        contents.uncertainty |= self._all_have("box_std", image)
        if self.record.has_paths and image.file is not None:
            self.common.add(image.file)

    def _all_have(self, name: str, image: StoredImage) -> bool:
        """Whether the detections of an image have this; an error if only some have."""
        have = [getattr(box, name) is not None for box in image.boxes or ()]
        if any(have) and not all(have):
            what = {"mask": "a mask", "track_id": "a track id", "box_std": "standard deviations"}[name]
            raise InputError(f"'{self.path}', {image.position}: some detections have {what}, and others have none")
        return any(have)

    def _have_ids_of_positions(self) -> bool:
        """Whether image ids are positions + 1, as runs without a ground truth write them."""
        if not self.metadata.info or "gt" in self.arguments or not self._ids or len(self._ids) != self.contents.images:
            return False
        failed = {index for index in self._own if index >= 0}
        return min(self._ids) >= 1 and not failed.intersection(number - 1 for number in self._ids)


def check_consistent(runs: "list[StoredRun]") -> None:
    """Raise UsageError if only some of several runs have masks, track ids or standard deviations."""
    for name, what in (("masks", "masks"), ("tracks", "track ids"), ("uncertainty", "standard deviations of edges")):
        having = [run for run in runs if getattr(run.contents, name)]
        boxless = [run for run in runs if not getattr(run.contents, name) and run.contents.images > run.contents.empty]
        if having and boxless:
            raise UsageError(
                f"'{having[0].path}' has {what}, and '{boxless[0].path}' has none: they are of different runs"
            )
