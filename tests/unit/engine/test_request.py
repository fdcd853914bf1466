"""Requests: every wrong type and value is named, and every usual form is accepted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.engine.requests.run_request import (
    ComputeSettings,
    DetectionSettings,
    DrawingStyle,
    FailurePolicy,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
    SegmentationSettings,
    VideoInputSettings,
    VideoRequest,
)
from detcli.errors import UsageError

IMAGES, VIDEOS = ImageInputSettings, VideoInputSettings


@pytest.mark.parametrize(
    ("record", "arguments", "message"),
    [
        (IMAGES, {"sources": None}, "`sources` must be a str or a path, or a list of them, not NoneType"),
        (IMAGES, {"sources": 3}, "`sources` must be a str or a path, or a list of them, not int"),
        (IMAGES, {"sources": b"a.jpg"}, "`sources` must be a str or a path, or a list of them, not bytes"),
        (IMAGES, {"sources": ["a.jpg", 3]}, "each item of `sources` must be a str or a path, not int"),
        (IMAGES, {"sources": ["a.jpg", None]}, "each item of `sources` must be a str or a path, not NoneType"),
        (IMAGES, {"sources": "a", "recursive": 1}, "`recursive` must be True or False, not int"),
        (IMAGES, {"sources": "a", "limit": "3"}, "`limit` must be an integer, not str"),
        (VIDEOS, {"sources": 0}, "`sources` must be a str or a path, or a list of them, not int"),
        (VIDEOS, {"sources": "a", "stride": 1.5}, "`stride` must be an integer, not float"),
        (VIDEOS, {"sources": "a", "fps": "5"}, "`fps` must be a number, not str"),
        (VIDEOS, {"sources": "a", "start": None}, "`start` must be a number, not NoneType"),
        (VIDEOS, {"sources": "a", "live": "yes"}, "`live` must be True or False, not str"),
        (ModelSettings, {"model": None}, "`model` must be a name, a path or a detector, not NoneType"),
        (ModelSettings, {"model": 3}, "`model` must be a name, a path or a detector, not int"),
        (ModelSettings, {"cache_dir": 3}, "`cache_dir` must be a path, not int"),
        (ModelSettings, {"offline": "no"}, "`offline` must be True or False, not str"),
        (DetectionSettings, {"threshold": "0.5"}, "`threshold` must be a number from 0 to 1, not str"),
        (
            DetectionSettings,
            {"threshold": {"cat": "0.5"}},
            "`threshold` of 'cat' must be a number from 0 to 1, not str",
        ),
        (
            DetectionSettings,
            {"threshold": {None: 0.5}},
            "`threshold` must have class names or indices as keys, not NoneType",
        ),
        (DetectionSettings, {"nms": True}, "`nms` must be a number between 0 and 1, or 'off', not bool"),
        (DetectionSettings, {"nms_agnostic": 1}, "`nms_agnostic` must be True or False, not int"),
        (DetectionSettings, {"classes": "cat"}, "`classes` must be a list of class names or indices, not str"),
        (DetectionSettings, {"image_size": 1.5}, "`image_size` must be an int or a pair (height, width), not float"),
        (ComputeSettings, {"batch_size": True}, "`batch_size` must be an integer, not bool"),
        (ComputeSettings, {"device": None}, "`device` must be a str, or a list of str such as ['cuda:0', 'cuda:1']"),
        (OutputSettings, {"outputs": None}, "`outputs` must be a str or a path, or a list of them, not NoneType"),
        (OutputSettings, {"save_images": True}, "`save_images` must be a path, not bool"),
        (OutputSettings, {"resume": None}, "`resume` must be True or False, not NoneType"),
        (OutputSettings, {"if_exists": None}, "`if_exists` must be a str, not NoneType"),
        (DrawingStyle, {"line_width": 1.5}, "`line_width` must be an integer, not float"),
        (FailurePolicy, {"strict": 1}, "`strict` must be True or False, not int"),
    ],
)
def test_a_wrong_type_is_named_with_its_argument(record: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        record(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("record", "arguments", "message"),
    [
        (IMAGES, {"sources": []}, "nothing to process: `sources` must name an image"),
        (IMAGES, {}, "nothing to process: `sources` must name an image"),
        (IMAGES, {"sources": "a", "limit": 0}, "`limit` must be at least 1, not 0"),
        (IMAGES, {"sources": "a", "max_pixels": -1}, "`max_pixels` must be at least 1, not -1"),
        (VIDEOS, {"sources": []}, "nothing to process: `sources` must name a video"),
        (VIDEOS, {"sources": "a", "fps": 0}, "`fps` must be greater than 0, not 0"),
        (VIDEOS, {"sources": "a", "start": -1}, "`start` must be at least 0, not -1"),
        (VIDEOS, {"sources": "a", "duration": float("nan")}, "`duration` must be a finite number, not nan"),
        (VIDEOS, {"sources": "a", "camera_size": (0, 640)}, "`camera_size` must be at least 1, not 0"),
        (DetectionSettings, {"threshold": 1.5}, "`threshold` must be a number from 0 to 1, not 1.5"),
        (DetectionSettings, {"threshold": {"cat": 1.5}}, "`threshold` of 'cat' must be a number from 0 to 1, not 1.5"),
        (
            DetectionSettings,
            {"threshold": {"*": float("nan")}},
            "`threshold` of '*' must be a number from 0 to 1, not nan",
        ),
        (DetectionSettings, {"nms": 0}, "`nms` must be a number between 0 and 1, or 'off', not 0"),
        (DetectionSettings, {"nms": 2}, "`nms` must be a number between 0 and 1, or 'off', not 2"),
        (DetectionSettings, {"nms": float("nan")}, "`nms` must be a number between 0 and 1, or 'off', not nan"),
        (DetectionSettings, {"nms": "on"}, "`nms` must be a number between 0 and 1, or 'off', not 'on'"),
        (DetectionSettings, {"nms": "off", "nms_agnostic": True}, "`nms_agnostic` needs `nms`"),
        (DetectionSettings, {"max_detections": 0}, "`max_detections` must be at least 1, not 0"),
        (ComputeSettings, {"precision": "int8"}, "`precision` must be one of auto, fp32, tf32, bf16, fp16, not 'int8'"),
        (ComputeSettings, {"batch_size": 5000}, "`batch_size` must be at most 4096, not 5000"),
        (ComputeSettings, {"workers": 0}, "`workers` must be at least 1, not 0"),
        (OutputSettings, {"if_exists": "ask"}, "`if_exists` must be one of error, overwrite, skip, not 'ask'"),
        (OutputSettings, {"save_crops": ""}, "`save_crops` is empty"),
        (FailurePolicy, {"max_failures": -1}, "`max_failures` must be at least 0, not -1"),
    ],
)
def test_a_wrong_value_is_a_value_error_with_its_argument(record: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        record(**arguments)
    assert isinstance(caught.value, UsageError)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("sources", ["a.jpg", Path("a.jpg"), ["a.jpg"], (Path("a.jpg"),), iter(["a.jpg"])])
def test_sources_may_be_one_path_or_several(sources: Any) -> None:
    assert ImageInputSettings(sources=sources).sources == ("a.jpg",)
    assert OutputSettings(outputs="out.jsonl").outputs == ("out.jsonl",)  # type: ignore[arg-type]


def test_paths_may_be_strings_and_sizes_one_number() -> None:
    assert OutputSettings(save_images="drawn").save_images == Path("drawn")  # type: ignore[arg-type]
    assert ModelSettings(model=Path("folder")).model == "folder"  # type: ignore[arg-type]
    assert DetectionSettings(image_size=640).image_size == (640, 640)  # type: ignore[arg-type]
    assert DetectionSettings(classes=["cat", 3]).classes == ("cat", "3")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [{"*": 0.3, "cat": 0.6, 3: 0.1}, {"cat": 0.6}, {"*": 0.2}, 0.5, None, {}])
def test_thresholds_of_classes_are_kept_when_a_setting_changes(given: Any) -> None:
    settings = replace(DetectionSettings(threshold=given), image_size=64)
    mapping = given if isinstance(given, dict) else {}
    assert settings.threshold == (mapping.get("*") if isinstance(given, dict) else given)
    assert dict(settings.class_thresholds) == {str(key): value for key, value in mapping.items() if key != "*"}
    again = DetectionSettings(threshold=settings.thresholds, image_size=64)  # type: ignore[arg-type]
    assert again == settings


def test_videos_cannot_be_segmented() -> None:
    with pytest.raises(UsageError, match="segmentation of videos is not supported"):
        VideoRequest(input=VideoInputSettings(sources=("a.mp4",)), segmentation=SegmentationSettings("panoptic"))


def test_requests_compare_by_value() -> None:
    first, second = (ImageRequest(input=ImageInputSettings(sources=("a.jpg",))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("output", ["a\0.jsonl", "\ud800.jsonl"])
def test_an_output_that_is_no_path_is_refused(output: str) -> None:
    with pytest.raises(UsageError, match="`outputs` is not a valid path"):
        OutputSettings(outputs=(output,))


@pytest.mark.parametrize("threshold", [10**400, -(10**400)])
def test_a_number_that_no_float_can_hold_is_refused(threshold: int) -> None:
    with pytest.raises(UsageError, match="`threshold` must be"):
        DetectionSettings(threshold=threshold)


def test_any_path_is_a_model() -> None:
    class SomePath:
        def __fspath__(self) -> str:
            return "models/mine"

    assert ModelSettings(model=SomePath()).name == "models/mine"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [("foo",), ("panoptic", "foo"), ("panoptic", "original", 2), ("panoptic", "original", None, "x"), (3,)],
)
def test_settings_of_segmentation_are_checked(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, UsageError), match="must be"):
        SegmentationSettings(*arguments)
