"""Computes the statistics of a dataset, and writes them with plots into a folder."""

from dataclasses import dataclass
from pathlib import Path

from detcli.argument_checks import check_choice, check_instance, check_path, check_size
from detcli.engine.data.data_parts import open_parts
from detcli.engine.data.data_request import DataObserver, DataRequest, requested_sizing
from detcli.engine.requests.record_fields import optional_path
from detcli.inspection.dataset_statistics import DataStatistics, part_statistics
from detcli.io.atomic_write import write_atomically
from detcli.io.outputs import IfExists, prepare_output


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRequest:
    """What `detcli data stats` is asked for.

    data        the data
    image_size  input size of the network, height and width, that boxes are resized to; None: that of the model
    model       that gives the input size and keeps the aspect ratio or not; None: images are stretched, to 640 x 640
    output      folder for statistics.json, classes.png, boxes.png and images.png; None: nothing is written
    if_exists   error, overwrite or skip
    """

    data: DataRequest
    image_size: tuple[int, int] | None = None
    model: str | None = None
    output: Path | None = None
    if_exists: IfExists = "error"

    def __post_init__(self) -> None:
        if self.image_size is not None:
            object.__setattr__(self, "image_size", check_size("image_size", self.image_size))
        if self.model is not None:
            object.__setattr__(self, "model", str(check_path("model", self.model)))
        object.__setattr__(self, "output", optional_path("output", self.output))
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))


def compute_statistics(request: StatisticsRequest, *, observer: DataObserver | None = None) -> DataStatistics:
    """Open the parts of the data, compute their statistics, and write them if that is requested.

    Raises UsageError, NoDataError or DataError if the data cannot be opened, UsageError if plots need a library that is
    missing, OutputError if the folder cannot be written, and errors of the model if one is named.
    """
    observer = DataObserver() if observer is None else check_instance("observer", observer, DataObserver)
    if request.output is not None:
        prepare_output(request.output, if_exists=request.if_exists, folder=True, resumable=False)
    sizing = requested_sizing(request.model, request.image_size)
    parts = open_parts(request.data, observer)
    statistics = DataStatistics(tuple(part_statistics(part, sizing) for part in parts))
    if request.output is not None:
        _write(statistics, request.output, request.if_exists, observer)
    return statistics


def _write(statistics: DataStatistics, folder: Path, if_exists: IfExists, observer: DataObserver) -> None:
    from detcli.evaluation.plots.dataset_plots import plot_boxes, plot_classes, plot_images

    files = {
        "classes.png": plot_classes(statistics),
        "boxes.png": plot_boxes(statistics),
        "images.png": plot_images(statistics),
        "statistics.json": statistics.to_json().encode(),
    }
    for name, content in files.items():
        path = folder / name
        if if_exists == "skip" and path.exists():
            observer.on_skipped_output(path)
        else:
            write_atomically(path, content)
