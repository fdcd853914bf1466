"""The parts of a dataset that is rewritten as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from detcli.datasets.dataset import Dataset
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.engine.data.data_parts import WantedPart, open_all, wanted_parts
from detcli.engine.data.data_request import DataObserver, DataRequest
from detcli.engine.data.dataset_output import ALL, DatasetOutput
from detcli.inspection.findings import DataPart


def all_parts(output: DatasetOutput) -> list[WantedPart]:
    """The parts to write: at least one. Raises NoDataError if there is no dataset."""
    data, images = output.data, output.images
    part = None if output.part == ALL else output.part
    parts = wanted_parts(DataRequest(data=data, images=images, part=part))
    return [replace(wanted, first_pixel=output.first_pixel) for wanted in parts]


def open_and_warn(
    parts: Sequence[WantedPart], observer: DataObserver, open_part: Callable[[WantedPart], Dataset]
) -> list[DataPart]:
    """Open parts, and report them and what is wrong in them. Raises what `open_part` raises."""
    opened = open_all(parts, observer, open_part)
    for part in opened:
        for issue in part.dataset.report.details:
            if not issue.harmless:
                observer.on_warning(f"{part.name}: {issue.message}")
    return opened


def usable_images(part: DataPart) -> list[int]:
    """Indices of the images of a known size that is that of their annotations."""
    dataset = part.dataset
    return [
        index
        for index in range(len(dataset))
        if dataset.size_hw(index) is not None
        and (not isinstance(dataset, AnnotatedImages) or dataset.is_of_annotated_size(index))
    ]
