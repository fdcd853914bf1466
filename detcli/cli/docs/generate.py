"""Generate man/, completions/ and docs/reference/ from the code: `python -m detcli.cli.docs.generate [--check]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from detcli.cli.docs.command_tree import read_tree
from detcli.cli.docs.completion_scripts import FILE_NAMES, SHELLS
from detcli.cli.docs.man_page import man_page
from detcli.cli.docs.reference.reference_pages import reference_pages
from detcli.cli.main import cli

PROJECT = Path(__file__).parents[3]
_FOLDERS = ("man", "completions", "docs/reference")  # every file in them is generated


def pages() -> dict[str, str]:
    """Relative path -> text of every generated file; the same on every machine."""
    root = read_tree(cli, "detcli")
    written = {f"man/{'-'.join(branch.path)}.1": man_page(branch, root) for branch in (root, *root.children)}
    written |= {f"completions/{FILE_NAMES[shell]}": script(root) for shell, script in SHELLS.items()}
    return written | {f"docs/reference/{name}": text for name, text in reference_pages(root).items()}


def outdated(project: Path = PROJECT) -> list[str]:
    """Generated files that are missing, out of date, or without a command."""
    wanted = pages()
    there = {
        path.relative_to(project).as_posix()
        for folder in _FOLDERS
        for path in (project / folder).rglob("*")
        if path.is_file()
    }
    differing = {name for name, text in wanted.items() if name not in there or _read(project / name) != text}
    return sorted(differing | (there - wanted.keys()))


def write(project: Path = PROJECT) -> None:
    """Bring the generated files up to date."""
    wanted = pages()
    for name in outdated(project):
        text = wanted.get(name)
        path = project / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str]) -> int:
    """Write the files; with --check only report files that are out of date, and exit with 1."""
    if "--check" not in arguments:
        write()
        return 0
    stale = outdated()
    for name in stale:
        print(f"{name} is out of date: run python -m detcli.cli.docs.generate", file=sys.stderr)  # noqa: T201 - a development tool
    return 1 if stale else 0


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
