"""What preprocessor_config.json says about pixels is done, refused or told, for every family."""

from typing import Any

import pytest

from detcli.errors import UnsupportedModelError
from detcli.inference.preprocessing.preprocessing import Preprocessing, complete_fields
from detcli.inference.preprocessing.preprocessor_checks import check_fields, kind_of
from detcli.inference.preprocessing.resize_rules import ShortestEdge
from detcli.models.family import FAMILIES, Family

NAMES = ["dfine", "detr", "deformable_detr", "rtdetr"]
SQUARE = {"height": 64, "width": 96}


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


@pytest.mark.parametrize(
    "fields",
    [
        {"do_center_crop": True}, {"do_center_crop": True, "crop_size": {"height": 64, "width": 64}}, {"center_crop": 64},
        {"do_flip_channel_order": True}, {"do_grayscale": True}, {"grayscale": True}, {"to_bgr": True}, {"do_thumbnail": 1},
        {"channel_order": "BGR"}, {"image_mode": "L"}, {"color_mode": "bgr"}, {"num_channels": 1}, {"data_format": "channels_last"},
        {"keep_ratio": True}, {"keep_aspect_ratio": True}, {"letterbox": True}, {"do_letterbox": True},
        {"pad_value": 114}, {"fill": [114, 114, 114]}, {"pad_mode": "reflect"}, {"padding_side": "left"}, {"rescale_offset": True},
        {"do_normalize": "true"}, {"do_rescale": 1}, {"do_pad": "no"}, {"do_resize": 1}, {"do_anything": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_field_that_changes_pixels_is_refused(fields: dict[str, Any], family: Family) -> None:
    with pytest.raises(UnsupportedModelError, match=rf"^processor_config\.json: {next(iter(fields))} is "):
        Preprocessing.of({"size": SQUARE, **fields}, family, file="processor_config.json")


@pytest.mark.parametrize(
    "fields",
    [
        {"do_center_crop": False, "crop_size": {"height": 224, "width": 224}}, {"do_center_crop": None}, {"do_flip_channel_order": False},
        {"image_mode": "RGB"}, {"channel_order": "rgb"}, {"num_channels": 3}, {"data_format": "channels_first"}, {"do_convert_rgb": True},
        {"keep_ratio": False}, {"pad_value": 0}, {"pad_mode": "constant"}, {"format": "coco_panoptic"}, {"input_data_format": None},
        {"do_convert_annotations": True, "device": None, "return_tensors": None, "disable_grouping": None},
        {"processor_class": "AnyProcessor"}, {"default_to_square": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_field_that_changes_nothing_changes_nothing(fields: dict[str, Any], family: Family) -> None:
    assert Preprocessing.of({"size": SQUARE, **fields}, family) == Preprocessing.of({"size": SQUARE}, family)
    assert not check_fields(fields)


def test_an_aspect_ratio_that_is_kept_by_the_size_may_be_named(family: Family) -> None:
    size = {"size": {"max_height": 64, "max_width": 64}, "do_pad": True, "pad_size": {"height": 64, "width": 64}}
    assert Preprocessing.of({**size, "keep_ratio": True}, family) == Preprocessing.of(size, family)


@pytest.mark.parametrize(
    "kind",
    [
        "ViTImageProcessor",
        "YolosImageProcessor",
        "CLIPFeatureExtractor",
        "RTDetrImageProcessorX",
        "",
        3,
        None,
        ["DetrImageProcessor"],
    ],
)
def test_another_kind_of_processor_is_refused(kind: Any, family: Family) -> None:
    for name in ("image_processor_type", "feature_extractor_type"):
        if kind is None:
            assert kind_of({name: kind}, "any") is None
            continue
        with pytest.raises(UnsupportedModelError, match=r"^preprocessor_config\.json: image_processor_type is "):
            Preprocessing.of({name: kind}, family)


@pytest.mark.parametrize("suffix", ["ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor"])
@pytest.mark.parametrize("kind", ["RTDetr", "Detr", "DeformableDetr", "ConditionalDetr"])
def test_missing_fields_have_the_defaults_of_the_kind(kind: str, suffix: str, family: Family) -> None:
    name = "feature_extractor_type" if suffix == "FeatureExtractor" else "image_processor_type"
    read = Preprocessing.of({name: kind + suffix, "size": SQUARE}, family)
    assert (read.mean is None) == (kind == "RTDetr")
    whole = Preprocessing.of({name: kind + suffix}, family, size_divisor=1)
    assert isinstance(whole.sizing, ShortestEdge) == (kind != "RTDetr")


def test_the_kind_of_a_family_of_a_plug_in_is_its_own() -> None:
    assert kind_of({"image_processor_type": "MyImageProcessor"}, "MyImageProcessor") == "MyImageProcessor"


def test_one_number_with_default_to_square_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="default_to_square"):
        Preprocessing.of({"size": 640, "default_to_square": True}, FAMILIES["detr"])


def test_set_fields_that_are_not_read_are_listed() -> None:
    assert check_fields(
        {"zoom": 2, "auto_map": {"a": "b"}, "size": 3, "absent": None, "off": False, "own": 1}, ["own"]
    ) == (
        "auto_map",
        "zoom",
    )


def test_a_completed_file_is_read_as_the_file_itself(family: Family) -> None:
    for fields in ({"image_processor_type": "RTDetrImageProcessor"}, {"feature_extractor_type": "DetrFeatureExtractor"},
                   {"pad_and_return_pixel_mask": False}, {}):  # fmt: skip
        complete = complete_fields({"size": SQUARE, **fields}, family)
        assert {"image_processor_type", "do_normalize", "do_rescale", "resample"} <= complete.keys()
        assert Preprocessing.of(complete, family) == Preprocessing.of({"size": SQUARE, **fields}, family)
