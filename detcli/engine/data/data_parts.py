"""Opens the parts of the data of a request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detcli.datasets.coco.coco_panoptic import CocoPanopticDataset
from detcli.datasets.dataset import Dataset, Part, has_part, open_dataset
from detcli.datasets.formats.dataset_layout import TEST
from detcli.datasets.instance_masks import MaskUse
from detcli.engine.data.data_request import DataObserver, DataRequest
from detcli.errors import DataError
from detcli.inspection.findings import DataPart
from detcli.text import counted


@dataclass(frozen=True, slots=True)
class WantedPart:
    """A part of the data that is not open yet.

    name    "train", "val", "test" or "data"; with the name of the dataset if there are several for validation
    where   the dataset
    part    of the dataset
    images  folder of its images, or None
    first_pixel  in Pascal VOC, or None
    optional     whether it is left out if it cannot be used, such as a part for testing without annotations
    """

    name: str
    where: str
    part: Part
    images: Path | None
    first_pixel: Literal[0, 1] | None = None
    optional: bool = False

    def open(self, *, masks: MaskUse = False) -> Dataset:
        """Open and check it. Raises what `open_dataset` raises."""
        return open_dataset(self.where, part=self.part, images=self.images, masks=masks, first_pixel=self.first_pixel)

    def open_with_masks(self, warn: Callable[[str], None]) -> Dataset:
        """Open it with the masks that it has; the masks of other boxes are empty.

        warn  gets a sentence if the masks of panoptic data are left out because PNGs are missing

        Raises what `open_dataset` raises.
        """
        dataset = self.open(masks="optional")
        if not isinstance(dataset, CocoPanopticDataset):
            return dataset
        try:
            whole = self.open(masks=True)
        except DataError as error:
            why = str(error)
        else:
            if len(whole) == len(dataset):
                return whole
            why = f"{counted(len(dataset) - len(whole), 'image')} would be left out with them"
        dataset = self.open()
        warn(f"{self.name}: the masks are left out: {why}")
        return dataset


def open_parts(request: DataRequest, observer: DataObserver, *, masks: bool = False) -> list[DataPart]:
    """Open the parts of the data: at least one. Raises what `open_dataset` raises.

    masks  with the masks that the data has
    """

    def open_part(wanted: WantedPart) -> Dataset:
        return wanted.open_with_masks(observer.on_warning) if masks else wanted.open()

    return open_all(wanted_parts(request), observer, open_part)


def open_all(
    parts: Sequence[WantedPart], observer: DataObserver, open_part: Callable[[WantedPart], Dataset]
) -> list[DataPart]:
    """Open parts and report them; one that is optional and cannot be used is left out, and that is said.

    Raises what `open_part` raises.
    """
    opened: list[DataPart] = []
    for wanted in parts:
        try:
            dataset = open_part(wanted)
        except DataError as error:
            if not wanted.optional:
                raise
            observer.on_warning(f"the part '{wanted.name}' is left out: {error}")
            continue
        observer.on_dataset(wanted.name, dataset.report)
        opened.append(DataPart(wanted.name, dataset))
    return opened


def wanted_parts(request: DataRequest) -> list[WantedPart]:
    """The parts to open: at least one that is not optional. Raises NoDataError if there is no dataset."""
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
    if not found:
        return [WantedPart("data", request.data, "train", request.images)]
    if has_part(request.data, TEST):
        found.append(WantedPart(TEST, request.data, TEST, request.images, optional=True))
    return found
