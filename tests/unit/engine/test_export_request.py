"""The request of an export: what goes together, and what its arguments may be."""

from pathlib import Path
from typing import Any

import pytest

from detcli.engine.requests.export_request import ExportRequest
from detcli.errors import UsageError

INT8: dict[str, Any] = {"precision": "int8", "calibrate": "photos"}


def request(**arguments: Any) -> ExportRequest:
    return ExportRequest(output=Path("x"), **arguments)


def test_paths_may_be_strings() -> None:
    made = request(**INT8, images="photos/*.jpg", data=Path("coco/val.json"))
    assert (made.calibrate, made.images, made.data) == (Path("photos"), Path("photos/*.jpg"), "coco/val.json")
    assert made.calibration_images == 300


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
def test_both_formats_may_be_int8(format_name: Any) -> None:
    assert request(**INT8, format=format_name).precision == "int8"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int8"}, "`precision=int8` needs `calibrate`: a folder of images"),
        ({"calibrate": "photos"}, "`calibrate` is for `precision=int8`, not for fp32"),
        ({"calibrate": "photos", "precision": "fp16"}, "`calibrate` is for `precision=int8`, not for fp16"),
        ({**INT8, "calibration_images": 9}, "`calibration_images` must be at least 10, not 9"),
        ({**INT8, "calibration_images": 10_001}, "`calibration_images` must be at most 10000, not 10001"),
        ({**INT8, "calibrate": ""}, "`calibrate` is empty"),
        ({"data": ""}, "`data` is empty"),
        ({"precision": "int4"}, "`precision` must be one of fp32, fp16, int8, not 'int4'"),
    ],
)
def test_a_wrong_value_is_a_usage_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("arguments", [{**INT8, "calibrate": 3}, {**INT8, "calibration_images": 20.0}, {"data": 5}])
def test_a_wrong_type_is_a_type_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        request(**arguments)
