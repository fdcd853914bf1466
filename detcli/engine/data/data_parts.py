"""Opens the parts of the data of a request."""

from dataclasses import dataclass
from pathlib import Path

from detcli.datasets.dataset import Dataset, Part, has_part, open_dataset
from detcli.engine.data.data_request import DataObserver, DataRequest
from detcli.errors import DataError, NoDataError, UsageError
from detcli.inspection.findings import DataPart


@dataclass(frozen=True, slots=True)
class WantedPart:
    """A part of the data that is not open yet.

    name    "train", "val" or "data"; with the name of the dataset if there are several for validation
    where   the dataset
    part    of the dataset
    images  folder of its images, or None
    """

    name: str
    where: str
    part: Part
    images: Path | None

    def open(self) -> Dataset:
        """Open and check it. Raises what `open_dataset` raises."""
        return open_dataset(self.where, part=self.part, images=self.images)

    def open_with_masks(self) -> Dataset:
        """Open it with masks, or without them if some of its boxes have none. Raises what `open_dataset` raises."""
        dataset = self.open()
        try:
            with_masks = open_dataset(self.where, part=self.part, images=self.images, masks=True)
        except (UsageError, DataError, NoDataError):
            return dataset
        found, whole = with_masks.report, dataset.report
        same = (found.images, found.boxes, found.crowd) == (whole.images, whole.boxes, whole.crowd)
        return with_masks if same else dataset


def open_parts(request: DataRequest, observer: DataObserver, *, masks: bool = False) -> list[DataPart]:
    """Open the parts of the data: at least one. Raises what `open_dataset` raises.

    masks  with masks, if the data has them for all boxes
    """
    opened = []
    for wanted in wanted_parts(request):
        dataset = wanted.open_with_masks() if masks else wanted.open()
        observer.on_dataset(wanted.name, dataset.report)
        opened.append(DataPart(wanted.name, dataset))
    return opened


def wanted_parts(request: DataRequest) -> list[WantedPart]:
    """The parts to open: at least one. Raises NoDataError if there is no dataset."""
    if request.part is not None:
        return [WantedPart(request.part, request.data, request.part, request.images)]
    if request.val:
        several = len(request.val) > 1
        return [
            WantedPart("train", request.data, "train", request.images),
            *(
                WantedPart(f"val '{where}'" if several else "val", where, "val", request.val_images)
                for where in request.val
            ),
        ]
    parts: tuple[Part, ...] = ("train", "val")
    found = [WantedPart(part, request.data, part, request.images) for part in parts if has_part(request.data, part)]
    return found or [WantedPart("data", request.data, "train", request.images)]
