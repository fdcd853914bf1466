"""Memory of class scores: losses in parts give what they give at once, and too much is refused before it is taken."""

from typing import Any

import pytest
import torch
from torch import Tensor

import detcli.models.losses.loss_terms as loss_terms
import detcli.models.losses.score_memory as score_memory
from detcli.errors import DeviceError
from detcli.models.losses.loss_terms import focal, varifocal
from detcli.models.losses.score_memory import available_bytes, check_score_memory

CPU = torch.device("cpu")
LARGE: dict[str, Any] = {"images": 64, "queries": 10_300, "scores_per_image": 70_000, "classes": 20_000, "boxes": 5_000}


def case() -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Logits [3, 40, 11], and the ground truth of some queries of each layer."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((3, 40, 11), generator=generator, dtype=torch.float64)
    queries = torch.stack([torch.randperm(40, generator=generator)[:9] for _ in range(3)])
    labels = torch.randint(11, (3, 9), generator=generator)
    return logits, (torch.arange(3)[:, None], queries, labels), torch.rand((3, 9), generator=generator)


def with_gradients(name: str, logits: Tensor, indices: tuple[Tensor, ...], quality: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    losses = varifocal(logits, indices, quality) if name == "varifocal" else focal(logits, indices)
    (losses * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logits.grad is not None
    return losses.detach(), logits.grad


@pytest.mark.parametrize("name", ["varifocal", "focal"])
@pytest.mark.parametrize("scores", [33, 33 * 7, 33 * 39])
def test_a_loss_in_parts_has_the_same_values_and_gradients(
    monkeypatch: pytest.MonkeyPatch, name: str, scores: int
) -> None:
    expected = with_gradients(name, *case())
    monkeypatch.setattr(loss_terms, "_MAX_SCORES", scores)
    for one, other in zip(with_gradients(name, *case()), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["varifocal", "focal"])
def test_a_loss_in_parts_never_copies_all_scores(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(loss_terms, "_MAX_SCORES", 33 * 5)
    sizes = []
    zeros_like = torch.zeros_like

    def counting(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return zeros_like(tensor)

    monkeypatch.setattr(torch, "zeros_like", counting)
    with_gradients(name, *case())
    assert max(sizes) == 33 * 5
    assert len(sizes) == 2 * 8  # of each part, and again for its gradients


def test_too_many_scores_are_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_memory, "available_bytes", lambda: 8_000_000_000)
    with pytest.raises(DeviceError, match=r"20,000 classes.* up to 5,000 .* 64 images at a time") as refused:
        check_score_memory(**LARGE, device=CPU)
    assert refused.value.out_of_memory
    assert "8.0 GB are available" in str(refused.value)
    assert "`batch_size`" in str(refused.value)


@pytest.mark.parametrize("available", [None, 10**15])
def test_scores_that_may_fit_are_accepted(monkeypatch: pytest.MonkeyPatch, available: int | None) -> None:
    monkeypatch.setattr(score_memory, "available_bytes", lambda: available)
    check_score_memory(**LARGE, device=CPU)


def test_other_devices_are_left_to_their_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_memory, "available_bytes", lambda: 0)
    check_score_memory(**LARGE, device=torch.device("cuda"))


def test_ordinary_steps_do_not_ask_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_memory, "available_bytes", lambda: pytest.fail("asked"))
    check_score_memory(images=16, queries=500, scores_per_image=3500, classes=80, boxes=60, device=CPU)


def test_available_memory_is_known_or_none() -> None:
    available = available_bytes()
    assert available is None or available > 1_000_000
