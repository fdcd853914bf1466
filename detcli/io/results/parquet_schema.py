"""The columns of Parquet results, the same in every file: one row per image, or one per box.

Columns that a run has no values for are null, so that files of several runs can be read as one table.
"""

from typing import Any

PROVENANCE_KEY = b"detcli"  # in the footer: JSON of the metadata of the run


def image_schema(pa: Any) -> Any:
    """The schema of rows of images: the keys of a JSON record. `pa` is pyarrow."""
    return pa.schema(
        [
            pa.field("index", pa.int64()),
            pa.field("file", pa.string()),
            pa.field("frame", pa.int64()),
            pa.field("time_s", pa.float64()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("detections", pa.list_(_detection(pa))),
            pa.field("error", pa.struct([("code", pa.string()), ("message", pa.string())])),
        ]
    )


def box_schema(pa: Any) -> Any:
    """The schema of rows of boxes: the columns of CSV, and those of masks. `pa` is pyarrow."""
    sides = ("x_min", "y_min", "x_max", "y_max")
    return pa.schema(
        [
            pa.field("index", pa.int64()),
            pa.field("file", pa.string()),
            pa.field("frame", pa.int64()),
            pa.field("time_s", pa.float64()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("label", pa.string()),
            pa.field("label_id", pa.int32()),
            pa.field("category_id", pa.int64()),
            pa.field("score", pa.float32()),
            *(pa.field(side, pa.float32()) for side in sides),
            pa.field("track_id", pa.int64()),
            *(pa.field(f"{side}_std", pa.float32()) for side in sides),
            *_mask(pa),
        ]
    )


def _detection(pa: Any) -> Any:
    return pa.struct(
        [
            pa.field("label", pa.string()),
            pa.field("label_id", pa.int32()),
            pa.field("category_id", pa.int64()),
            pa.field("score", pa.float32()),
            pa.field("bbox", pa.list_(pa.float32())),
            pa.field("track_id", pa.int64()),
            pa.field("bbox_std", pa.list_(pa.float32())),
            *_mask(pa),
        ]
    )


def _mask(pa: Any) -> list[Any]:
    size_and_counts = pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])
    return [
        pa.field("segment_id", pa.int32()),
        pa.field("is_thing", pa.bool_()),
        pa.field("segmentation", size_and_counts),
    ]
