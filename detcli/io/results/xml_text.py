"""Texts in XML files: markup is escaped, and characters that XML cannot hold are written as escapes and read back."""

import re
from xml.sax.saxutils import escape

_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ESCAPE = re.compile(r"\\u(00[0189][0-9a-f]|007f|d[89a-f][0-9a-f]{2}|fff[ef])")
_SPACES = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}  # a parser would change a bare CR


def as_xml(text: str) -> str:
    r"""A text as the content of an element; a control character, or a byte that is not UTF-8, becomes `\u001b`, `\udcff`."""
    return escape(_INVALID.sub(lambda match: f"\\u{ord(match[0]):04x}", text), _SPACES)


def from_xml(text: str) -> str:
    """The text that `as_xml` was given, from the content of the parsed element."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
