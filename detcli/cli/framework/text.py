"""Numbers, lengths of time and guesses as people read them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detcli.text import counted, did_you_mean, similar

if TYPE_CHECKING:
    from detcli.structures.frame import Origin

__all__ = ["counted", "duration", "long_name", "megabytes", "number", "suggestion", "where"]


def number(value: int) -> str:
    """With commas between the thousands: 2,918."""
    return f"{value:,}"


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


def suggestion(word: str, known: Sequence[str]) -> str:
    """The end of a sentence with the known words that are similar, or with all of them if none is."""
    if names := similar(word, known):
        return f": {did_you_mean(names)}"
    return ": there are " + ", ".join(known) if len(known) <= 12 else ""
