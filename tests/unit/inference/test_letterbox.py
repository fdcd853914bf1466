"""Letterboxed inputs: images in the center on a gray border, boxes in pixels of the image, written and read."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.postprocessing.array_postprocess import array_results
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.postprocessing.tensor_postprocess import start_tensor_results
from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.preprocessing.exported_padding import check_padding
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FitWithin, FixedSize, Letterbox
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.models.family import FAMILIES
from detcli.runtimes.exported.array_io import ArrayOutputs
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from detcli.structures.network_io import Outputs
from detcli.structures.resize import InputBorder

FIELDS: dict[str, Any] = {
    "size": {"max_height": 64, "max_width": 96}, "do_pad": True, "pad_size": {"height": 64, "width": 96},
    "pad_position": "center", "pad_value": 114,
}  # fmt: skip
SIZES = [(64, 96), (128, 192), (30, 90), (90, 30), (1, 500), (33, 33), (640, 479)]


def letterboxed() -> Preprocessing:
    return Preprocessing.from_json(FIELDS, size_divisor=32)


def frame(size_hw: tuple[int, int], value: int = 255) -> Frame:
    return Frame(Origin(0, "a", "a", "a"), size_hw, np.full((*size_hw, 3), value, np.uint8))


def test_the_rule_is_written_and_read() -> None:
    rule = letterboxed()
    assert rule.sizing == Letterbox((64, 96), 114)
    assert (rule.size_hw, rule.image_size, rule.pad_size_hw) == ((64, 96), (64, 96), None)
    assert Preprocessing.from_json(rule.as_json(), size_divisor=32) == rule
    assert Preprocessing.of(rule.as_json(), FAMILIES["dfine"]) == rule
    check_padding(rule)  # an exported network takes it


@pytest.mark.parametrize("size_hw", SIZES)
def test_images_stand_in_the_center_of_a_gray_input(size_hw: tuple[int, int]) -> None:
    rule = letterboxed()
    assert isinstance(rule.sizing, Letterbox)
    pixels = rule.resize(Image.fromarray(frame(size_hw).pixels))
    assert pixels.shape == (64, 96, 3)
    rows, columns = np.nonzero((pixels == 255).all(-1))
    height, width = rule.sizing.content_hw(size_hw)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (height, width)
    assert height == 64 or width == 96
    above, left = rows.min(), columns.min()
    below, right = 63 - rows.max(), 95 - columns.max()
    assert 0 <= below - above <= 1
    assert 0 <= right - left <= 1
    assert (pixels[:above] == 114).all()
    assert (pixels[:, :left] == 114).all()


@pytest.mark.parametrize("size_hw", SIZES)
def test_boxes_come_back_in_pixels_of_the_image(size_hw: tuple[int, int]) -> None:
    rule, (height, width) = letterboxed(), size_hw
    assert isinstance(rule.sizing, Letterbox)
    (content_height, content_width), (top, left) = rule.sizing.content_hw(size_hw), rule.sizing.corner(size_hw)
    whole = [(left + content_width / 2) / 96, (top + content_height / 2) / 64, content_width / 96, content_height / 64]
    corner = [(left + content_width / 4) / 96, (top + content_height / 4) / 64, whole[2] / 2, whole[3] / 2]
    boxes, logits = np.array([[whole, corner]], np.float32), np.array([[[4.0], [2.0]]], np.float32)
    expected = [[0, 0, width, height], [0, 0, width / 2, height / 2]]
    selection, given = Selection(0.1), [frame(size_hw)]
    batch = Preprocessor(rule, torch.device("cpu")).batch(given)
    outputs = Outputs(torch.from_numpy(logits), torch.from_numpy(boxes))
    in_torch = start_tensor_results(outputs, batch, rule, selection, None)()
    in_numpy = array_results(ArrayOutputs(logits, boxes), ArrayPreprocessor(rule).batch(given), rule, selection, None)
    for (found,) in (in_torch, in_numpy):
        assert isinstance(found, Detections)
        np.testing.assert_allclose(found.boxes_xyxy, expected, atol=1e-3 * max(size_hw))


def test_both_preprocessors_make_the_same_batch() -> None:
    rule, given = letterboxed(), [frame(size) for size in SIZES]
    tensors = Preprocessor(rule, torch.device("cpu"), resize_on_device=True).batch(given)
    arrays = ArrayPreprocessor(rule).batch(given)
    assert tensors.mask is None
    assert torch.equal(tensors.pixels, (torch.from_numpy(arrays.pixels).float() / 255).permute(0, 3, 1, 2))


def test_another_input_size_keeps_the_rule() -> None:
    assert letterboxed().with_size((96, 96), 32).sizing == Letterbox((96, 96), 114)
    with pytest.raises(UsageError, match="multiple of 32"):
        letterboxed().with_size((100, 96), 32)


def test_another_input_size_changes_the_padding_too() -> None:
    padded = Preprocessing(FitWithin((64, 96)), pad_size_hw=(64, 96), has_mask=False)
    changed = padded.with_size((96, 128), 32)
    assert (changed.sizing, changed.pad_size_hw, changed.border) == (FitWithin((96, 128)), (96, 128), InputBorder())
    with pytest.raises(UsageError, match="multiple of 32"):
        padded.with_size((100, 96), 32)


@pytest.mark.parametrize("size_hw", [size for size in SIZES if min(size) > 1])  # else they are limited by the image
def test_deviations_come_back_in_pixels_of_the_image(size_hw: tuple[int, int]) -> None:
    rule, (height, width) = letterboxed(), size_hw
    assert isinstance(rule.sizing, Letterbox)
    content_height, content_width = rule.sizing.content_hw(size_hw)
    boxes, logits = np.array([[[0.5, 0.5, 0.1, 0.1]]], np.float32), np.array([[[4.0]]], np.float32)
    std = np.array([[[0.01, 0.02, 0.01, 0.02]]], np.float32)
    expected = [0.01 * 96 * width / content_width, 0.02 * 64 * height / content_height] * 2
    selection, given = Selection(0.1), [frame(size_hw)]
    batch = Preprocessor(rule, torch.device("cpu")).batch(given)
    outputs = Outputs(torch.from_numpy(logits), torch.from_numpy(boxes), box_std=torch.from_numpy(std))
    in_torch = start_tensor_results(outputs, batch, rule, selection, None)()
    arrays = ArrayOutputs(logits, boxes, box_std=std)
    in_numpy = array_results(arrays, ArrayPreprocessor(rule).batch(given), rule, selection, None)
    for (found,) in (in_torch, in_numpy):
        assert isinstance(found, Detections)
        assert found.box_std is not None
        np.testing.assert_allclose(found.box_std[0], expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "divisor", "sentence"),
    [
        ({"pad_size": {"height": 64, "width": 128}}, 32, "needs a size of max_height and max_width, and a pad_size"),
        ({"size": {"height": 64, "width": 96}}, 32, "needs a size of max_height and max_width"),
        ({"pad_value": 300}, 32, "pad_value is 300, which is not a gray value"),
        ({"pad_value": [114, 114, 114]}, 32, "pad_value is"),
        ({"pad_value": True}, 32, "pad_value is True"),
        ({"pad_position": "top_left"}, 32, "pad_position is 'top_left', which is not supported"),
        ({"pad_size": None}, 32, "pad_position is 'center', which is not supported"),
        ({}, 1, "only networks whose inputs have one size are letterboxed"),
    ],
)
def test_other_borders_are_refused(change: dict[str, Any], divisor: int, sentence: str) -> None:
    with pytest.raises(UnsupportedModelError, match=sentence):
        Preprocessing.from_json({**FIELDS, **change}, size_divisor=divisor)


def test_a_stretched_input_stays_one() -> None:
    assert Preprocessing.from_json({"size": {"height": 64, "width": 96}}, size_divisor=32).sizing == FixedSize((64, 96))
