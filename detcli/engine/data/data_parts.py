"""Opens the parts of the data of a request."""

from detcli.datasets.dataset import Part, has_part, open_dataset
from detcli.engine.data.data_request import DataObserver, DataRequest
from detcli.inspection.findings import DataPart


def open_parts(request: DataRequest, observer: DataObserver) -> list[DataPart]:
    """Open the parts of the data: at least one.

    Raises NoDataError, UsageError or DataError as `open_dataset` does.
    """
    opened = []
    for number, (name, where, part) in enumerate(_wanted(request)):
        images = request.val_images if request.val and number else request.images
        dataset = open_dataset(where, part=part, images=images)
        observer.on_dataset(name, dataset.report)
        opened.append(DataPart(name, dataset))
    return opened


def _wanted(request: DataRequest) -> list[tuple[str, str, Part]]:
    """Name of the part, dataset, and the part of the dataset to open."""
    if request.part is not None:
        return [(request.part, request.data, request.part)]
    if request.val:
        several = len(request.val) > 1
        others: list[tuple[str, str, Part]] = [
            (f"val '{where}'" if several else "val", where, "val") for where in request.val
        ]
        return [("train", request.data, "train"), *others]
    parts: tuple[Part, ...] = ("train", "val")
    found: list[tuple[str, str, Part]] = [(part, request.data, part) for part in parts if has_part(request.data, part)]
    return found or [("data", request.data, "train")]
