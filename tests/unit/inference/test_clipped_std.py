"""The standard deviation of edges that are clipped to the image, against random draws."""

import numpy as np
import pytest

from detcli.inference.postprocessing.clipped_std import clipped_std

LIMITS = np.array([100.0, 80.0, 100.0, 80.0])


@pytest.mark.parametrize("at", [-30.0, -4.0, 0.0, 3.0, 50.0, 78.0, 85.0])
@pytest.mark.parametrize("std", [0.5, 4.0, 60.0])
def test_it_is_that_of_clipped_draws(at: float, std: float) -> None:
    draws = np.random.default_rng(0).normal(at, std, 400_000)
    [found] = clipped_std(np.full((1, 4), at), np.full((1, 4), std), LIMITS)
    for side, limit in zip(found.tolist(), LIMITS.tolist(), strict=True):
        assert side == pytest.approx(np.clip(draws, 0, limit).std(), rel=0.01, abs=0.002)


def test_an_edge_far_from_the_border_keeps_its_own() -> None:
    std = np.array([[0.3, 1 / 3, 2.7, 1e-30]])
    np.testing.assert_array_equal(clipped_std(np.full((1, 4), 40.0), std, LIMITS), std)


def test_an_edge_that_is_certain_stays_certain() -> None:
    edges = np.array([[0.0, -5.0, 100.0, 120.0]])
    np.testing.assert_array_equal(clipped_std(edges, np.zeros((1, 4)), LIMITS), np.zeros((1, 4)))


def test_an_edge_far_outside_is_at_the_border_for_certain() -> None:
    edges = np.array([[-1e6, -500.0, 1e9, 600.0]])
    assert np.abs(clipped_std(edges, np.ones((1, 4)), LIMITS)).max() == 0


def test_no_boxes_give_none() -> None:
    assert clipped_std(np.zeros((0, 4)), np.zeros((0, 4)), LIMITS).shape == (0, 4)
