"""Which images stay together."""

import pytest

from detcli.datasets.splits.image_groups import (
    check_rule,
    is_field,
    keys_of_field,
    keys_of_names,
    keys_of_pairs,
    united_groups,
)
from detcli.errors import UsageError

NAMES = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "3.jpg", "a/c/1.jpg"]


def test_folders_are_groups() -> None:
    assert keys_of_names("folder", NAMES) == ["a", "a", "b", "", "a/c"]
    assert united_groups([keys_of_names("folder", NAMES)]) == [0, 0, 1, 2, 3]


def test_an_expression_groups_by_what_its_groups_match() -> None:
    names = ["scene1_cam2_0.jpg", "scene1_cam3_1.jpg", "scene2_cam2_0.jpg", "other.jpg", "more.jpg"]
    assert united_groups([keys_of_names(r"^(scene\d+)_", names)]) == [0, 0, 1, 2, 3]
    assert united_groups([keys_of_names(r"cam\d", names)]) == [0, 1, 0, 2, 3]
    assert united_groups([keys_of_names(r"(scene\d).*_(\d)", names)]) == [0, 1, 2, 3, 4]


def test_a_field_groups_by_its_value_and_its_absence_by_nothing() -> None:
    entries: list[dict[str, object]] = [{"video_id": 3}, {"video_id": [1]}, {}, {"video_id": 3}, {"video_id": [1]}, {}]
    assert united_groups([keys_of_field("video_id", entries)]) == [0, 1, 2, 0, 1, 3]


def test_groups_of_several_rules_are_united() -> None:
    assert united_groups([["a", "a", "b", "b", None], [None, "x", "x", None, None]]) == [0, 0, 0, 0, 1]
    assert united_groups([[None, None, None]]) == [0, 1, 2]


def test_pairs_make_groups_also_through_others() -> None:
    assert united_groups([keys_of_pairs(6, [(4, 2), (2, 0), (1, 5)])]) == [0, 1, 0, 2, 0, 1]
    assert united_groups([keys_of_pairs(3, [])]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("rule", "field"), [("video_id", True), ("folder", False), (r"(\d+)_", False), ("scene", True), ("a.b", False)]
)
def test_a_word_is_a_field_and_anything_else_an_expression(rule: str, field: bool) -> None:
    assert check_rule(rule) == rule
    assert is_field(rule) is field


@pytest.mark.parametrize("rule", ["(scene", "*.jpg", "", "  "])
def test_a_rule_that_is_no_expression_is_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="`group_by` is"):
        check_rule(rule)
