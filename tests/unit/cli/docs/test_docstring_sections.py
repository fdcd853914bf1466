"""Docstrings become sections that mkdocstrings lists; everything else in them stays."""

import inspect

import pytest

import detcli
from detcli.cli.docs.reference.docstring_sections import with_sections

DOCSTRING = """Open images.

A `Frame` has `pixels`.

    for frame in frames:
        print(frame)

sources     files or folders:
            - one
            - or a list
limit       [N]  only the first
            images

Raises TypeError  for nothing.
"""


def test_a_table_of_names_becomes_arguments() -> None:
    assert with_sections(DOCSTRING, is_class=False).splitlines() == [
        "Open images.",
        "",
        "A `Frame` has `pixels`.",
        "",
        "    for frame in frames:",
        "        print(frame)",
        "",
        "Args:",
        "    sources: files or folders:",
        "",
        "        - one",
        "",
        "        - or a list",
        "    limit: [N] only the first",
        "        images",
        "",
        "Raises TypeError  for nothing.",
    ]


def test_a_table_of_a_class_becomes_attributes() -> None:
    assert with_sections("One.\n\nname  of it", is_class=True) == "One.\n\nAttributes:\n    name: of it"
    assert with_sections("One.\n\nAttributes:\nname  of it", is_class=True) == "One.\n\nAttributes:\n    name: of it"


def test_text_without_a_table_stays_as_it_is() -> None:
    assert with_sections("One line.\n\nAnother one.", is_class=True) == "One line.\n\nAnother one."


@pytest.mark.parametrize("name", [name for name in detcli.__all__ if name.islower() and not name.startswith("_")])
def test_every_argument_of_a_public_function_is_described(name: str) -> None:
    function = getattr(detcli, name)
    sections = with_sections(inspect.getdoc(function) or "", is_class=False)
    for argument in inspect.signature(function).parameters:
        assert f"\n    {argument}: " in sections
