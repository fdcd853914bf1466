"""Selection of queries among thousands of classes: a part of the tokens at a time gives the same bits."""

import pytest
import torch
from torch import Tensor, nn

import detcli.models.layers.query_selection as query_selection
from detcli.models.dfine.network import DFine
from tests.helpers.dfine_samples import random_network, tiny

CLASSES = 500
TOKENS = 20 * 20 + 10 * 10 + 5 * 5


def network(dtype: torch.dtype = torch.float32) -> DFine:
    return random_network(tiny(id2label={str(i): f"class {i}" for i in range(CLASSES)})).to(dtype)


def images(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand((count, 3, 160, 160), generator=torch.Generator().manual_seed(1)).to(dtype)


def rows_of_head(head: nn.Linear, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each use of a class head from now on."""
    rows: list[int] = []
    linear = nn.functional.linear

    def counting(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if weight.data_ptr() == head.weight.data_ptr():
            rows.append(x.numel() // x.shape[-1])
        return linear(x, weight, bias)

    monkeypatch.setattr(nn.functional, "linear", counting)
    return rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("tokens", [1, 7, 100])
def test_parts_of_the_tokens_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, count: int, tokens: int
) -> None:
    model, pixels = network(dtype), images(count, dtype)
    with torch.inference_mode():
        expected = model(pixels)
        monkeypatch.setattr(query_selection, "_MAX_SCORES", tokens * CLASSES)
        rows = rows_of_head(model.query_selection.class_head, monkeypatch)
        outputs = model(pixels)
    assert torch.equal(outputs.logits, expected.logits)
    assert torch.equal(outputs.boxes_cxcywh, expected.boxes_cxcywh)
    queries = model.query_selection.count
    assert max(rows[:-1]) == tokens
    assert sum(rows) == count * (TOKENS + queries)


def test_details_have_the_scores_of_all_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    monkeypatch.setattr(query_selection, "_MAX_SCORES", CLASSES)
    with torch.inference_mode():
        details = model(images(1), details=True).details
    assert details.enc_outputs_class.shape == (1, TOKENS, CLASSES)


def test_few_classes_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    rows = rows_of_head(model.query_selection.class_head, monkeypatch)
    with torch.inference_mode():
        model(images(2))
    assert rows == [2 * TOKENS]


def test_captured_graphs_keep_the_plain_form(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    monkeypatch.setattr(query_selection, "_MAX_SCORES", CLASSES)
    monkeypatch.setattr(query_selection, "is_captured", lambda: True)
    rows = rows_of_head(model.query_selection.class_head, monkeypatch)
    with torch.inference_mode():
        model(images(1))
    assert rows == [TOKENS]


@pytest.mark.parametrize("autocast", [False, True])
def test_training_in_parts_has_the_same_gradients(monkeypatch: pytest.MonkeyPatch, autocast: bool) -> None:
    model = network().train()
    tokens = torch.randn((2, TOKENS, 32), generator=torch.Generator().manual_seed(2))
    gradients = []
    for scores in (query_selection._MAX_SCORES, 50 * CLASSES):
        monkeypatch.setattr(query_selection, "_MAX_SCORES", scores)
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            selected = model.query_selection(tokens, ((20, 20), (10, 10), (5, 5)))
        (selected.logits.square().sum() + selected.references.sum()).backward()
        gradients.append([p.grad.clone() for p in model.query_selection.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(other.abs().max()))
    assert len(gradients[0]) == len(gradients[1]) >= 8
