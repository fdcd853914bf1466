"""Markdown for generated pages: tables, and help texts with code in backquotes."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence

NOTE = '<!-- Written by "python -m detcli.cli.docs.generate"; do not edit. -->'

# Options, and what help texts put into single quotes: commands and values. An apostrophe follows a letter.
_OPTION = r"(?<![\w'-])--?[a-z0-9][a-z0-9-]*(?![\w-])"
_QUOTED = r"(?<!\w)'[^'\n]+'(?!\w)"
_CODE = re.compile(rf"{_QUOTED}|{_OPTION}")


def with_code(text: str) -> str:
    """A help text with its options and quoted words in backquotes; other text is escaped."""
    parts, last = [], 0
    for match in _CODE.finditer(text):
        parts += [_escaped(text[last : match.start()]), f"`{match[0].strip(chr(39))}`"]
        last = match.end()
    return "".join([*parts, _escaped(text[last:])])


def as_html(markdown: str) -> str:
    """Text of `with_code` as HTML."""
    parts = re.split(r"`([^`]+)`", markdown)
    return "".join(
        f"<code>{html.escape(part, quote=False)}</code>"
        if number % 2
        else html.escape(re.sub(r"\\([\W_])", r"\1", part), quote=False)
        for number, part in enumerate(parts)
    )


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a table; columns named in `right` are aligned to the right."""
    yield _row(titles)
    yield _row(["--:" if title in right else "---" for title in titles]).replace(" ", "")
    for row in rows:
        yield _row(row)


def code_block(text: str, language: str = "") -> Iterator[str]:
    """Lines of a fenced block."""
    yield from (f"```{language}", text.rstrip("\n"), "```")


def page(lines: Iterable[str]) -> str:
    """The text of a page, with the note that it is generated after the title."""
    title, *others = lines
    text = "\n".join([title, "", NOTE, "", *others])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*<\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)
