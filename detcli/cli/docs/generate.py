"""Generate man/ and completions/ from the command tree: `python -m detcli.cli.docs.generate [--check]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from detcli.cli.docs.command_tree import read_tree
from detcli.cli.docs.completion_scripts import FILE_NAMES, SHELLS
from detcli.cli.docs.man_page import man_page
from detcli.cli.main import cli

PROJECT = Path(__file__).parents[3]


def pages() -> dict[str, str]:
    """Relative path -> text of every generated file; identical on every machine."""
    root = read_tree(cli, "detcli")
    written = {f"man/{'-'.join(branch.path)}.1": man_page(branch, root) for branch in (root, *root.children)}
    return written | {f"completions/{FILE_NAMES[shell]}": script(root) for shell, script in SHELLS.items()}


def outdated(project: Path = PROJECT) -> list[str]:
    """Generated files that are missing, out of date, or without a command."""
    wanted = pages()
    there = {path.relative_to(project).as_posix() for path in (*project.glob("man/*"), *project.glob("completions/*"))}
    differing = {name for name, text in wanted.items() if name not in there or _read(project / name) != text}
    return sorted(differing | (there - wanted.keys()))


def write(project: Path = PROJECT) -> None:
    """Bring man/ and completions/ up to date."""
    for name in outdated(project):
        text = pages().get(name)
        path = project / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(exist_ok=True)
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
