"""Numbers, lengths of time and guesses as people read them."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detcli.structures.frame import Origin


def number(value: int) -> str:
    """With commas between the thousands: 2,918."""
    return f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """With its noun: 1 image, 2,918 boxes."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Rounded to what matters: 0.4 s, 21 s, 3 min 5 s, 2 h 10 min, 3 d 4 h; whole seconds stay whole."""
    if seconds < 9.95 and isinstance(seconds, float):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def megabytes(count: float) -> str:
    """Bytes in the unit that leaves few digits: 812 B, 40.5 MB, 1.3 GB."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.1f} {unit}"
    return f"{count:.0f} B"


def where(origin: "Origin") -> str:
    """The file; of a video, when in it: in.mp4 at 0.280 s."""
    return f"{origin.file} at {origin.time_s:.3f} s" if origin.time_s else origin.file


def long_name(flags: Sequence[str]) -> str:
    """The longest flag without its dashes, which settings files and the environment call the option; '' without one."""
    return max((flag[2:] for flag in flags if flag.startswith("--")), key=len, default="")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Half a sentence with the likeliest of the known words, or all of them where none is likely."""
    close = difflib.get_close_matches(word, known, n=3)
    if close:
        return ": did you mean " + " or ".join(f"'{name}'" for name in close) + "?"
    return ": there are " + ", ".join(known) if len(known) <= 12 else ""
