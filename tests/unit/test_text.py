"""Counts with nouns, and names that may have been meant."""

import pytest

from detcli.text import counted, did_you_mean, edit_distance, similar


@pytest.mark.parametrize(
    ("value", "words", "expected"),
    [
        (1, ("image",), "1 image"),
        (0, ("image",), "0 images"),
        (2918, ("box", "boxes"), "2,918 boxes"),
        (1, ("box", "boxes"), "1 box"),
    ],
)
def test_a_number_has_its_noun_in_the_right_form(value: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(value, *words) == expected


def test_similar_words_come_first_and_are_few() -> None:
    assert similar("dfine-z", ["dfine-s", "detr", "dfine-m", "dfine-l", "dfine-x"], most=2) == ["dfine-x", "dfine-s"]
    assert similar("qqq", ["dfine-s"]) == []


def test_the_question_names_what_may_have_been_meant() -> None:
    assert did_you_mean(["a"]) == "did you mean 'a'?"
    assert did_you_mean(["a", "b"]) == "did you mean 'a' or 'b'?"
    assert did_you_mean([]) == ""


@pytest.mark.parametrize(
    ("word", "known"), [("half", "help"), ("cat", "car seat"), ("dfine-s", "detr-r50"), ("a", "b")]
)
def test_words_that_share_only_letters_are_not_similar(word: str, known: str) -> None:
    assert similar(word, [known]) == []


@pytest.mark.parametrize(("word", "known"), [("persn", "person"), ("dfine", "dfine-s"), ("detcet", "detect")])
def test_typing_errors_and_beginnings_are_similar(word: str, known: str) -> None:
    assert similar(word, ["nothing", known]) == [known]


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("a", "", 1), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("half", "help", 2)],
)
def test_a_distance_counts_letters_and_swaps(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance
