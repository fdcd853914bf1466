"""File names in formats whose texts must be UTF-8: a byte that is not is written as an escape, and read back."""

import re

_ESCAPE = re.compile(r"\\udc([89a-f][0-9a-f])")


def as_utf8(text: str) -> str:
    r"""A text that UTF-8 can encode: the byte 0xff of a file name, which Python holds as U+DCFF, becomes `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def from_utf8(text: str) -> str:
    """The file name that `as_utf8` was given."""
    return _ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text)
