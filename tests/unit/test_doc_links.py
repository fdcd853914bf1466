"""Links in README and documentation lead to files, pages and headings that exist."""

import re
from pathlib import Path

import pytest

from tests.helpers.markdown_pages import DOCS, PROJECT, anchors, links, name_of, pages, text_of

PAGES = pages()
# A file of the project on the server of the repository.
ON_SERVER = re.compile(
    r"https://(?:github\.com/(?P<a>[\w.-]+/[\w.-]+)/(?:blob|tree|raw)|raw\.githubusercontent\.com/(?P<b>[\w.-]+/[\w.-]+))"
    r"/(?P<branch>[\w.-]+)/(?P<path>[^#?]+)"
)
REPOSITORY = "detcli/detcli"


def is_in_site(page: Path) -> bool:
    return page.is_relative_to(DOCS)


def assert_leads_somewhere(page: Path, anchor: str) -> None:
    """The page exists, and the anchor in it."""
    assert page.exists(), page
    if anchor and page.suffix == ".md":
        assert anchor in anchors(text_of(page), github=not is_in_site(page)), f"{name_of(page)} has no #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert_leads_somewhere(target, anchor)
        assert not is_in_site(page) or target.is_relative_to(DOCS), f"{link} is not in the site"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_absolute_links_to_the_repository_lead_somewhere(page: Path) -> None:
    for link in links(text_of(page)):
        match = ON_SERVER.fullmatch(link.partition("#")[0])
        if match and (match["a"] or match["b"]).startswith(REPOSITORY.partition("/")[0] + "/"):
            assert (match["a"] or match["b"], match["branch"]) == (REPOSITORY, "main")
            assert_leads_somewhere(PROJECT / match["path"], link.partition("#")[2])


def test_the_site_links_to_the_repository() -> None:
    assert f"link: https://github.com/{REPOSITORY}\n" in (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    metadata = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"https://github\.com/([\w.-]+/[\w.-]+)", metadata)) <= {REPOSITORY}


def test_links_and_anchors_of_a_page_are_found() -> None:
    text = (
        '# A `b` & c-d\n[x](y.md#z) ![i](i.png "t") `[no](no.md)`\n```\n[no](no.md)\n# no\n```\n<h3 id="--x">\n::: a.B'
    )
    assert links(text) == ["y.md#z", "i.png"]
    assert anchors(text) == {"a-b-c-d", "--x", "a.B"}
    assert anchors(text, github=True) == {"a-b--c-d", "--x", "a.B"}
