"""The interface of model families: what is missing is an error, and what is shared works for each of them."""

import pytest
import torch

from detcli.errors import UsageError
from detcli.models.dfine import DFineFamily
from detcli.models.family import FAMILIES, Family, SegmentationNetwork
from tests.helpers.detr_samples import SEGMENTING
from tests.helpers.detr_samples import tiny as tiny_detr
from tests.helpers.dfine_samples import tiny as tiny_dfine


def test_a_family_without_a_method_has_no_instance() -> None:
    class Incomplete(Family):
        name = "incomplete"

    with pytest.raises(TypeError, match="abstract"):
        Incomplete()  # type: ignore[abstract]


def test_only_detr_has_a_mask_head() -> None:
    detr, dfine = FAMILIES["detr"], FAMILIES["dfine"]
    assert detr.has_masks(detr.with_mask_head(tiny_detr()))
    assert not detr.has_masks(tiny_detr())
    assert not dfine.has_masks(tiny_dfine())
    with pytest.raises(UsageError, match=r"^`masks`: a network of the family 'dfine' has no mask head"):
        dfine.with_mask_head(tiny_dfine())


def test_a_segmentation_network_is_known_by_its_method() -> None:
    with torch.device("meta"):
        assert isinstance(FAMILIES["detr"].build(tiny_detr(**SEGMENTING)), SegmentationNetwork)
        assert not isinstance(FAMILIES["dfine"].build(tiny_dfine()), SegmentationNetwork)


@pytest.mark.parametrize(
    ("name", "dilated"), [("dfine", False), ("detr", True), ("deformable_detr", True), ("rtdetr", False)]
)
def test_families_with_dilated_models_say_so(name: str, dilated: bool) -> None:
    assert FAMILIES[name].dilated_models is dilated


def test_a_family_may_replace_single_members() -> None:
    class SmallSteps(DFineFamily):
        size_divisor = 1

    assert SmallSteps().size_divisor == 1
    assert SmallSteps().preprocessor == FAMILIES["dfine"].preprocessor
