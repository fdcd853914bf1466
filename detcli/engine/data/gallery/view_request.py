"""What is asked for of a gallery of a dataset."""

from dataclasses import dataclass
from pathlib import Path

from detcli.argument_checks import check_choice, check_instance, check_int, check_texts
from detcli.engine.data.data_request import DataRequest
from detcli.engine.data.dataset_output import is_free, local_folder
from detcli.engine.requests.record_fields import store
from detcli.engine.results.report.report_request import DEFAULT_THUMBNAIL, MAX_THUMBNAIL, MIN_THUMBNAIL
from detcli.io.outputs import IfExists


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRequest:
    """A dataset that is shown in a gallery.

    data       the dataset
    output     folder of the gallery
    thumbnail  longer side of its images in pixels
    if_exists  "error", "overwrite" or "skip"
    protected  further files that the caller reads: never an output
    """

    data: DataRequest
    output: Path
    thumbnail: int = DEFAULT_THUMBNAIL
    if_exists: IfExists = "error"
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_instance("data", self.data, DataRequest)
        store(self, output=local_folder(self.output))
        store(self, protected=check_texts("protected", self.protected))
        check_int("thumbnail", self.thumbnail, at_least=MIN_THUMBNAIL, at_most=MAX_THUMBNAIL)
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))

    @property
    def reads(self) -> tuple[str, ...]:
        """Every file and folder that is read, as far as it is named."""
        data = self.data
        folders = (str(folder) for folder in (data.images, data.val_images) if folder is not None)
        return (data.data, *data.val, *folders, *self.protected)

    def is_free(self) -> bool:
        """Whether the folder is written; False if it exists and is skipped. Raises UsageError and OutputError."""
        return is_free(self.output, self.reads, self.if_exists)
