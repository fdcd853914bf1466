"""The cheapest assignment of queries to ground-truth boxes."""

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from detcli.errors import DivergedError, UsageError
from detcli.models.losses.assignment import CostWeights, assign, focal_costs, match, softmax_costs
from detcli.models.losses.layerwise_criterion import Costs
from detcli.models.losses.target_boxes import TargetBoxes

SHAPES = [(5, 3), (3, 3), (3, 6), (4, 0), (0, 4), (1, 1)]  # queries, ground-truth boxes


@pytest.mark.parametrize("shape", SHAPES)
def test_no_other_assignment_is_cheaper(shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(0).normal(size=shape)
    queries, boxes = match(cost)
    few, many = sorted(shape)
    long = cost if shape[1] == many else cost.T
    cheapest = min(
        (sum(long[i, j] for i, j in enumerate(columns)) for columns in itertools.permutations(range(many), few)),
        default=0.0,
    )
    assert len(queries) == len(boxes) == few
    assert cost[queries, boxes].sum() == pytest.approx(cheapest)
    assert sorted(queries) == list(queries)


def test_layers_and_images_are_assigned_as_scipy_does() -> None:
    counts = [3, 0, 9, 1]
    costs = torch.randn(2, 4, 6, 9, generator=torch.Generator().manual_seed(0))
    assignment = assign(costs, counts, ["one", "two"])
    for layer in range(2):
        expected, first = [], 0
        for image, count in enumerate(counts):
            queries, boxes = linear_sum_assignment(costs[layer, image, :, :count].numpy())
            expected += [(image * 6 + q, first + t) for q, t in zip(queries, boxes, strict=True)]
            first += count
        assert list(zip(assignment.queries[layer], assignment.targets[layer], strict=True)) == expected


def test_nothing_is_assigned_without_ground_truth_boxes() -> None:
    assignment = assign(torch.zeros(3, 2, 5, 0), [0, 0], ["one", "two", "three"])
    assert assignment.queries.shape == assignment.targets.shape == (3, 0)
    assert assignment.to(torch.device("cpu")).queries.dtype == torch.int64


def test_costs_of_padding_do_not_count() -> None:
    costs = torch.randn(1, 2, 5, 3, generator=torch.Generator().manual_seed(0))
    spoilt = costs.clone()
    spoilt[0, 0, :, 2] = torch.nan
    counts = [2, 3]
    assert np.array_equal(assign(costs, counts, ["one"]).targets, assign(spoilt, counts, ["one"]).targets)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_non_finite_cost_stops_training_and_names_the_layer(value: float) -> None:
    costs = torch.zeros(2, 3, 4, 2)
    costs[1, 2, 0, 1] = value
    with pytest.raises(DivergedError, match=r"predictions of the second are not finite \(image 3"):
        assign(costs, [2, 2, 2], ["the first", "the second"])
    with pytest.raises(ValueError, match="1 of 8 costs are not finite"):
        match(costs[1, 2].numpy())


def test_missing_scipy_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(UsageError, match=r"pip install matplotlib scipy"):
        match(np.zeros((2, 2)))


def test_focal_costs_match_a_manual_calculation() -> None:
    targets = TargetBoxes(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.2, 0.2]], dtype=torch.float64), (1,))
    logits = torch.tensor([[[[0.3, math.log(4)]]]], dtype=torch.float64)  # class 1 with probability 0.8
    boxes = torch.tensor(
        [[[[0.6, 0.5, 0.2, 0.2]]]], dtype=torch.float64
    )  # half of the target, and the same area outside
    cost = focal_costs(logits, boxes, targets, CostWeights(label=2, l1=5, giou=2, alpha=0.25, gamma=2))
    focal = 0.25 * 0.2**2 * -math.log(0.8) - 0.75 * 0.8**2 * -math.log(0.2)
    assert cost.shape == (1, 1, 1, 1)
    assert cost.item() == pytest.approx(2 * focal + 5 * 0.1 - 2 / 3, abs=1e-6)


def test_softmax_costs_match_a_manual_calculation() -> None:
    targets = TargetBoxes(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.2, 0.2]], dtype=torch.float64), (1,))
    logits = torch.tensor([[[[0.3, 0.5, 0.2]]]], dtype=torch.float64).log()  # two classes and no object
    boxes = torch.tensor([[[[0.6, 0.5, 0.2, 0.2]]]], dtype=torch.float64)
    cost = softmax_costs(logits, boxes, targets, CostWeights(label=3, l1=5, giou=2))
    assert cost.item() == pytest.approx(-3 * 0.5 + 5 * 0.1 - 2 / 3, abs=1e-6)


@pytest.mark.parametrize("costs", [focal_costs, softmax_costs])
def test_costs_do_not_depend_on_other_images_of_the_batch(costs: Costs) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, boxes = (
        torch.randn(2, 3, 5, 4, generator=generator),
        torch.rand(2, 3, 5, 4, generator=generator) * 0.4 + 0.1,
    )
    ids, targets, counts = torch.tensor([3, 0, 1, 2]), torch.rand(4, 4, generator=generator) * 0.4 + 0.1, (3, 0, 1)
    together = costs(logits, boxes, TargetBoxes(ids, targets, counts), CostWeights())
    alone = costs(logits[:, 2:], boxes[:, 2:], TargetBoxes(ids[3:], targets[3:], (1,)), CostWeights())
    assert together.shape == (2, 3, 5, 3)
    assert torch.equal(together[:, 2:, :, :1], alone)
