"""Properties of the network with any weights, in training and inference form."""

import copy
import dataclasses
from typing import Any

import pytest
import torch

from detcli.errors import UnsupportedModelError
from detcli.models.deformable_detr import (
    FAMILY,  # CHECK
    encoder,
)
from detcli.models.deformable_detr.network import DeformableDetr, DeformableDetrDetails, ImageTokens
from detcli.models.deformable_detr.published import published_config
from detcli.models.inference_form import optimize
from detcli.models.layers import sampling
from detcli.models.layers.norm import FrozenBatchNorm2d
from detcli.structures.network_io import Outputs
from tests.helpers.deformable_detr_samples import VARIANTS, padded, random_network, tiny
from tests.helpers.dfine_samples import distance, images

FORMS: dict[str, dict[str, Any]] = {
    **VARIANTS,
    "learned positions": {"position_embedding_type": "learned"},
    "five levels": {"num_feature_levels": 5, "activation_function": "gelu"},
}


@pytest.fixture(params=FORMS)
def network(request: pytest.FixtureRequest) -> DeformableDetr:
    return random_network(tiny(**FORMS[request.param])).double()


@pytest.fixture(params=[(variant, form) for variant in VARIANTS for form in ("plain", "folded")])
def any_form(request: pytest.FixtureRequest) -> DeformableDetr:
    variant, form = request.param
    made = random_network(tiny(variant)).double()
    return optimize(made) if form == "folded" else made


def assert_same(one: Outputs, other: Outputs, tolerance: float = 1e-9) -> None:
    """Query by query, or paired: ranks of proposals with equal scores may swap."""
    logits = float((one.logits - other.logits).abs().max())
    boxes = float((one.boxes_cxcywh - other.boxes_cxcywh).abs().max())
    if max(logits, boxes) > tolerance:
        logits, boxes = distance(one, other.logits, other.boxes_cxcywh)
    assert max(logits, boxes) <= tolerance


# Source: the original repository, all parameters with 91 classes and frozen norms; refined and in two stages it has more
# heads, and in two stages projections in the place of queries.
@pytest.mark.parametrize(
    ("variant", "millions"),
    [("", 40.070), ("single-scale", 34.067), ("single-scale-dc5", 34.067), ("with-box-refine-two-stage", 41.182)],
)
def test_variants_have_the_published_number_of_parameters(variant: str, millions: float) -> None:
    with torch.device("meta"):
        built = DeformableDetr(published_config(variant, ["label"] * 91))
    assert round(sum(parameter.numel() for parameter in built.parameters()) / 1e6, 3) == millions


def test_box_refinement_adds_only_heads() -> None:
    with torch.device("meta"):
        plain, refined = (DeformableDetr(published_config(v, ["label"] * 91)) for v in ("", "with-box-refine"))
    counts = [sum(parameter.numel() for parameter in built.parameters()) for built in (plain, refined)]
    head = 257 * 91 + 2 * 257 * 256 + 257 * 4
    assert counts[1] - counts[0] == 5 * head


@torch.inference_mode()
def test_the_inference_form_gives_the_same(network: DeformableDetr) -> None:
    pixels, mask = padded(images(2, 96, 144), [(96, 120), (70, 144)])
    plain = network(pixels, mask)
    assert_same(optimize(network)(pixels, mask), plain)


@torch.inference_mode()
def test_optimizing_in_float32_rounds_once(network: DeformableDetr) -> None:
    pixels = images(1, 96, 144)
    exact = network(pixels)
    folded = optimize(copy.deepcopy(network).float()).double()
    assert_same(folded(pixels), exact, 1e-3)


def test_optimizing_works_in_place_and_can_be_repeated(network: DeformableDetr) -> None:
    folded = optimize(network)
    assert folded is network
    assert not [module for module in folded.modules() if isinstance(module, FrozenBatchNorm2d)]
    assert not [parameter for parameter in folded.parameters() if parameter.requires_grad]
    before = {name: tensor.clone() for name, tensor in folded.state_dict().items()}
    after = optimize(folded).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@torch.inference_mode()
def test_batching_does_not_change_results(any_form: DeformableDetr) -> None:
    pixels = images(3, 96, 112)
    together = any_form(pixels)
    for i in range(3):
        part = Outputs(together.logits[i : i + 1], together.boxes_cxcywh[i : i + 1])
        assert_same(any_form(pixels[i : i + 1]), part)


@torch.inference_mode()
def test_a_mask_without_padding_changes_nothing(any_form: DeformableDetr) -> None:
    pixels = images(2, 96, 112)
    assert_same(any_form(pixels, torch.ones(2, 96, 112, dtype=torch.bool)), any_form(pixels))


@torch.inference_mode()
def test_masked_tokens_do_not_matter(any_form: DeformableDetr, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, mask = padded(images(2, 96, 112), [(64, 80), (96, 60)])
    plain = any_form(pixels, mask)
    look = any_form.image_tokens

    def spoiled(*given: Any) -> ImageTokens:
        scene = look(*given)
        assert scene.padding is not None
        return dataclasses.replace(scene, tokens=scene.tokens.masked_fill(scene.padding[..., None], 7.0))

    monkeypatch.setattr(any_form, "image_tokens", spoiled)
    assert_same(any_form(pixels, mask), plain)


@torch.inference_mode()
def test_the_memory_format_does_not_matter(any_form: DeformableDetr) -> None:
    pixels = images(2, 96, 112)
    plain = any_form(pixels)
    turned = any_form.to(memory_format=torch.channels_last)(pixels.contiguous(memory_format=torch.channels_last))
    assert_same(turned, plain)


@torch.inference_mode()
def test_details_do_not_change_predictions(any_form: DeformableDetr) -> None:
    pixels, mask = padded(images(2, 96, 112), [(80, 112), (96, 90)])
    answer = any_form(pixels, mask)
    detailed = any_form(pixels, mask, details=True)
    assert answer.details is None
    assert isinstance(detailed.details, DeformableDetrDetails)
    torch.testing.assert_close(answer.logits, detailed.logits)
    torch.testing.assert_close(answer.boxes_cxcywh, detailed.boxes_cxcywh)
    torch.testing.assert_close(detailed.details.logits[:, -1], answer.logits)


@torch.inference_mode()
def test_no_image_size_is_remembered(any_form: DeformableDetr) -> None:
    sizes = [(96, 112), (131, 77), (80, 160), (70, 75)]
    first = [any_form(images(1, 160, 160)[..., :height, :width]) for height, width in sizes]
    again = [any_form(images(1, 160, 160)[..., :height, :width]) for height, width in reversed(sizes)]
    for one, other in zip(first, reversed(again), strict=True):
        assert torch.equal(one.logits, other.logits)


@torch.inference_mode()
def test_the_chunk_size_does_not_matter(any_form: DeformableDetr, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, mask = padded(images(2, 96, 112), [(80, 112), (96, 90)])
    complete = any_form(pixels, mask)
    for rows in (1, 100):
        monkeypatch.setattr(encoder, "_ROWS", rows)
        assert_same(any_form(pixels, mask), complete)


@torch.inference_mode()
def test_both_sampling_methods_give_the_same(any_form: DeformableDetr, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, mask = padded(images(2, 96, 112), [(80, 112), (96, 90)])
    bags = any_form(pixels, mask)
    monkeypatch.setattr(sampling, "_use_bags", lambda *_: False)
    assert_same(any_form(pixels, mask), bags)


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision_is_close(variant: str) -> None:
    network = optimize(random_network(tiny(variant)))
    pixels, mask = padded(images(1, 96, 112).float(), [(96, 90)])
    exact = network(pixels, mask)
    with torch.autocast("cpu", torch.bfloat16):
        blurred = network(pixels, mask)
    if variant != "with-box-refine-two-stage":  # proposals of another rank are other queries
        assert float((blurred.logits - exact.logits).abs().mean()) < 0.1
        assert float((blurred.boxes_cxcywh - exact.boxes_cxcywh).abs().mean()) < 0.02
    assert blurred.boxes_cxcywh.dtype == torch.float32
    assert blurred.logits.isfinite().all()


@torch.inference_mode()
def test_two_stage_models_predict_at_most_one_box_per_token() -> None:
    network = random_network(tiny("with-box-refine-two-stage", two_stage_num_proposals=300))
    outputs = network(images(1, 80, 80).float())
    places = 10 * 10 + 5 * 5 + 3 * 3 + 2 * 2
    assert outputs.logits.shape == (1, places, 5)
    assert outputs.boxes_cxcywh.isfinite().all()


@torch.inference_mode()
def test_proposals_are_selected_by_the_first_class() -> None:
    network = random_network(tiny("with-box-refine-two-stage")).double()
    pixels = images(1, 96, 112)
    before = network(pixels)
    network.query_source.class_head.weight[1:] += 3  # type: ignore[operator, union-attr]
    assert_same(network(pixels), before)


def test_an_image_beyond_learned_positions_is_rejected() -> None:
    network = random_network(tiny(position_embedding_type="learned"))
    with pytest.raises(UnsupportedModelError, match="learned positions for 50 x 50"), torch.inference_mode():
        network(images(1, 64, 416).float())


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 4, 64, 64)])
def test_pixels_of_wrong_shape_are_rejected(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="`pixels` has shape"):
        random_network(tiny())(torch.zeros(shape))


def test_a_mask_of_wrong_shape_is_rejected() -> None:
    with pytest.raises(ValueError, match="`mask` has shape"):
        random_network(tiny())(torch.zeros(1, 3, 64, 64), torch.ones(1, 64, 32, dtype=torch.bool))


def test_nan_weights_give_nan_predictions() -> None:
    """They must neither crash the sampling nor look like boxes."""
    network = random_network(tiny())
    network.encoder.layers[0].attention.offsets.bias.data[0] = torch.nan  # type: ignore[union-attr]
    with torch.inference_mode():
        outputs = optimize(network)(images(1, 64, 96).float())
    assert outputs.logits.isnan().any()


def test_the_family_has_no_masks_and_scores_by_sigmoid() -> None:
    assert not FAMILY.has_masks(tiny())
    assert FAMILY.scores == "sigmoid"
    assert tiny().labels == tuple(f"class {i}" for i in range(5))
