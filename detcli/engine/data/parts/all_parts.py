"""The parts of a dataset that is rewritten as a whole: those that training uses, and a part for testing next to them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from detcli.datasets.dataset import Dataset, has_part
from detcli.datasets.formats.dataset_layout import TEST
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.engine.data.data_parts import WantedPart, wanted_parts
from detcli.engine.data.data_request import DataObserver, DataRequest
from detcli.engine.data.dataset_output import ALL, DatasetOutput
from detcli.errors import DataError, NoDataError
from detcli.inspection.findings import DataPart


def all_parts(output: DatasetOutput) -> list[WantedPart]:
    """The parts to write: at least one. Raises NoDataError if there is no dataset."""
    data, images = output.data, output.images
    part = None if output.part == ALL else output.part
    parts = wanted_parts(DataRequest(data=data, images=images, part=part))
    if part is None and parts[0].name != "data" and has_part(data, TEST):
        parts.append(WantedPart(TEST, data, TEST, images))
    return [replace(wanted, first_pixel=output.first_pixel) for wanted in parts]


def open_all(
    parts: Sequence[WantedPart], observer: DataObserver, open_part: Callable[[WantedPart], Dataset]
) -> list[DataPart]:
    """Open parts, and report them and what was found; a part for testing that cannot be used is left out, and that is said.

    Raises what `open_part` raises.
    """
    opened: list[DataPart] = []
    for wanted in parts:
        try:
            dataset = open_part(wanted)
        except (DataError, NoDataError) as error:
            if wanted.name != TEST or not opened:
                raise
            observer.on_warning(f"the part 'test' is left out: {error}")
            continue
        observer.on_dataset(wanted.name, dataset.report)
        for issue in dataset.report.details:
            if not issue.harmless:
                observer.on_warning(f"{wanted.name}: {issue.message}")
        opened.append(DataPart(wanted.name, dataset))
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
