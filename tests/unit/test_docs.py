"""README and docs agree with the code."""

import re
from pathlib import Path

import pytest

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.docs.command_tree import read_tree
from detcli.cli.main import cli
from detcli.errors import EXIT_CODES

PROJECT = Path(__file__).parents[2]
ROOT = read_tree(cli, "detcli")
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """The path of a page in the project."""
    return page.relative_to(PROJECT).as_posix()


MAX_README_BYTES = 8192  # it is read on a package index, too
EXIT_CODE_TABLE = "| code | meaning |\n"
MODEL_TABLE = "| name | trained on | AP | parameters | GFLOPs | Hub repository |\n"


def rows_of_table(header: str, page: Path) -> list[list[str]]:
    """The cells of the Markdown table with this header line, or of none."""
    rows = []
    _, found, rest = page.read_text(encoding="utf-8").partition(header)
    for line in rest.splitlines()[1:] if found else ():
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_exit_codes_of_a_page_are_those_of_the_code(page: Path) -> None:
    rows = rows_of_table(EXIT_CODE_TABLE, page)
    if rows and rows[0][0].isdecimal():  # error codes of images are words
        assert rows == [[code, meaning] for code, meaning in EXIT_CODES.items()]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_models_of_a_page_are_in_the_catalog(page: Path) -> None:
    for name, _, _, _, _, repository in rows_of_table(MODEL_TABLE, page):
        entry = CATALOG[name.strip("`")]
        assert repository == (f"`{entry.repository}`" if entry.repository else "bundled")


def test_the_readme_is_short_and_has_absolute_links_only() -> None:
    text = (PROJECT / "README.md").read_bytes()
    assert len(text) <= MAX_README_BYTES
    assert [link for link in re.findall(rb"\]\(([^)]+)\)", text) if not link.startswith(b"https://")] == []


def test_every_option_has_a_help_text() -> None:
    assert [flag.names for command in ROOT.walk() for flag in command.flags if not flag.help.strip()] == []


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    text = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"(\S+\.md)$", text.split("\nnav:\n")[1], re.MULTILINE)
    assert sorted(listed) == sorted(
        path.relative_to(PROJECT / "docs").as_posix() for path in (PROJECT / "docs").rglob("*.md")
    )
