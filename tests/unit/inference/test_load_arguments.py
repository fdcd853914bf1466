"""Arguments of load_detector: a wrong type is a TypeError, a wrong value a UsageError, before anything is read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.errors import UnknownModelError, UsageError
from detcli.inference.load import load_detector


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": None}, "`model` must be a name or a path, not NoneType"),
        ({"model": 3}, "`model` must be a name or a path, not int"),
        ({"threshold": "0.5"}, "`threshold` must be a number from 0 to 1, not str"),
        ({"threshold": True}, "`threshold` must be a number from 0 to 1, not bool"),
        ({"threshold": {"star": None}}, "`threshold` of 'star' must be a number from 0 to 1, not NoneType"),
        ({"threshold": {1.5: 0.5}}, "`threshold` must have class names or indices as keys, not float"),
        ({"nms": [0.5]}, "`nms` must be a number between 0 and 1, or 'off', not list"),
        ({"nms_agnostic": None}, "`nms_agnostic` must be True or False, not NoneType"),
        ({"classes": "cat"}, "`classes` must be a list of class names or indices, not str"),
        ({"classes": 1}, "`classes` must be a list of class names or indices, not int"),
        ({"classes": [None]}, "`classes` must hold class names or indices, not NoneType"),
        ({"classes": [1.5]}, "`classes` must hold class names or indices, not float"),
        ({"classes": [True]}, "`classes` must hold class names or indices, not bool"),
        ({"max_detections": "3"}, "`max_detections` must be an integer, not str"),
        ({"max_detections": 2.5}, "`max_detections` must be an integer, not float"),
        ({"max_detections": None}, "`max_detections` must be an integer, not NoneType"),
        ({"image_size": "640"}, r"`image_size` must be an int or a pair \(height, width\), not str"),
        ({"image_size": 640.0}, r"`image_size` must be an int or a pair \(height, width\), not float"),
        ({"image_size": (640, 640.0)}, "`image_size` must be an integer, not float"),
        ({"image_size": True}, "`image_size` must be an int .* not bool"),
        ({"segmentation": 1}, "`segmentation` must be a str, not int"),
        ({"device": 0}, "`device` must be a str, not int"),
        ({"device": None}, "`device` must be a str, not NoneType"),
        ({"precision": None}, "`precision` must be a str, not NoneType"),
        ({"batch_size": 1.0}, "`batch_size` must be an integer, not float"),
        ({"batch_size": True}, "`batch_size` must be an integer, not bool"),
        ({"queries": 1.5}, "`queries` must be an integer, not float"),
        ({"decoder_layers": "2"}, "`decoder_layers` must be an integer, not str"),
        ({"pad": 1}, "`pad` must be True or False, not int"),
        ({"deterministic": None}, "`deterministic` must be True or False, not NoneType"),
        ({"compile": "yes"}, "`compile` must be True or False, not str"),
        ({"optimize": 0}, "`optimize` must be True or False, not int"),
        ({"offline": "no"}, "`offline` must be True or False, not str"),
        ({"revision": 1}, "`revision` must be a str or None, not int"),
        ({"cache_dir": 1}, "`cache_dir` must be a path or None, not int"),
    ],
)
def test_wrong_types_are_a_type_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        load_detector(**{"model": "shapes"} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": -0.1}, "`threshold` must be a number from 0 to 1, not -0.1"),
        ({"threshold": 1.5}, "`threshold` must be a number from 0 to 1, not 1.5"),
        ({"threshold": float("nan")}, "`threshold` must be a number from 0 to 1, not nan"),
        ({"threshold": {"star": 1.5}}, "`threshold` of 'star' must be a number from 0 to 1, not 1.5"),
        ({"threshold": {"persn": 0.5}}, "the model has no class 'persn'"),
        ({"threshold": {99: 0.5}}, "the model has no class '99'"),
        ({"threshold": {"star": 0.5, "STAR": 0.6}}, "`threshold` has two values for the class 'star': 0.5 and 0.6"),
        ({"nms": 0}, "`nms` must be a number between 0 and 1, or 'off', not 0"),
        ({"nms": 1.0}, "`nms` must be a number between 0 and 1, or 'off', not 1"),
        ({"nms": "0.5"}, "`nms` must be a number between 0 and 1, or 'off', not '0.5'"),
        ({"nms": "off", "nms_agnostic": True}, "`nms_agnostic` needs `nms`"),
        ({"nms": 0.5, "segmentation": "panoptic"}, "`nms` is for boxes and `task=instance`"),
        ({"nms": 0.5, "segmentation": "semantic"}, "`nms` is for boxes and `task=instance`"),
        ({"classes": ["persn"]}, "the model has no class 'persn'"),
        ({"classes": [99]}, "the model has no class '99'"),
        ({"classes": [-1]}, "the model has no class '-1'"),
        ({"max_detections": 0}, "`max_detections` must be at least 1, not 0"),
        ({"image_size": 0}, "`image_size` must be at least 1, not 0"),
        ({"image_size": (64, -64)}, "`image_size` must be at least 1, not -64"),
        ({"image_size": (64,)}, r"`image_size` must be an int or a pair \(height, width\), not 1 values"),
        ({"image_size": (64, 64, 3)}, "not 3 values"),
        ({"image_size": 65}, "`image_size` 65 is not a multiple of 32; 64 is"),
        ({"segmentation": "masks"}, "`segmentation` must be one of panoptic, instance, semantic, not 'masks'"),
        ({"device": "gpu"}, "`device` must be auto, cpu, cuda, cuda:N or mps, not 'gpu'"),
        ({"precision": "int8"}, "`precision` must be auto, fp32, tf32, bf16 or fp16, not 'int8'"),
        ({"precision": "fp16", "device": "cpu"}, "`precision=fp16` is for GPUs"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, not 0"),
        ({"queries": 0}, "`queries` must be at least 1, not 0"),
        ({"queries": 41}, "`queries` must be at most 40, not 41: 'shapes' has 40 queries"),
        ({"decoder_layers": -1}, "`decoder_layers` must be at least 1, not -1"),
        ({"decoder_layers": 4}, "`decoder_layers` must be at most 3, not 4: 'shapes' has 3 decoder layers"),
        ({"pad": True, "deterministic": True}, "`pad` cannot be combined with `deterministic`"),
    ],
)
def test_wrong_values_are_a_usage_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_detector(**{"model": "shapes"} | arguments)
    assert issubclass(UsageError, ValueError)


def test_unknown_models_are_named() -> None:
    with pytest.raises(UnknownModelError, match="shaeps"):
        load_detector("shaeps", offline=True)


def test_values_of_numpy_and_paths_are_accepted(tiny_checkpoint: Path) -> None:
    detector = load_detector(
        tiny_checkpoint,
        threshold=np.float32(0.25),  # type: ignore[arg-type]
        classes=np.array([2]).tolist(),
        max_detections=np.int64(3),  # type: ignore[arg-type]
        batch_size=np.int32(2),  # type: ignore[arg-type]
    )
    assert (detector.threshold, detector.batch_size) == (0.25, 2)
    assert (detector.selection.max_detections, detector.selection.class_ids) == (3, (2,))


@pytest.mark.parametrize("image_size", [64, (64, 64), [64, 64], np.int64(64)])
def test_an_int_is_a_square_image_size(image_size: Any, tiny_checkpoint: Path) -> None:
    detector = load_detector(tiny_checkpoint, image_size=image_size)
    assert detector.preprocessor.preprocessing.size_hw == (64, 64)
