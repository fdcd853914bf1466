"""The filter equals the textbook's matrices, for time steps of any length."""

from dataclasses import fields

import numpy as np
import pytest

from detcli.tracking.kalman import (
    FIRST_FACTOR,
    FIRST_SPEED,
    MEASUREMENT,
    POSITION_NOISE,
    SPEED_NOISE,
    KalmanState,
    concatenate,
    correct,
    initial_states,
    predict,
)


def boxes(seed: int, count: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 500, (count, 2))
    return np.concatenate((corners, corners + random.uniform(5, 80, (count, 2))), axis=1)


def assert_same(one: KalmanState, other: KalmanState) -> None:
    for field in fields(KalmanState):
        np.testing.assert_allclose(getattr(one, field.name), getattr(other, field.name), rtol=1e-9, err_msg=field.name)


@pytest.mark.parametrize("seed", range(5))
def test_one_axis_of_one_box_equals_the_textbook_filter(seed: int) -> None:
    random = np.random.default_rng(seed)
    side = 40.0
    state, covariance = np.array([100.0, 0.0]), np.diag([(FIRST_FACTOR * MEASUREMENT) ** 2, FIRST_SPEED**2]) * side**2
    states = initial_states(np.array([[80.0, 80.0, 120.0, 120.0]]))
    look = np.array([[1.0, 0.0]])
    for t, seen in zip(random.uniform(0.01, 0.5, 8), 100 + random.normal(0, 4, 8).cumsum(), strict=True):
        step = np.array([[1, t], [0, 1]])
        noise = SPEED_NOISE * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]]) + POSITION_NOISE * np.diag([t, 0])
        state, covariance = step @ state, step @ covariance @ step.T + side**2 * noise
        gain = covariance @ look.T @ np.linalg.inv(look @ covariance @ look.T + (MEASUREMENT * side) ** 2)
        state = state + gain @ (np.array([seen]) - look @ state)
        covariance = (np.eye(2) - gain @ look) @ covariance
        states = correct(predict(states, t), np.array([[seen - 20, 80.0, seen + 20, 120.0]]))
        np.testing.assert_allclose([states.centers[0, 0], states.speeds[0, 0]], state, rtol=1e-9)
        np.testing.assert_allclose(states.uncertainty[0], covariance, rtol=1e-9)


@pytest.mark.parametrize("parts", [(0.5, 0.5), (0.1, 0.9), (0.2, 0.3, 0.5)])
def test_several_time_steps_equal_one_long_step(parts: tuple[float, ...]) -> None:
    states = correct(predict(initial_states(boxes(0)), 0.1), boxes(1))
    whole = predict(states, sum(parts))
    for part in parts:
        states = predict(states, part)
    assert_same(states, whole)


def test_uncertainty_grows_without_and_shrinks_with_detections() -> None:
    first = initial_states(boxes(0))
    later = predict(first, 0.2)
    seen = correct(later, later.boxes_xyxy)
    assert (later.uncertainty[:, 0, 0] > first.uncertainty[:, 0, 0]).all()
    assert (seen.uncertainty[:, 0, 0] < later.uncertainty[:, 0, 0]).all()
    assert (seen.size_variances < later.size_variances).all()
    assert (np.linalg.eigvalsh(seen.uncertainty) > 0).all()


def test_a_box_with_constant_speed_is_predicted() -> None:
    states = initial_states(np.array([[0.0, 0.0, 20.0, 30.0]]))
    for frame in range(1, 61):
        moved = np.array([[2.0, -1.0, 2.0, -1.0]]) * frame + [0.0, 0.0, 20.0, 30.0]
        states = correct(predict(states, 1 / 30), moved)
    np.testing.assert_allclose(states.speeds, [[60.0, -30.0]], rtol=0.01)
    np.testing.assert_allclose(predict(states, 0.5).centers, [[10 + 150.0, 15 - 75.0]], atol=0.5)


def test_boxes_are_filtered_independently() -> None:
    apart = [initial_states(boxes(0)[i : i + 1]) for i in range(5)]
    together = initial_states(boxes(0))
    for number, seconds in enumerate((0.1, 0.4, 0.03), 1):
        together = correct(predict(together, seconds), boxes(number))
        apart = [correct(predict(one, seconds), boxes(number)[i : i + 1]) for i, one in enumerate(apart)]
    one = apart[0]
    for other in apart[1:]:
        one = concatenate(one, other)
    assert_same(together, one)
    assert_same(together[np.array([3])], apart[3])


def test_a_box_of_size_0_does_no_harm() -> None:
    point = np.array([[5.0, 5.0, 5.0, 5.0]])
    states = initial_states(point)
    for _ in range(3):
        states = correct(predict(states, 0.0), point)
    assert all(np.isfinite(getattr(states, field.name)).all() for field in fields(KalmanState))
