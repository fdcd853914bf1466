"""Follows a page of docs/contributing: writes its files and changes into a copy of the repository."""

import re
import shutil
from pathlib import Path

from tests.helpers.processes import PROJECT

PAGES = PROJECT / "docs" / "contributing"
_BLOCK = re.compile(r'^```(?P<kind>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


def copy_of_the_repository(folder: Path) -> Path:
    """The package, the tests of the registries, and what the documents are generated into."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("detcli", "man", "completions", "docs", "tests", "benchmarks", ".github", ".ci"):
        shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
    for path in PROJECT.iterdir():
        if path.is_file() and (
            path.suffix in (".md", ".toml", ".cff", ".yml") or path.name in ("LICENSE", "Dockerfile")
        ):
            shutil.copy(path, folder)
    return folder


def new_files(page: str) -> dict[str, str]:
    """The files that a page adds, by their path in the repository."""
    blocks = _BLOCK.finditer((PAGES / page).read_text(encoding="utf-8"))
    return {block["file"]: block["text"] for block in blocks if block["file"] and block["kind"] != "diff"}


def follow(page: str, repository: Path) -> list[str]:
    """Write every block of the page that names a file; return the lines of its shell blocks."""
    commands: list[str] = []
    for block in _BLOCK.finditer((PAGES / page).read_text(encoding="utf-8")):
        if block["kind"] in ("bash", "console"):
            commands += [line for line in block["text"].splitlines() if line]
        elif block["file"] is not None:
            path = repository / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                changed(path, block["text"]) if block["kind"] == "diff" else block["text"], encoding="utf-8"
            )
    return commands


def changed(path: Path, diff: str) -> str:
    """The text of a file after a change: lines with " " and "-" are in the file, once; those with "+" are added."""
    lines = [(line[:1], line[1:] + "\n") for line in diff.splitlines()]
    old = "".join(line for sign, line in lines if sign in " -")
    new = "".join(line for sign, line in lines if sign in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} does not have these lines once:\n{old}"
    return text.replace(old, new)
