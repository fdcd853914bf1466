"""Classes match by name, and their rows of a parameter are kept."""

import torch

from detcli.models.conversion.class_rows import Classes, with_rows_of


def test_classes_match_in_any_case_and_the_first_of_one_name_counts() -> None:
    classes = Classes.matched(["cat", "Dog", "dog", "bird"], ["zebra", "DOG", "cat"])
    assert (classes.old, classes.new) == (4, 3)
    assert classes.same == ((1, 1), (2, 0))


def test_kept_rows_are_those_of_the_trained_parameter() -> None:
    fresh, trained = torch.zeros(3, 2), torch.arange(8, dtype=torch.float64).view(4, 2)
    made = with_rows_of(fresh, trained, [(1, 3), (2, 0)])
    assert torch.equal(made, torch.tensor([[0.0, 0.0], [6.0, 7.0], [0.0, 1.0]]))
    assert made.dtype == torch.float32
    assert not fresh.any()


def test_without_common_classes_all_rows_are_new() -> None:
    fresh = torch.ones(2, 2)
    assert torch.equal(with_rows_of(fresh, torch.zeros(3, 2), []), fresh)
