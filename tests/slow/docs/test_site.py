"""The documentation site in Chromium: it fits narrow and wide windows, loads nothing from elsewhere, and finds options."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.helpers.chromium import CHROMIUM, Page

Test = Callable[..., None]

PROJECT = Path(__file__).parents[3]
WIDTHS = (400, 1400)
CONTENT_WIDTH = "document.documentElement.scrollWidth"
WIDE_ELEMENT = (
    "document.querySelector('.md-content').insertAdjacentHTML('afterbegin', '<p style=\"width: 2000px\">wide</p>')"
)
# Types a word into the search, waits until there are results, and returns their addresses.
SEARCH = """new Promise((resolve, reject) => {
  const input = document.querySelector(".md-search__input");
  document.querySelector("#__search").click();
  input.focus();
  input.value = %s;
  let tries = 0;
  const look = () => {
    input.dispatchEvent(new Event("keyup"));
    const found = [...document.querySelectorAll(".md-search-result__link")].map((link) => link.href);
    if (found.length) resolve(found);
    else if (++tries > 300) reject(new Error("no results"));
    else setTimeout(look, 100);
  };
  look();
})"""

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("material") is None, reason="the extra docs is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("mkdocstrings") is None, reason="the extra docs is not installed"),
]


def in_browser(test: Test) -> Test:
    """Mark a test that needs Chromium."""
    skipped = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
    return pytest.mark.browser(skipped(test))


class Files(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built as CI builds it, where no server can be reached."""
    folder = tmp_path_factory.mktemp("site") / "site"
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=PROJECT, env=os.environ | nowhere, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Address of a server of the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with Page(tmp_path / "profile") as page:
        yield page


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(PROJECT / "docs").with_suffix(".html") for path in (PROJECT / "docs").rglob("*.md")}
    assert {path for path in pages if not (site / path).is_file()} == set()
    assert (site / "reference" / "record.schema.json").is_file()
    assert not list(site.rglob("*.py"))


def test_the_python_reference_lists_arguments_and_fields(site: Path) -> None:
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for anchor in ("detcli.load_detector", "detcli.Detections", "detcli.Detector.with_settings", "detcli.UsageError"):
        assert f'id="{anchor}"' in text
    assert text.count("Parameters:") >= 8
    assert "maximum number of detections per image" in text


def servers(page: Page) -> set[str]:
    """The servers that the page asked for something."""
    return {urlsplit(url).netloc for url in page.requests if url.startswith("http")}


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_window(page: Page, address: str, site: Path, width: int) -> None:
    page.resize(width)
    wide = []
    for path in sorted(site.rglob("*.html")):
        page.open(address + path.relative_to(site).as_posix())
        if page.evaluate(CONTENT_WIDTH) > width:
            wide.append(path.relative_to(site).as_posix())
    assert wide == []
    assert servers(page) == {urlsplit(address).netloc}
    assert page.problems == []
    page.evaluate(WIDE_ELEMENT)
    assert page.evaluate(CONTENT_WIDTH) > width  # the comparison can fail


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_finds_an_option(page: Page, address: str, width: int) -> None:
    page.resize(width)
    page.open(address + "index.html")
    found = page.evaluate(SEARCH % json.dumps("--resume"))
    assert "/reference/commands/detect.html" in {urlsplit(url).path for url in found}
    assert "--resume" in {urlsplit(url).fragment for url in found}
    assert servers(page) == {urlsplit(address).netloc}
    assert page.problems == []


@in_browser
def test_the_search_works_on_pages_opened_as_files(page: Page, site: Path) -> None:
    page.resize(WIDTHS[-1])
    page.open((site / "index.html").as_uri())
    found = page.evaluate(SEARCH % json.dumps("--resume"))
    assert "--resume" in {urlsplit(url).fragment for url in found}
    assert servers(page) == set()
    assert page.problems == []
