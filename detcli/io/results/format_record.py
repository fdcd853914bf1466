"""The record of a result format: everything that detcli knows about one, and what results may hold.

Help pages list the formats from here, so nothing here imports numpy, a reader or a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.registry import import_attribute

Rows = Literal["images", "boxes"]  # what a row of a table of results is

# What results may hold besides boxes with scores, as a sentence names it.
CONTENTS = {
    "failed": "failed images",
    "empty": "images without detections",
    "masks": "masks",
    "tracks": "track ids",
    "uncertainty": "standard deviations of edges",
    "sizes": "sizes of images",
    "names": "names of images and classes",
    "provenance": "the provenance of the run",
    "video": "times of video frames",
    "ids": "category ids",
    "image_ids": "image ids of a ground truth",
}


@dataclass(frozen=True, slots=True)
class Format:
    """Everything that detcli knows about a result format.

    name               as `-f` takes it: "jsonl"
    title              as a sentence names it: "JSON Lines"
    description        what a file or folder of it holds, for the documentation
    suffixes           lower case, with the dot. If several formats have a suffix, an output of that suffix is of the
                       first one, and the format of an existing file is recognized by its first bytes.
    writer             "module:Attribute" of a sink class with the interface `sinks.sink.ResultSink`; None: read only
    reader             "module:Attribute" of a function `path -> iterator of StoredImage`; None: write only
    recognizes         whether the first bytes of a file are of this format; None: cannot be recognized
    is_folder          a folder of files instead of one file
    files              suffix of the files in a folder, by which the format of an existing folder is recognized
    has_image_folder   a file, and next to it a folder of the same name without the suffix
    takes_boxes        takes detections without masks
    takes_masks        takes detections with masks
    needs_all_scores   made for computing AP, which needs detections of every score
    needs_end          the file has its content only at the end of a run
    needs_image_sizes  boxes are relative to the size of the image: the reader takes the sizes as a second argument
    options            fields of `SinkSettings` that only some formats use, and this one does
    extra              the extra of pyproject.toml without which the format can be neither written nor read; None: none
    metadata           "module:Attribute" of a function `path -> io.results.metadata.ResultsMetadata`; None: it has none
    has_paths          names of images are paths as the user typed them, not names below the common folder of the input
    loses              names in CONTENTS of what it cannot hold; conversions say so
    loses_with         what it cannot hold besides where an option is set, by the name of the option
    is_binary          nothing for a terminal
    """

    name: str
    title: str
    description: str
    suffixes: tuple[str, ...] = ()
    writer: str | None = None
    reader: str | None = None
    recognizes: Callable[[bytes], bool] | None = None
    is_folder: bool = False
    files: str | None = None
    has_image_folder: bool = False
    takes_boxes: bool = True
    takes_masks: bool = True
    needs_all_scores: bool = False
    needs_end: bool = False
    needs_image_sizes: bool = False
    options: tuple[str, ...] = ()
    extra: str | None = None
    metadata: str | None = None
    has_paths: bool = False
    loses: tuple[str, ...] = ()
    loses_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_binary: bool = False

    def lost(self, options: Collection[str] = ()) -> frozenset[str]:
        """Names in CONTENTS of what it cannot hold where these options are set."""
        return frozenset(self.loses).union(*(self.loses_with.get(option, ()) for option in options))

    def load_writer(self) -> Any:
        """Import the sink class. Raises UsageError if there is none, or if it cannot be imported."""
        return self._load(self.writer, "written")

    def load_reader(self) -> Any:
        """Import the function that reads. Raises UsageError if there is none, or if it cannot be imported."""
        return self._load(self.reader, "read")

    def load_metadata(self, path: Path) -> Any:
        """What results say besides their images, a `ResultsMetadata`; None for a format that has no such thing."""
        return None if self.metadata is None else self._load(self.metadata, "read")(path)

    def image_folder(self, path: Path) -> Path | None:
        """The folder next to an output file, or None if the format has none.

        panopticapi expects the images of `out.json` in `out/`. Raises UsageError if the file name has no suffix.
        """
        if not self.has_image_folder:
            return None
        if path.suffix.lower() not in self.suffixes or is_stream(path):
            raise UsageError(
                f"{self.name} writes a file and a folder of the same name: end '{path}' in {' or '.join(self.suffixes)}"
            )
        return path.with_suffix("")

    def _load(self, location: str | None, verb: str) -> Any:
        if location is None:
            raise UsageError(f"results cannot be {verb} as {self.title} (format '{self.name}')")
        try:
            return import_attribute(location)
        except (ImportError, AttributeError) as error:
            if location.startswith("detcli."):
                raise  # a bug of detcli must not be reported as a broken plug-in
            raise UsageError(f"cannot load '{location}' of the format '{self.name}': {error}") from error
