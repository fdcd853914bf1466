"""Format of help pages: two columns on a wide terminal, one on a narrow one, and examples that can be copied."""

import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence

import click
from click.formatting import wrap_text

GLOBAL_OPTIONS = "Global options"  # section of the options that every command has

_WIDEST = 100  # columns; longer lines are hard to read
_NARROWEST = 30
_STACKED_BELOW = 72  # columns; below this width, descriptions are below the options


class HelpPage(click.HelpFormatter):
    """click's formatter with bold headings; click removes the colors if the output is not a terminal."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(indent_increment, width or max(min(columns, max_width or _WIDEST) - 1, _NARROWEST))

    def write_heading(self, heading: str) -> None:
        """Write a section's name."""
        self.write(f"{'':>{self.current_indent}}{click.style(heading, bold=True)}\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, click.style("Usage:", bold=True) + " " if prefix is None else prefix)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2, *, col_min: int = 0
    ) -> None:
        """Write terms and descriptions in two columns, or stacked on a narrow terminal."""
        rows = list(rows)
        indent = " " * self.current_indent
        if self.width < _STACKED_BELOW:
            below = indent + " " * 6
            for term, text in rows:
                self.write(f"{indent}{_colored(term.lstrip())}\n")
                self.write(wrap_text(text, self.width, below, below, preserve_paragraphs=True) + "\n")
            return
        column = min(max(col_min, *(len(term) for term, _ in rows)), col_max) + col_spacing
        for term, text in rows:
            lines = wrap_text(text, self.width - column - len(indent)).splitlines() or [""]
            gap = " " * (column - len(term)) if len(term) + col_spacing <= column else ""
            self.write(indent + _colored(term) + (gap + lines.pop(0) if gap else "") + "\n")
            for line in lines:
                self.write(indent + " " * column + line + "\n")

    def write_examples(self, examples: Sequence[tuple[str, str]]) -> None:
        """Write purposes and command lines; long lines are continued with a backslash, so that they can be copied."""
        if not examples:
            return
        with self.section("Examples"):
            indent = " " * self.current_indent
            for purpose, line in examples:
                for part in textwrap.wrap(purpose, self.width - self.current_indent - 2) or [""]:
                    self.write(indent + click.style(f"# {part}", dim=True) + "\n")
                self.write(folded(line, self.width - self.current_indent, indent) + "\n")


def folded(line: str, width: int, indent: str = "") -> str:
    """Break a command line at spaces outside quotes, each part but the last ending in a backslash."""
    if len(line) <= width:
        return indent + line
    parts = [""]
    for word in re.findall(r"""(?:'[^']*'|"[^"]*"|\S)+""", line):
        if parts[-1].strip() and len(parts[-1]) + 1 + len(word) > max(width - 2, 20):
            parts.append("    ")
        parts[-1] += f" {word}" if parts[-1].strip() else word
    return " \\\n".join(indent + part for part in parts)


def _colored(term: str) -> str:
    return click.style(term, fg="cyan")
