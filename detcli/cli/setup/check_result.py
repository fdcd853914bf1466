"""The result of one check of `detcli doctor`."""

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    state   good; warning: something optional is missing; bad: detcli does not work
    advice  how to fix it; None for good
    """

    section: str
    name: str
    value: str
    state: State = "good"
    advice: str | None = None
