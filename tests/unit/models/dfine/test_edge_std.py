"""The standard deviation of the distributions of edges."""

import math

import pytest
import torch

from detcli.models.dfine.box_distribution import EdgeBins

BOX = torch.tensor([[[0.5, 0.5, 0.2, 0.4]]], dtype=torch.float64)


def bins() -> EdgeBins:
    return EdgeBins(32, reg_scale=4.0, up=0.5).double()


def corners(*bins_of_edges: list[int]) -> torch.Tensor:
    """Logits with equal probability in the named bins of each edge."""
    logits = torch.full((1, 1, 4, 33), -1e4, dtype=torch.float64)
    for edge, which in enumerate(bins_of_edges):
        logits[0, 0, edge, which] = 0.0
    return logits.flatten(2)


def test_one_bin_is_certain() -> None:
    assert bins().edge_std(corners([3], [16], [20], [32]), BOX).abs().max() == 0


def test_two_bins_deviate_by_half_their_distance() -> None:
    offsets = bins().bin_offsets()
    half = [float(offsets[b] - offsets[a]) / 2 for a, b in ((15, 17), (10, 12), (0, 32), (18, 19))]
    found = bins().edge_std(corners([15, 17], [10, 12], [0, 32], [18, 19]), BOX)
    expected = [side * one / 4.0 for side, one in zip((0.2, 0.4, 0.2, 0.4), half, strict=True)]
    assert found[0, 0].tolist() == pytest.approx(expected, rel=1e-12)


def test_it_is_the_deviation_of_the_edges_that_the_bins_stand_for() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, 4 * 33, generator=generator, dtype=torch.float64)
    chances = logits.view(4, 33).softmax(-1)
    edges = torch.empty(4, 33, dtype=torch.float64)  # where each edge would be, if one bin were certain
    for one in range(33):
        cx, cy, w, h = bins()(corners([one], [one], [one], [one]), BOX)[0, 0].tolist()
        edges[:, one] = torch.tensor([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], dtype=edges.dtype)
    means = (chances * edges).sum(-1)
    expected = ((chances * (edges - means[:, None]) ** 2).sum(-1)).sqrt()
    torch.testing.assert_close(bins().edge_std(logits, BOX)[0, 0], expected, rtol=1e-9, atol=1e-12)


def test_folded_bins_give_the_same() -> None:
    logits = torch.randn(1, 1, 4 * 33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    folded = bins()
    folded.fold()
    torch.testing.assert_close(folded.edge_std(logits, BOX), bins().edge_std(logits, BOX), rtol=1e-12, atol=0)
    assert math.isfinite(float(folded.edge_std(logits * 1e3, BOX).sum()))
