"""docs/reference/record.schema.json: the JSON Schema of the lines that detcli writes as JSON Lines."""

import json
from typing import Any

from detcli.errors import IMAGE_ERROR_CODES

Schema = dict[str, Any]

_INDEX: Schema = {"type": "integer", "minimum": 0}


def schema_text() -> str:
    """The text of the file."""
    return json.dumps(record_schema(), indent=2, ensure_ascii=False) + "\n"


def record_schema() -> Schema:
    """The schema of one line: a record of an image or of a video frame, or the header line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of the JSON Lines output of detcli",
        "oneOf": [{"$ref": "#/$defs/processed"}, {"$ref": "#/$defs/failed"}, {"$ref": "#/$defs/header"}],
        "$defs": {
            "processed": _processed(),
            "failed": _failed(),
            "header": _header(),
            "detection": _detection(),
            "error": _error(),
            "mask": _mask(),
        },
    }


def _record(description: str, **result: Schema) -> Schema:
    """A record: the keys of its origin, then those of its result."""
    origin: Schema = {
        "index": _INDEX | {"description": "position in the complete input, from 0; the same in a resumed run"},
        "file": {
            "type": "string",
            "description": "path as it was given or found (in an archive `shard.tar!/name`), or a URL without credentials",
        },
        "frame": _INDEX | {"description": "number of the frame in its video, from 0; only in records of videos"},
        "time_s": {
            "type": ["number", "null"],
            "description": "seconds since the time stamp of the first frame; only in records of videos",
        },
    }
    schema = _object(description, {**origin, **result}, optional=("frame", "time_s"))
    return schema | {"dependentRequired": {"frame": ["time_s"], "time_s": ["frame"]}}


def _processed() -> Schema:
    return _record(
        "an image or a video frame that was processed",
        width={"type": "integer", "minimum": 1, "description": "of the upright image, in pixels"},
        height={"type": "integer", "minimum": 1, "description": "of the upright image, in pixels"},
        detections={
            "type": "array",
            "items": {"$ref": "#/$defs/detection"},
            "description": "sorted by score, the highest first; empty if nothing was detected",
        },
        error={"type": "null"},
    )


def _failed() -> Schema:
    nothing: Schema = {"type": "null"}
    return _record(
        "an image that could not be processed, or missing frames of a video",
        width=nothing,
        height=nothing,
        detections=nothing,
        error={"$ref": "#/$defs/error"},
    )


def _header() -> Schema:
    text: Schema = {"type": "string"}
    maybe: Schema = {"type": ["string", "null"]}
    run = _object(
        "metadata of the run",
        {
            "model": text | {"description": "name of the model, as it was given"},
            "revision": maybe | {"description": "commit of the Hub repository; null for a local model"},
            "sha256": maybe | {"description": "of the weights"},
            "detcli": text | {"description": "version of detcli"},
            "created": text | {"description": "time in UTC, ISO 8601", "format": "date-time"},
            "arguments": {"type": "object", "description": "options that change results, with their values"},
            "assumed": {
                "type": "array",
                "items": text,
                "description": "what the model's files do not tell, with the value that is taken",
            },
        },
    )
    return _object("the first line with --header", {"detcli": run})


def _detection() -> Schema:
    schema = _object(
        "one detection",
        {
            "label": {"type": "string", "description": "name of the class"},
            "label_id": _INDEX | {"description": "index of the class in the model"},
            "category_id": {
                "type": "integer",
                "description": "id of the class in the dataset of the model, or in --gt",
            },
            "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "confidence"},
            "bbox": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 4,
                "maxItems": 4,
                "description": "left, top, width, height in pixels, inside the image",
            },
            "segment_id": {
                "type": "integer",
                "minimum": 1,
                "description": "number of the segment in its image, and its value in label maps; only with masks",
            },
            "is_thing": {"type": "boolean", "description": "false for stuff, such as sky; only with masks"},
            "segmentation": {"$ref": "#/$defs/mask"},
            "track_id": {
                "type": "integer",
                "minimum": 1,
                "description": "the same for one object in all frames of a video; only with --track",
            },
        },
        optional=("segment_id", "is_thing", "segmentation", "track_id"),
    )
    masks = ("segment_id", "is_thing", "segmentation")
    return schema | {"dependentRequired": {name: [other for other in masks if other != name] for name in masks}}


def _error() -> Schema:
    return _object(
        "why there is no result",
        {
            "code": {"enum": list(IMAGE_ERROR_CODES), "description": "for programs; the table below lists the codes"},
            "message": {"type": "string", "description": "for people; may change in any version"},
        },
    )


def _mask() -> Schema:
    return _object(
        "mask of the size of the image, in COCO's compressed run-length encoding; only with masks",
        {
            "size": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 2,
                "maxItems": 2,
                "description": "height, width of the image",
            },
            "counts": {"type": "string", "description": "the runs, as `pycocotools.mask.decode` reads them"},
        },
    )


def _object(description: str, properties: Schema, *, optional: tuple[str, ...] = ()) -> Schema:
    """An object without other keys."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
