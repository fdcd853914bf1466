import itertools

import numpy as np
import pytest

from detcli.tracking.assignment import best_pairs


def best_by_hand(gains: np.ndarray) -> float:
    """Every way to pair, tried."""
    if not gains.size:
        return 0.0
    wide = np.maximum(gains if gains.shape[0] <= gains.shape[1] else gains.T, 0)
    ways = itertools.permutations(range(wide.shape[1]), wide.shape[0])
    return max(float(wide[range(len(wide)), way].sum()) for way in ways)


@pytest.mark.parametrize("seed", range(60))
def test_no_other_assignment_has_a_higher_gain(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, width = random.integers(0, 7, 2)
    gains = random.normal(size=(count, width)) if seed % 2 else random.integers(-2, 4, (count, width)).astype(float)
    rows, columns = best_pairs(gains)
    assert gains[rows, columns].sum() == pytest.approx(best_by_hand(gains), abs=1e-12)
    assert (gains[rows, columns] > 0).all()
    assert (np.diff(rows) > 0).all()
    assert len(set(columns.tolist())) == len(columns)


@pytest.mark.parametrize(("seed", "shape"), list(enumerate([(40, 40), (30, 90), (90, 30), (1, 50), (200, 200)])))
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_the_total_gain_equals_scipys(seed: int, shape: tuple[int, int], share: float) -> None:
    solve = pytest.importorskip("scipy.optimize").linear_sum_assignment
    random = np.random.default_rng(seed)
    gains = random.random(shape) * (random.random(shape) < share)
    rows, columns = best_pairs(gains)
    assert gains[rows, columns].sum() == pytest.approx(gains[solve(gains, maximize=True)].sum(), rel=1e-12)


def test_the_assignment_is_better_than_a_greedy_one() -> None:
    rows, columns = best_pairs(np.array([[0.9, 0.8], [0.8, 0.1]]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_pairs_without_a_gain_are_left_out(shape: tuple[int, int]) -> None:
    rows, columns = best_pairs(np.zeros(shape))
    assert len(rows) == len(columns) == 0


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_gain_that_is_not_finite_is_rejected(odd: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        best_pairs(np.array([[1.0, odd]]))
