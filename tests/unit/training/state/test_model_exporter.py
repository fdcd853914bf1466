"""How images are prepared after training: stretched or letterboxed, with the border of the model or that of transformers."""

from typing import Any

import pytest

from detcli.errors import UsageError
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FitWithin, FixedSize, Letterbox
from detcli.models.family import FAMILIES
from detcli.structures.resize import InputBorder
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.model_exporter import training_preprocessing

DFINE = FAMILIES["dfine"]
GRAY = {
    "size": {"max_height": 320, "max_width": 320}, "do_pad": True, "pad_size": {"height": 320, "width": 320},
    "pad_position": "center", "pad_value": 99,
}  # fmt: skip
LETTERBOX = Recipe().merged({"resize": "letterbox", "image_size": [64, 96]})


@pytest.mark.parametrize("family", ["dfine", "rtdetr"])
def test_a_letterboxed_input_is_padded_as_transformers_pads(family: str) -> None:
    made = training_preprocessing({}, FAMILIES[family], LETTERBOX)
    assert (made.sizing, made.pad_size_hw, made.has_mask) == (FitWithin((64, 96)), (64, 96), False)
    assert made.border == InputBorder()
    assert made.size_fields() == {
        "size": {"max_height": 64, "max_width": 96}, "do_pad": True, "pad_size": {"height": 64, "width": 96},
    }  # fmt: skip


def test_a_model_with_a_border_keeps_it() -> None:
    made = training_preprocessing(GRAY, DFINE, LETTERBOX)
    assert (made.sizing, made.border) == (Letterbox((64, 96), 99), InputBorder(centered=True, value=99))


def test_a_model_with_normalization_has_its_border_before_it() -> None:
    made = training_preprocessing({"do_normalize": True}, DFINE, LETTERBOX)
    assert made.mean is not None
    assert made.sizing == Letterbox((64, 96), 114)


@pytest.mark.parametrize("given", [{}, {"do_normalize": True}, GRAY])
def test_what_is_written_is_read_as_the_same(given: dict[str, Any]) -> None:
    made = training_preprocessing(given, DFINE, LETTERBOX)
    normalization = {name: value for name, value in given.items() if name == "do_normalize"}
    assert Preprocessing.of({**normalization, **made.size_fields()}, DFINE) == made


def test_a_recipe_that_stretches_leaves_no_border() -> None:
    made = training_preprocessing(GRAY, DFINE, LETTERBOX.merged({"resize": "stretch"}))
    assert (made.sizing, made.border, made.pad_size_hw) == (FixedSize((64, 96)), None, None)


def test_a_network_of_many_sizes_is_not_letterboxed() -> None:
    with pytest.raises(UsageError, match="keeps their aspect ratio with shortest_edges"):
        training_preprocessing({}, FAMILIES["detr"], LETTERBOX)


def test_a_letterboxed_size_has_to_fit_the_network() -> None:
    with pytest.raises(UsageError, match="`image_size` 100 is not a multiple of 32; 96 is"):
        training_preprocessing({}, DFINE, LETTERBOX.merged({"image_size": [100, 96]}))
