"""docs/reference/records.md: the result formats, from the JSON Schema of records and the table of formats."""

import json
from collections.abc import Iterator

from detcli.cli.docs.reference.format_sections import label_studio_section, mot_section, parquet_section, voc_section
from detcli.cli.docs.reference.markdown import code_block, page, table, with_code
from detcli.cli.docs.reference.record_schema import Schema, record_schema
from detcli.errors import IMAGE_ERROR_MEANINGS
from detcli.io.results.formats import FORMATS, Format

_BOX = {"label": "dog", "label_id": 16, "category_id": 18, "score": 0.93, "bbox": [12.5, 30.25, 200.0, 150.5]}
_IMAGE = {"index": 0, "file": "images/a.jpg", "width": 640, "height": 480, "detections": [_BOX], "error": None}
_FRAME = {
    "index": 7,
    "file": "in.mp4",
    "frame": 7,
    "time_s": 0.28,
    "width": 1280,
    "height": 720,
    "detections": [_BOX | {"track_id": 3}],
    "error": None,
}
_FAILED = {
    "index": 1,
    "file": "images/b.jpg",
    "width": None,
    "height": None,
    "detections": None,
    "error": {"code": "truncated", "message": "truncated after 812 bytes"},
}
_SEGMENT = _BOX | {
    "label_id": 18,
    "segment_id": 1,
    "is_thing": True,
    "segmentation": {"size": [480, 640], "counts": "…"},
}
_RUN = {
    "model": "dfine-s",
    "revision": "0123456789abcdef0123456789abcdef01234567",
    "sha256": "…",
    "detcli": "0.2.0",
    "created": "2026-11-29T18:00:00Z",
    "arguments": {"threshold": 0.4, "max_det": 300},
    "assumed": [],
}
EXAMPLES = {"image": _IMAGE, "frame": _FRAME, "failed": _FAILED, "header": {"detcli": _RUN}}

_CSV_COLUMNS = {
    "file": "as in the record",
    "frame": "number of the frame; empty for images",
    "time_s": "time of the frame in seconds; empty for images",
    "width": "of the upright image, in pixels",
    "height": "of the upright image, in pixels",
    "label": "name of the class",
    "category_id": "id of the class in the dataset",
    "score": "confidence, 0 to 1",
    "x_min": "left edge of the box, in pixels",
    "y_min": "top edge",
    "x_max": "right edge",
    "y_max": "bottom edge",
    "track_id": "only with `--track`",
}


# The section of this page that describes a format.
_SECTIONS = {
    "jsonl": "json-lines",
    "coco": "coco",
    "coco-results": "coco-results",
    "coco-panoptic": "coco-panoptic",
    "csv": "csv",
    "yolo": "yolo",
    "parquet": "parquet",
    "label-studio": "label-studio",
    "voc": "pascal-voc",
    "mot": "mot",
}


def record_page() -> str:
    """The text of the page."""
    return page(_lines())


def _lines() -> Iterator[str]:
    yield "# Results and records"
    yield from _formats()
    yield from _records()
    yield from _error_codes()
    yield from _coco()
    yield from _tables()
    yield from parquet_section()
    yield from label_studio_section()
    yield from voc_section()
    yield from mot_section()


def _formats() -> Iterator[str]:
    yield "Every image, and every frame of a video, is one record. All formats are made from it. `-f` names a format; without it"
    yield "the suffix of `--output` does."
    yield ""
    yield from table(
        ["format", "`-f`", "suffix of `--output`", "content"],
        [
            (_link(record), f"`{name}`", _suffixes(record), record.description)
            for name, record in ((name, FORMATS[name]) for name in FORMATS.built_in())
        ],
    )
    yield ""
    yield "On a terminal the default is a human-readable table, `-f table`. In a pipe it is JSON Lines."
    yield ""
    yield "Boxes are in pixels of the upright image, after the EXIF orientation or the rotation of the video is applied. They are"
    yield "clipped to the image and never rounded to integers. A number is the shortest text that reads back as the same"
    yield "float32. Results are in the order of the input."
    yield ""


def _link(record: Format) -> str:
    """The title of a format, with a link to its section on this page if it has one."""
    section = _SECTIONS.get(record.name)
    return f"[{record.title}](#{section})" if section else record.title


def _suffixes(record: Format) -> str:
    if record.is_folder:
        return "a folder" if record.name == "yolo" else "a folder with `-f`"
    first = record.name in ("jsonl", "coco", "csv", "parquet")  # other formats of a suffix need -f
    return ", ".join(f"`{suffix}`" for suffix in record.suffixes) + ("" if first else " with `-f`")


def _records() -> Iterator[str]:
    definitions = record_schema()["$defs"]
    yield from ("## JSON Lines", "")
    yield "One JSON object per line, in UTF-8. Lines are flushed after each batch."
    yield ""
    yield from code_block(_json(_IMAGE), "json")
    yield ""
    yield "A record of a video has `frame` and `time_s` too, and with `--track` each detection has a `track_id`:"
    yield ""
    yield from code_block(_json(_FRAME), "json")
    yield ""
    yield "An image that could not be processed keeps its record:"
    yield ""
    yield from code_block(_json(_FAILED), "json")
    yield ""
    yield "[record.schema.json](record.schema.json) is the JSON Schema of a line (draft 2020-12). There are no other keys."
    yield ""
    yield from ("### Keys of a record", "")
    yield from _keys(definitions["processed"])
    yield ""
    yield "In a record with an error, `width`, `height` and `detections` are `null`."
    yield from ("", "### Keys of a detection", "")
    yield from _keys(definitions["detection"])
    yield ""
    yield "`category_id` follows from the names of the model's classes, in any case. The 80 names of COCO have the ids of COCO (1 to 90,"
    yield "with holes). With the names of COCO in 91 rows, of COCO panoptic or of Objects365 the id is the index. With all other lists of"
    yield "names it is the index plus 1, unless `config.json` has `category_ids`. The annotations of `--gt` replace the ids, by name."
    yield from ("", "A detection of `detcli segment` has a mask:", "")
    yield from code_block(_json(_SEGMENT), "json")
    yield from ("", "### Keys of a mask", "")
    yield from _keys(definitions["mask"])
    yield ""
    yield "`bbox` is then the box around a panoptic or semantic segment. For an instance it is the box that the network predicts."
    yield from ("", "### Header line", "", "With `--header` the first line has the metadata of the run:", "")
    yield from code_block(_json({"detcli": _RUN}), "json")
    yield ""
    yield from _keys(definitions["header"]["properties"]["detcli"])
    yield ""


def _keys(schema: Schema) -> Iterator[str]:
    yield from table(
        ["key", "type", "meaning"],
        [(f"`{name}`", _type(value), _meaning(value)) for name, value in schema["properties"].items()],
    )


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return "string"
    if schema == {"type": "null"}:  # the other records have an object
        return "null or object"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds == ["array"] and "minItems" in schema:
        return f"{schema['minItems']} {schema['items']['type']}s"
    return " or ".join(kinds)


def _meaning(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        text: str = record_schema()["$defs"][name]["description"]
    elif schema.get("type") == "null":
        text = "`null`, or an object with `code` and `message`: see below"
    else:
        text = schema.get("description", "")
    return text if "`" in text else with_code(text)


def _error_codes() -> Iterator[str]:
    yield from ("### Error codes", "")
    yield "`error` is `null`, or an object with a `code` for programs and a `message` for people. Messages may change in any version."
    yield ""
    yield from table(["code", "meaning"], [(f"`{code}`", text) for code, text in IMAGE_ERROR_MEANINGS.items()])
    yield ""
    yield "A run in which some images failed ends with [exit code 3](exit-codes.md)."
    yield ""


def _coco() -> Iterator[str]:
    yield from ("## COCO", "")
    yield "One JSON file, complete when the run ends:"
    yield ""
    yield from table(
        ["key", "content"],
        [
            (
                "`info`",
                "the metadata of the run; `complete` is false after an interrupted run; `failed` lists failed images",
            ),
            (
                "`images`",
                "`id`, `file_name`, `width`, `height`; images without detections too; for videos `frame`, `time_s`",
            ),
            (
                "`annotations`",
                "`id` from 1, `image_id`, `category_id`, `bbox`, `score`, `area`, `iscrowd`; with masks `segmentation`, with "
                "`--track` `track_id`",
            ),
            ("`categories`", "`id`, `name`"),
        ],
    )
    yield ""
    yield "`file_name` is relative to the folder that was given. `id` of an image is `index` plus 1, or with `--gt` the id of the"
    yield "image of this name in the annotations. `area` is the area of the mask, or of the box without a mask."
    yield from ("", "## COCO results", "")
    yield "The bare list that `loadRes` of pycocotools reads: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`. The"
    yield "threshold is 0 and duplicates stay unless they are given, because AP needs detections of every score."
    yield from ("", "## COCO panoptic", "")
    yield "`detcli segment -f coco-panoptic -o out.json` writes the format of panopticapi: `segments_info` for each image, categories"
    yield "with `isthing`, and a folder `out/` with PNG images. The id of a segment is `R + 256 G + 256² B` of its color."
    yield ""


def _tables() -> Iterator[str]:
    yield from ("## CSV", "")
    yield "One row per box after a header row, as in RFC 4180. Images without detections and failed images have no row."
    yield ""
    yield from table(["column", "content"], [(f"`{name}`", text) for name, text in _CSV_COLUMNS.items()])
    yield ""
    yield "`--csv-safe` puts an apostrophe before texts that spreadsheets would run as formulas."
    yield from ("", "## YOLO", "")
    yield "A folder with one text file per image, and `classes.txt` with a class name per line. A line is a box:"
    yield ""
    yield from code_block("16 0.17578125 0.21979167 0.3125 0.31354168 0.93")
    yield ""
    yield "The columns are the class index, the center of the box (x, y), its width and its height, all relative to the size of the"
    yield "image, and the score. With `--track` the track id follows. The file of an image without detections is empty; a failed"
    yield "image has no file."


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
