"""`split_dataset`: writes datasets made of others, as the commands of `detcli data` do."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detcli.argument_checks import StrPath
    from detcli.engine.data.data_request import DataObserver
    from detcli.engine.data.image_placement import Placement
    from detcli.engine.data.split_request import SplitReport
    from detcli.io.outputs import IfExists


def split_dataset(
    data: "StrPath",
    output: "StrPath",
    *,
    parts: "Mapping[str, int | float] | None" = None,
    group_by: str | None = None,
    seed: int = 0,
    images: "StrPath | None" = None,
    part: Literal["train", "val"] | None = None,
    image_files: "Placement" = "link",
    if_exists: "IfExists" = "error",
    workers: int | None = None,
    observer: "DataObserver | None" = None,
) -> "SplitReport":
    """Divide a dataset into parts, as `detcli data split` does.

    data         COCO annotations, a folder of them, a YOLO folder or its data.yaml, or "shapes"
    output       folder of the new dataset: COCO annotations of each part, and links to the images
    parts        share of each part by its name: a fraction of the images (a float), or their number (an int); "train" gets
                 the rest if it is left out. None: {"val": 0.2}
    group_by     images that stay in one part: "folder", a field of the images in COCO annotations such as "video_id", or a
                 regular expression that is searched in their names; None: each image is for itself
    seed         random seed: the same seed gives the same parts
    images       folder that file names of `data` start from; None: found next to the annotations
    part         "train" or "val": only this part of `data`; needed if it has both
    image_files  "link" images into `output`, "copy" them, or "none"
    if_exists    "error", "overwrite" or "skip" an output that exists
    workers      threads that write images; None: one per processor
    observer     gets the events (`detcli.DataObserver`)

    Returns the parts with their sizes. Raises TypeError for an argument of a wrong type, UsageError (a ValueError) for parts
    that are impossible, and DataError for data that cannot be used, before anything is written.
    """
    arguments = locals()
    from detcli.engine.data.split_data import split_data
    from detcli.engine.data.split_request import DEFAULT_PARTS, SplitRequest

    names = ["data", "output", "group_by", "seed", "images", "part", "image_files", "if_exists", "workers"]
    request = SplitRequest(
        **{name: arguments[name] for name in names}, parts=dict(DEFAULT_PARTS) if parts is None else parts
    )
    return split_data(request, observer=observer)
