"""`split_dataset`, `convert_dataset`, `view_dataset`: write datasets and galleries made of others, as the commands of `detcli data` do."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detcli.argument_checks import StrPath
    from detcli.engine.data.convert_request import ConvertReport
    from detcli.engine.data.data_request import DataObserver
    from detcli.engine.data.image_placement import Placement
    from detcli.engine.data.split_request import SplitReport
    from detcli.io.outputs import IfExists
    from detcli.pipeline.statistics import RunStats
    from detcli.structures.stop_signal import StopSignal


def split_dataset(
    data: "StrPath",
    output: "StrPath",
    *,
    parts: "Mapping[str, int | float] | None" = None,
    group_by: str | None = None,
    near_duplicates: bool = False,
    seed: int = 0,
    images: "StrPath | None" = None,
    part: Literal["train", "val", "test", "all"] | None = None,
    first_pixel: Literal[0, 1] | None = None,
    image_files: "Placement" = "link",
    if_exists: "IfExists" = "error",
    workers: int | None = None,
    observer: "DataObserver | None" = None,
) -> "SplitReport":
    """Divide a dataset into parts, as `detcli data split` does.

    data             dataset as `train` takes it: COCO annotations, a folder of any format, or "shapes"
    output           folder of the new dataset: COCO annotations of each part, and links to the images
    parts            share of each part by its name: a fraction of the images (a float), or their number (an int); "train" gets
                     the rest if it is left out. None: {"val": 0.2}
    group_by         images that stay in one part: "folder", a field of the images in COCO annotations such as "video_id", or a
                     regular expression that is searched in their names; None: each image is for itself
    near_duplicates  images that look almost the same stay in one part, too; all images are read
    seed             random seed: the same seed gives the same parts
    images           folder that file names of `data` start from; None: found next to the annotations
    part             "train", "val" or "test": only this part of `data`, or "all" together; needed if it has several
    first_pixel      0 or 1: from which number Pascal VOC counts pixels (from 1, xmax and ymax are the last pixel); None: found
                     in the files
    image_files      "link" images into `output`, "copy" them, or "none"
    if_exists        "error", "overwrite" or "skip" an output that exists
    workers          threads that write images; None: one per processor
    observer         gets the events (`detcli.DataObserver`)

    Returns the parts with their sizes. Raises TypeError for an argument of a wrong type, UsageError (a ValueError) for parts
    that are impossible, and DataError for data that cannot be used, before anything is written.
    """
    arguments = locals()
    from detcli.engine.data.split_data import split_data
    from detcli.engine.data.split_request import DEFAULT_PARTS, SplitRequest

    names = [
        "data",
        "output",
        "group_by",
        "near_duplicates",
        "seed",
        "images",
        "part",
        "first_pixel",
        "image_files",
        "if_exists",
        "workers",
    ]
    request = SplitRequest(
        **{name: arguments[name] for name in names}, parts=dict(DEFAULT_PARTS) if parts is None else parts
    )
    return split_data(request, observer=observer)


def convert_dataset(
    data: "StrPath",
    output: "StrPath",
    *,
    format: Literal["coco", "yolo", "voc", "label-studio"],  # noqa: A002 - the name of the option
    masks: bool = True,
    images: "StrPath | None" = None,
    part: Literal["train", "val", "test"] | None = None,
    first_pixel: Literal[0, 1] | None = None,
    image_files: "Placement" = "link",
    if_exists: "IfExists" = "error",
    workers: int | None = None,
    observer: "DataObserver | None" = None,
) -> "ConvertReport":
    """Write a dataset in another format, as `detcli data convert` does.

    data         a dataset in any format that `train` reads, or "shapes"
    output       folder of the new dataset
    format       "coco", "yolo", "voc" or "label-studio"
    masks        write the masks that the data has: as polygons, in COCO as they are
    images       folder that file names of `data` start from; None: found next to the annotations
    part         "train", "val" or "test": only this part of `data`; None: all parts
    first_pixel  0 or 1: from which number Pascal VOC counts pixels (from 1, xmax and ymax are the last pixel); None: found
                 in the files
    image_files  "link" images into `output`, "copy" them, or "none"
    if_exists    "error", "overwrite" or "skip" an output that exists
    workers      threads that write images; None: one per processor
    observer     gets the events (`detcli.DataObserver`); `on_warning` says what the format cannot hold

    Returns the parts with their numbers of images and boxes. Raises TypeError for an argument of a wrong type, UsageError
    (a ValueError) for a wrong value, and DataError for data that cannot be used, before anything is written.
    """
    arguments = locals()
    from detcli.engine.data.convert_data import convert_data
    from detcli.engine.data.convert_request import ConvertRequest

    names = [
        "data",
        "output",
        "format",
        "masks",
        "images",
        "part",
        "first_pixel",
        "image_files",
        "if_exists",
        "workers",
    ]
    return convert_data(ConvertRequest(**{name: arguments[name] for name in names}), observer=observer)


def view_dataset(
    data: "StrPath",
    output: "StrPath",
    *,
    val: "StrPath | Sequence[StrPath] | None" = None,
    images: "StrPath | None" = None,
    val_images: "StrPath | None" = None,
    part: Literal["train", "val", "test"] | None = None,
    thumbnail: int = 320,
    if_exists: "IfExists" = "error",
    workers: int | None = None,
    observer: "DataObserver | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Show a dataset in an HTML gallery, as `detcli data view` does.

    data        dataset as `train` takes it: COCO annotations, a folder of any format, or "shapes"
    output      folder of the gallery; open its index.html
    val         validation data, or a list; None: the validation part of `data`, if it has one
    images      folder that file names of `data` start from; None: found next to the annotations
    val_images  the same for `val`
    part        "train", "val" or "test": only this part of `data`; None: all that it has
    thumbnail   longer side of the images in pixels
    if_exists   "error", "overwrite" or "skip" a gallery that exists
    workers     threads that read images; None: one per processor
    observer    gets the events (`detcli.DataObserver`)
    stop        ends it between two images, and nothing is written

    Returns the counts; `failed` are images that cannot be shown. Raises TypeError for an argument of a wrong type, UsageError
    (a ValueError) for a wrong value, and DataError for data that cannot be used.
    """
    arguments = locals()
    from detcli.engine.data.data_request import DataRequest
    from detcli.engine.data.gallery.view_data import view_data
    from detcli.engine.data.gallery.view_request import ViewRequest

    names = ["data", "val", "images", "val_images", "part", "workers"]
    given = {name: arguments[name] for name in ("output", "thumbnail", "if_exists")}
    request = ViewRequest(data=DataRequest(**{name: arguments[name] for name in names}), **given)
    return view_data(request, observer=observer, stop=stop)
