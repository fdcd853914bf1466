"""Loss functions against manual calculations, and their properties."""

import math

import pytest
import torch

from detcli.models.losses.loss_terms import (
    box_terms,
    cross_entropy,
    distillation,
    distribution_focal,
    focal,
    mask_terms,
    varifocal,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_varifocal_loss_matches_a_manual_calculation() -> None:
    logits = torch.tensor([[[0.0, math.log(3)]]], dtype=torch.float64)  # probabilities 1/2 and 3/4
    places = (torch.tensor([0]), torch.tensor([0]), torch.tensor([1]))
    [loss] = varifocal(logits, places, torch.tensor([0.6]), alpha=0.75, gamma=2)
    wrong = 0.75 * 0.5**2 * -math.log(0.5)
    right = 0.6 * -(0.6 * math.log(0.75) + 0.4 * math.log(0.25))
    assert loss.item() == pytest.approx(wrong + right)


def test_varifocal_loss_is_lowest_if_scores_equal_the_quality() -> None:
    logits = torch.logit(torch.tensor([[[0.6]]], dtype=torch.float64)).requires_grad_()
    places = (torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    varifocal(logits, places, torch.tensor([0.6])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-7


def test_varifocal_loss_sums_each_layer_separately() -> None:
    logits = random(3, 5, 4)
    places = (torch.tensor([[0], [1], [2]]), torch.tensor([[4], [2], [0]]), torch.tensor([[3], [1], [1]]))
    quality = torch.tensor([[0.1], [0.5], [0.9]])
    together = varifocal(logits, places, quality)
    zero = torch.zeros(1, dtype=torch.int64)
    for layer in range(3):
        alone = varifocal(logits[layer : layer + 1], (zero, places[1][layer], places[2][layer]), quality[layer])
        assert together[layer].item() == pytest.approx(alone.item())


def test_focal_loss_matches_a_manual_calculation() -> None:
    logits = torch.tensor([[[0.0, math.log(3)]]], dtype=torch.float64)  # probabilities 1/2 and 3/4
    places = (torch.tensor([0]), torch.tensor([0]), torch.tensor([1]))
    [loss] = focal(logits, places, alpha=0.25, gamma=2)
    assert loss.item() == pytest.approx(0.75 * 0.5**2 * -math.log(0.5) + 0.25 * 0.25**2 * -math.log(0.75))


def test_focal_loss_has_finite_gradients_and_none_for_certain_scores() -> None:
    logits = torch.tensor([[[-200.0, 200.0, 0.0, 200.0, -200.0]]], dtype=torch.float64).requires_grad_()
    places = (torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), torch.tensor([1, 4]))
    focal(logits, places).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 0, :2].abs().max() < 1e-12
    assert logits.grad[0, 0, 3] > 0 > logits.grad[0, 0, 4]


def test_cross_entropy_weights_queries_without_object_less() -> None:
    logits = torch.tensor([[[0.2, 0.3, 0.5], [0.1, 0.7, 0.2]]], dtype=torch.float64).log()
    places = (torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))
    [loss] = cross_entropy(logits, places, no_object_weight=0.1)
    assert loss.item() == pytest.approx(0.1 * -math.log(0.5) - math.log(0.1))


def test_mask_losses_match_a_manual_calculation() -> None:
    logits = torch.tensor([[[0.0, math.log(3)]]], dtype=torch.float64)  # probabilities 1/2 and 3/4
    [far], [apart] = mask_terms(logits, torch.tensor([[[0.0, 1.0]]], dtype=torch.float64))
    assert far.item() == pytest.approx((0.75 * 0.5**2 * -math.log(0.5) + 0.25 * 0.25**2 * -math.log(0.75)) / 2)
    assert apart.item() == pytest.approx(1 - (2 * 0.75 + 1) / (1.25 + 1 + 1))


def test_mask_logits_are_resized_to_the_ground_truth() -> None:
    small, true = random(3, 4, 6), (random(3, 16, 24, seed=1) > 0).double()
    large = torch.nn.functional.interpolate(small[None], size=(16, 24), mode="bilinear")[0]
    for term, expected in zip(mask_terms(small, true), mask_terms(large, true), strict=True):
        assert torch.allclose(term, expected, atol=1e-12)


def test_box_losses_of_a_correct_box_are_zero() -> None:
    boxes = random(4, 4).sigmoid()
    distance, apart, quality = box_terms(boxes, boxes)
    assert distance.abs().max() == 0
    assert apart.abs().max() < 1e-12
    assert torch.allclose(quality, torch.ones_like(quality))


def test_the_quality_of_a_box_carries_no_gradient() -> None:
    boxes = random(4, 4).sigmoid().requires_grad_()
    distance, apart, quality = box_terms(boxes, random(4, 4, seed=1).sigmoid())
    assert not quality.requires_grad
    assert distance.requires_grad
    assert apart.requires_grad


def test_distribution_focal_loss_splits_targets_between_bins() -> None:
    logits = random(2, 3, 4, 9)
    left = torch.tensor([[0, 3, 5, 7]]).expand(3, 4)
    on_left, on_right, between = (
        distribution_focal(logits, left, torch.full((3, 4), share, dtype=torch.float64)) for share in (0.0, 1.0, 0.25)
    )
    chances = logits.log_softmax(-1)
    assert torch.allclose(on_left, -chances.gather(-1, left.expand(2, 3, 4)[..., None])[..., 0])
    assert torch.allclose(on_right, -chances.gather(-1, left.expand(2, 3, 4)[..., None] + 1)[..., 0])
    assert torch.allclose(between, 0.75 * on_left + 0.25 * on_right)


def test_distillation_of_equals_is_zero_and_never_trains_the_teacher() -> None:
    teacher, student = random(5, 9).requires_grad_(), random(2, 5, 9, seed=1).requires_grad_()
    assert distillation(teacher, teacher, temperature=5.0).abs().max() < 1e-12
    apart = distillation(student, teacher, temperature=5.0)
    assert apart.shape == (2, 5)
    assert (apart > 0).all()
    apart.sum().backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_distillation_is_the_divergence_of_softened_distributions() -> None:
    student, teacher = random(9), random(9, seed=1)
    p, q = (teacher / 5).softmax(-1), (student / 5).softmax(-1)
    assert distillation(student, teacher, temperature=5.0).item() == pytest.approx(
        25 * (p * (p / q).log()).sum().item()
    )
