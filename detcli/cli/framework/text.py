"""Format numbers, durations and suggestions for messages."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detcli.text import counted, did_you_mean, similar

if TYPE_CHECKING:
    from detcli.structures.frame import Origin

__all__ = [
    "close_words",
    "counted",
    "duration",
    "long_name",
    "megabytes",
    "number",
    "rate",
    "suggestion",
    "where",
    "wrapped",
]


def number(value: int) -> str:
    """Format with thousands separators: 2,918."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Format rounded to two units: 0.4 s, 21 s, 3 min 5 s, 2 h 10 min, 3 d 4 h; integers get no decimals."""
    if seconds < 9.95 and isinstance(seconds, float):
        return f"{seconds:.1f} s"
    total = round(seconds)
    for size, unit, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            rest = total % size // below
            return f"{total // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{total} s"


def rate(per_second: float, unit: str) -> str:
    """Format a rate with its unit: 0.4 images/s, 14.3 images/s, 1,210 frames/s."""
    return f"{per_second:.1f} {unit}/s" if per_second < 99.95 else f"{per_second:,.0f} {unit}/s"


def wrapped(text: str, width: int, *, indent: str = "  ") -> list[str]:
    """Lines of at most so many columns, broken between words; a longer word has its own line.

    indent  before each line but the first
    """
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return [text]
    lines, line = [], ""
    for word in re.split(r"(?<=\S) ", text):
        longer = f"{line} {word}" if line.strip() else line + word
        if line.strip() and cell_len(longer) > width:
            lines.append(line)
            longer = indent + word
        line = longer
    return [*lines, line]


def megabytes(count: float) -> str:
    """Format bytes with a fitting unit: 812 B, 40.5 MB, 1.3 GB."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.1f} {unit}"
    return f"{count:.0f} B"


def where(origin: "Origin") -> str:
    """The file, with the time for a video: in.mp4 at 0.280 s."""
    return f"{origin.file} at {origin.time_s:.3f} s" if origin.time_s else origin.file


def long_name(flags: Sequence[str]) -> str:
    """The longest flag without its dashes, which settings files and the environment call the option; '' without one."""
    return max((flag[2:] for flag in flags if flag.startswith("--")), key=len, default="")


def close_words(word: str, known: Sequence[str]) -> list[str]:
    """The known names that a word may mean: spelled almost the same, its beginning, or its parts in another order."""
    plain = {name: name.strip("-").casefold() for name in known}
    typed = word.strip("-").casefold().replace("_", "-")
    if len(typed) < 2:
        return []
    parts = sorted(typed.split("-"))
    same_parts = [name for name, text in plain.items() if sorted(text.split("-")) == parts or text in parts]
    begin = [name for name, text in plain.items() if len(typed) > 2 and text.startswith(typed)]
    spelled = similar(typed, plain.values())
    close = [name for text in spelled for name, known_text in plain.items() if known_text == text]
    return list(dict.fromkeys([*same_parts, *close, *begin]))[:3]


def suggestion(word: str, known: Sequence[str]) -> str:
    """The end of a message: similar known words, or all of them if none is similar."""
    if names := close_words(word, known):
        return f": {did_you_mean(names)}"
    return "; known names: " + ", ".join(known) if len(known) <= 12 else ""
