import numpy as np
import pytest

from detcli.tracking.box_iou import pairwise_iou


def random_boxes(seed: int, count: int) -> np.ndarray:
    corners = np.random.default_rng(seed).uniform(0, 50, (count, 2, 2))
    return np.sort(corners, axis=1).reshape(count, 4)


def test_iou_of_known_boxes() -> None:
    one = np.array([[0.0, 0, 10, 10]])
    others = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]])
    assert pairwise_iou(one, others).tolist() == [[1.0, 50 / 150, 0.0, 0.04]]


def test_iou_equals_the_torch_version() -> None:
    torch = pytest.importorskip("torch")
    from detcli.structures.boxes import pairwise_iou as reference

    ones, others = random_boxes(0, 20), random_boxes(1, 30)
    expected = reference(torch.from_numpy(ones), torch.from_numpy(others)).numpy()
    np.testing.assert_allclose(pairwise_iou(ones, others), expected, atol=1e-12)


def test_margins_enlarge_both_boxes() -> None:
    ones, others, margins = random_boxes(2, 6), random_boxes(3, 9), np.linspace(0, 5, 6)
    for row, margin in enumerate(margins.tolist()):
        grow = np.array([-margin, -margin, margin, margin])
        expected = pairwise_iou(ones[row : row + 1] + grow, others + grow)[0]
        np.testing.assert_allclose(pairwise_iou(ones, others, margins)[row], expected, atol=1e-12)


def test_iou_of_boxes_without_area_is_0() -> None:
    point = np.array([[5.0, 5, 5, 5]])
    assert pairwise_iou(point, point).tolist() == [[0.0]]


@pytest.mark.parametrize(("count", "width"), [(0, 3), (3, 0), (0, 0)])
def test_iou_of_no_boxes_is_empty(count: int, width: int) -> None:
    assert pairwise_iou(random_boxes(0, count), random_boxes(1, width), np.zeros(count)).shape == (count, width)
