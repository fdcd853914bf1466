"""The output of the commands that write a dataset: a folder with annotations, and images or links to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from detcli.argument_checks import check_choice, check_path, check_positive, check_texts
from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES
from detcli.engine.data.image_placement import PLACEMENTS, Placement
from detcli.engine.requests.record_fields import optional_path, store
from detcli.errors import UsageError
from detcli.io.output_paths import has_visible_files, is_same_file
from detcli.io.outputs import IfExists, is_stream, prepare_output
from detcli.io.remote.addresses import scheme_of

if TYPE_CHECKING:
    from detcli.datasets.dataset import Part

ALL: Final = "all"  # parts of a dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOutput:
    """A dataset that is read, and the folder that is made of it.

    data         as `open_dataset` takes it
    images       folder that its file names are relative to; None: found next to the annotations
    part         "train", "val" or "test": only this part of `data`; "all", or None: what it has
    first_pixel  0 or 1: number of the first pixel in Pascal VOC; None: found in its files
    output       folder that is written
    image_files  "link" its images into the folder, "copy" them, or "none"
    if_exists    "error", "overwrite" or "skip"
    workers      threads that write images; None: one per processor
    protected    further files that the caller reads: never an output
    """

    data: str
    images: Path | None = None
    part: "Part | Literal['all'] | None" = None
    first_pixel: Literal[0, 1] | None = None
    output: Path
    image_files: Placement = "link"
    if_exists: IfExists = "error"
    workers: int | None = None
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        store(self, data=str(check_path("data", self.data)), images=optional_path("images", self.images))
        store(self, output=local_folder(self.output))
        store(self, protected=check_texts("protected", self.protected))
        if self.part is not None:
            check_choice("part", self.part, (*ALL_PART_NAMES, ALL))
        if self.first_pixel is not None and self.first_pixel not in (0, 1):
            raise UsageError(f"`first_pixel` must be 0 or 1, not {self.first_pixel}")
        check_choice("image_files", self.image_files, PLACEMENTS)
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))
        if self.workers is not None:
            check_positive("workers", self.workers)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every file and folder that is read, as far as it is named."""
        return (self.data, *(() if self.images is None else (str(self.images),)), *self.protected)

    def is_free(self) -> bool:
        """Whether the folder is written; False if it exists and is skipped. Raises UsageError and OutputError."""
        return is_free(self.output, self.reads, self.if_exists)


def is_free(output: Path, reads: Iterable[str], if_exists: IfExists) -> bool:
    """Whether a folder is written; False if it exists and is skipped.

    reads  what the command reads: never its output

    Raises UsageError, and OutputError if the folder exists and may not be replaced.
    """
    if str(output) == "-" or is_stream(output):
        raise UsageError(f"the output is a folder of files: `output` must name it, not '{output}'")
    if any(is_same_file(output, name) for name in reads):
        raise UsageError(f"'{output}' is input and output at once; write to another path")
    prepare_output(output, if_exists=if_exists, folder=True, resumable=False)
    return if_exists != "skip" or not has_visible_files(output)


def local_folder(output: object) -> Path:
    """The path of an output. Raises UsageError for an address of an object store."""
    path = check_path("output", output)
    address = str(output) if "://" in str(output) else str(path).replace(":/", "://", 1)  # a path has one slash
    if scheme_of(address) is not None:
        raise UsageError(f"the output is a folder of this machine, not '{address}'")
    return path
