"""`check_dataset` and `dataset_statistics`: look at a dataset before training, as the commands of `detcli data` do."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detcli.argument_checks import StrPath
    from detcli.engine.data.data_request import DataObserver
    from detcli.inspection.dataset_statistics import DataStatistics
    from detcli.inspection.findings import DataReport
    from detcli.io.outputs import IfExists


def check_dataset(
    data: "StrPath",
    *,
    val: "StrPath | Sequence[StrPath] | None" = None,
    images: "StrPath | None" = None,
    val_images: "StrPath | None" = None,
    part: Literal["train", "val", "test"] | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    model: str | None = None,
    decode: Literal["none", "small", "full"] = "small",
    workers: int | None = None,
    observer: "DataObserver | None" = None,
) -> "DataReport":
    """Find mistakes in a dataset, as `detcli data check` does.

    data        dataset as `train` takes it: COCO annotations, a folder of any format, or "shapes"
    val         validation data, or a list; None: the validation part of `data`, if it has one
    images      folder that file names of `data` start from; None: found next to the annotations
    val_images  the same for `val`
    part        "train", "val" or "test": only this part of `data`; None: all that it has
    image_size  input size of the network, an int (a square) or (height, width), at which boxes must not be too small; None: that of
                the model
    model       that gives the input size, and says whether images keep their aspect ratio; it is downloaded if it is missing.
                None: images are stretched, to 640 x 640
    decode      how images are read: "small", a JPEG at a fraction of its size; "full", as training does; "none": only
                their files are compared
    workers     threads that read images; None: one per processor
    observer    gets the events of the check (`detcli.DataObserver`)

    Returns the findings: `report.errors` is the number of parts that cannot be used, `report.warnings` the number of findings that
    cost accuracy or make metrics wrong. Raises TypeError for an argument of a wrong type, UsageError (a ValueError) for a
    wrong value, and NoDataError if there is no such data.
    """
    arguments = locals()
    from detcli.argument_checks import check_size
    from detcli.engine.data.check_data import check_data
    from detcli.engine.data.data_request import CheckRequest, DataRequest

    names = ["data", "val", "images", "val_images", "part", "workers"]
    request = DataRequest(**{name: arguments[name] for name in names})
    size = None if image_size is None else check_size("image_size", image_size)
    return check_data(CheckRequest(data=request, image_size=size, model=model, decode=decode), observer=observer)


def dataset_statistics(
    data: "StrPath",
    *,
    val: "StrPath | Sequence[StrPath] | None" = None,
    images: "StrPath | None" = None,
    val_images: "StrPath | None" = None,
    part: Literal["train", "val", "test"] | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    model: str | None = None,
    output: "StrPath | None" = None,
    if_exists: "IfExists" = "error",
    observer: "DataObserver | None" = None,
) -> "DataStatistics":
    """Count the images, boxes and classes of a dataset, and measure their sizes, as `detcli data stats` does.

    data        dataset as `train` takes it: COCO annotations, a folder of any format, or "shapes"
    val         validation data, or a list; None: the validation part of `data`, if it has one
    images      folder that file names of `data` start from; None: found next to the annotations
    val_images  the same for `val`
    part        "train", "val" or "test": only this part of `data`; None: all that it has
    image_size  input size of the network, an int (a square) or (height, width), that boxes are resized to; None: that of the model
    model       that gives the input size, and says whether images keep their aspect ratio; it is downloaded if it is missing.
                None: images are stretched, to 640 x 640
    output      folder for classes.png, boxes.png, images.png and statistics.json; None: nothing is written
    if_exists   "error", "overwrite" or "skip" files that exist
    observer    gets the events (`detcli.DataObserver`)

    Returns the statistics: `parts`, and `to_dict()` with all numbers as JSON values. Raises TypeError for an argument of a wrong type,
    UsageError (a ValueError) for a wrong value or without matplotlib, DataError for data that cannot be used, and
    OutputError if the folder cannot be written.
    """
    arguments = locals()
    from detcli.argument_checks import check_size
    from detcli.engine.data.data_request import DataRequest
    from detcli.engine.data.data_statistics import StatisticsRequest, compute_statistics

    request = DataRequest(**{name: arguments[name] for name in ("data", "val", "images", "val_images", "part")})
    size = None if image_size is None else check_size("image_size", image_size)
    return compute_statistics(
        StatisticsRequest(data=request, image_size=size, model=model, output=output, if_exists=if_exists),  # type: ignore[arg-type]
        observer=observer,
    )
