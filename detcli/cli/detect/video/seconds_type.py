"""The type of options that are durations."""

import re
from typing import Any

import click


class SecondsType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A duration: 90, 1.5, 1:30 or 1:02:03.5.

    above_zero  whether 0 is refused
    """

    name = "time"

    def __init__(self, *, above_zero: bool = False) -> None:
        self._above_zero = above_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert to seconds, or fail."""
        match = re.fullmatch(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,12}(?:\.\d*)?|\.\d+)s?", str(value), re.ASCII)
        if match is None:
            self.fail(f"{str(value)[:40]!r} is not a time such as 90, 1.5, 1:30 or 1:02:03", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        if (match[1] and minutes >= 60) or (match[2] and seconds >= 60):
            self.fail(
                f"{str(value)[:40]!r} is not a time: minutes and seconds after a colon must be less than 60", param, ctx
            )
        if self._above_zero and not hours + minutes + seconds:
            self.fail("duration must be greater than 0", param, ctx)
        return 3600 * hours + 60 * minutes + seconds
