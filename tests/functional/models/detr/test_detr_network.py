"""DETR with batches and padding, its inference form, and its mask head."""

import copy

import pytest
import torch
from torch import Tensor

from detcli.errors import UnsupportedModelError
from detcli.models.detr import FAMILY, mask_head
from detcli.models.detr.network import Detr
from detcli.models.inference_form import optimize
from detcli.structures.network_io import Outputs
from tests.helpers.detr_samples import SEGMENTING, images, padded, random_network, tiny


def assert_alike(one: Outputs, other: Outputs, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=tolerance)
    torch.testing.assert_close(one.boxes_cxcywh, other.boxes_cxcywh, rtol=0, atol=tolerance)
    assert (one.masks is None) == (other.masks is None)
    if one.masks is not None:
        torch.testing.assert_close(one.masks, other.masks, rtol=0, atol=tolerance)


def alone(outputs: Outputs, place: int) -> Outputs:
    drawn = outputs.masks[place : place + 1] if outputs.masks is not None else None
    return Outputs(outputs.logits[place : place + 1], outputs.boxes_cxcywh[place : place + 1], masks=drawn)


def run(network: Detr, pixels: Tensor, mask: Tensor | None = None) -> Outputs:
    with torch.inference_mode():
        outputs: Outputs = network(pixels, mask)
        return outputs


@pytest.fixture(params=["boxes", "masks"])
def network(request: pytest.FixtureRequest) -> Detr:
    return random_network(tiny(**(SEGMENTING if request.param == "masks" else {}))).double()


def test_batching_does_not_change_results(network: Detr) -> None:
    pixels = images(3, 70, 101)
    together = run(network, pixels)
    for place in range(3):
        assert_alike(alone(together, place), run(network, pixels[place : place + 1]))


def test_a_mask_without_padding_changes_nothing(network: Detr) -> None:
    pixels = images(2, 70, 101)
    assert_alike(run(network, pixels, torch.ones(2, 70, 101, dtype=torch.bool)), run(network, pixels))


def test_a_mask_matters_even_if_all_cells_are_image(network: Detr) -> None:
    """Fewer rows are padded than a cell has."""
    pixels, mask = padded((96, 128), (91, 128))
    assert_alike(run(network, pixels, mask), run(network, pixels))


def test_pixels_in_the_padding_do_not_matter(network: Detr) -> None:
    """Attention never reads padding; only the backbone's receptive field can."""
    pixels, mask = padded((96, 1024), (96, 96))
    louder = pixels.clone()
    louder[1, :, :, 900:] = 5.0
    assert_alike(alone(run(network, pixels, mask), 0), alone(run(network, louder, mask), 0))
    before, after = (alone(run(network, each, mask), 1) for each in (pixels, louder))
    torch.testing.assert_close(before.logits, after.logits, rtol=0, atol=1e-9)
    unmasked = run(network, louder)
    assert (alone(unmasked, 1).logits - after.logits).abs().max() > 1e-3


@pytest.mark.parametrize("positions", ["sine", "learned"])
@pytest.mark.parametrize("form", [{}, SEGMENTING], ids=["boxes", "masks"])
def test_optimizing_keeps_results_and_can_be_repeated(positions: str, form: dict[str, object]) -> None:
    network = random_network(tiny(position_embedding_type=positions, **form)).double()
    pixels, mask = padded((96, 130), (70, 101))
    before = run(network, pixels, mask)
    once = optimize(copy.deepcopy(network))
    assert_alike(run(once, pixels, mask), before)
    twice = optimize(copy.deepcopy(once))
    assert_alike(run(twice, pixels, mask), run(once, pixels, mask), 0.0)
    assert not any(parameter.requires_grad for parameter in once.parameters())
    assert not any(name.endswith("running_var") for name in once.state_dict())


def test_the_memory_format_does_not_matter(network: Detr) -> None:
    pixels, mask = padded((96, 130), (70, 101))
    before = run(network, pixels, mask)
    last = optimize(copy.deepcopy(network)).to(memory_format=torch.channels_last)
    assert_alike(run(last, pixels.contiguous(memory_format=torch.channels_last), mask), before)


@pytest.mark.parametrize("size_hw", [(33, 200), (1, 1), (64, 64), (97, 31)])
def test_any_image_size_is_accepted(network: Detr, size_hw: tuple[int, int]) -> None:
    outputs = run(network, images(1, *size_hw))
    assert outputs.logits.shape == (1, 12, 6)
    assert outputs.boxes_cxcywh.shape == (1, 12, 4)
    assert outputs.boxes_cxcywh.min() >= 0
    assert outputs.boxes_cxcywh.max() <= 1
    if outputs.masks is not None:
        assert outputs.masks.shape == (1, 12, -(-size_hw[0] // 4), -(-size_hw[1] // 4))


def test_masks_can_be_disabled() -> None:
    network = random_network(tiny(**SEGMENTING)).double()
    pixels, mask = padded((96, 130), (70, 101))
    with_masks = run(network, pixels, mask)
    assert with_masks.masks is not None
    network.configure_masks(enabled=False)
    without = run(network, pixels, mask)
    assert without.masks is None
    assert_alike(without, Outputs(with_masks.logits, with_masks.boxes_cxcywh))
    network.configure_masks(enabled=True)
    assert run(network, pixels, mask).masks is not None


def test_masks_cannot_be_enabled_without_a_mask_head() -> None:
    network = random_network(tiny())
    network.configure_masks(enabled=False)
    with pytest.raises(ValueError, match="no mask head"):
        network.configure_masks(enabled=True)


def test_mask_chunks_do_not_change_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(tiny(**SEGMENTING)).double()
    pixels, mask = padded((96, 130), (70, 101))
    complete = run(network, pixels, mask)
    monkeypatch.setattr(mask_head, "_CHUNK", 24 * 33 * 5 * 4)  # the finest maps of five queries
    assert_alike(run(network, pixels, mask), complete)
    monkeypatch.setattr(mask_head, "_CHUNK", 1)
    assert_alike(run(network, pixels, mask), complete)


def test_masks_below_the_score_threshold_are_skipped() -> None:
    network = optimize(random_network(tiny(**SEGMENTING)).double())
    pixels, mask = padded((96, 130), (70, 101))
    every = run(network, pixels, mask)
    assert every.masks is not None
    scores = every.logits.softmax(-1)[..., :-1].amax(-1)
    threshold = float(scores.median())
    network.configure_masks(enabled=True, score_threshold=threshold)
    some = run(network, pixels, mask)
    assert some.masks is not None
    sure = scores > threshold
    assert 0 < sure.sum() < sure.numel()
    torch.testing.assert_close(some.masks[sure], every.masks[sure], rtol=0, atol=1e-9)
    spared = scores < threshold - 0.01
    assert spared.any()
    assert (some.masks[spared] == -100).all()
    network.configure_masks(enabled=True, score_threshold=0.999999)
    assert (run(network, pixels, mask).masks == -100).all()
    network.train()
    assert network(pixels, mask).masks.min() > -100


def test_masks_of_nan_scores_are_computed() -> None:
    network = optimize(random_network(tiny(**SEGMENTING)))
    network.configure_masks(enabled=True, score_threshold=0.9)
    network.class_head.bias.data[0] = torch.nan
    assert (run(network, images(1, 64, 96).float()).masks != -100).any()


def test_an_image_beyond_learned_positions_is_rejected() -> None:
    network = random_network(tiny(position_embedding_type="learned")).double()
    run(network, images(1, 32, 1600))
    with pytest.raises(UnsupportedModelError, match="learned positions for 50 x 50"):
        run(network, images(1, 32, 1632))


def test_pixels_and_masks_of_wrong_shape_are_rejected() -> None:
    network = random_network(tiny())
    with pytest.raises(ValueError, match=r"\[1, 1, 32, 32\]"):
        network(torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"`mask` has shape \[1, 32, 31\]"):
        network(torch.zeros(1, 3, 32, 32), torch.ones(1, 32, 31, dtype=torch.bool))


def test_a_new_network_has_small_finite_logits() -> None:
    torch.manual_seed(0)
    network = FAMILY.build(tiny(**SEGMENTING)).double().eval()
    outputs = run(network, images(1, 96, 130))
    assert outputs.logits.isfinite().all()
    assert outputs.logits.abs().max() < 10
    assert outputs.masks is not None
    assert outputs.masks.isfinite().all()


@pytest.mark.parametrize("form", [{}, SEGMENTING], ids=["boxes", "masks"])
def test_half_precision_is_close(form: dict[str, object]) -> None:
    network = optimize(random_network(tiny(**form)))
    pixels, mask = padded((96, 130), (70, 101))
    exact = run(network, pixels.float(), mask)
    with torch.autocast("cpu", torch.bfloat16):
        rough = run(network, pixels.float(), mask)
    assert (exact.boxes_cxcywh - rough.boxes_cxcywh.float()).abs().max() < 0.1
