"""Docstrings of detcli in the style that mkdocstrings reads: tables of names become sections."""

import re
from collections.abc import Iterator

_ROW = re.compile(r"(?P<name>\w+) {2,}(?P<text>\S.*)")
_ARGUMENTS, _FIELDS = "Args:", "Attributes:"


def with_sections(docstring: str, *, is_class: bool) -> str:
    """The docstring in Google style.

    A paragraph of lines `name  description` becomes the section of arguments, or of attributes for a class. Lines that are
    indented deeper continue a description. Other paragraphs stay as they are.
    """
    title = _FIELDS if is_class else _ARGUMENTS
    paragraphs = re.split(r"\n{2,}", docstring.strip("\n"))
    return "\n\n".join("\n".join(_converted(paragraph, title)) for paragraph in paragraphs)


def _converted(paragraph: str, title: str) -> Iterator[str]:
    lines = [line for line in paragraph.splitlines() if line.strip() != _FIELDS]
    is_table = bool(lines and _ROW.fullmatch(lines[0]))
    if not is_table or not all(_ROW.fullmatch(line) or line.startswith("    ") for line in lines):
        yield from lines
        return
    yield title
    for line in lines:
        row = _ROW.fullmatch(line)
        if row:
            yield f"    {row['name']}: {' '.join(row['text'].split())}"
        elif line.lstrip().startswith("- "):
            yield from ("", f"        {line.strip()}")
        else:
            yield f"        {line.strip()}"
