"""Which images of a run are kept, such as those that are worth labeling first."""

import re
from dataclasses import dataclass
from typing import Literal, Union, get_args

from detcli.errors import UsageError

SelectionRule = Literal["uncertain", "top", "random"]
# A selection as callers give it: "uncertain:100", or a record.
SelectionLike = Union[str, "ImageSelection"]

_RULES = get_args(SelectionRule)
_FORM = re.compile(r"\s*([a-z]+)\s*:\s*(\d{1,12})\s*(?::\s*(\d{1,12})\s*)?", re.ASCII)
_USAGE = "`select` must be such as uncertain:100, top:100, random:100 or random:100:7 (with a seed)"


@dataclass(frozen=True, slots=True)
class ImageSelection:
    """The images that come first by a rule.

    rule   uncertain: those whose detections are the least certain; top: those with the highest score; random: any
    count  of images, at least 1
    seed   of random ones: other seeds select other images
    """

    rule: SelectionRule
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"{_USAGE}: {self.count} images cannot be selected")

    @classmethod
    def of(cls, value: object) -> "ImageSelection":
        """The selection that "uncertain:100" names. Raises UsageError, or TypeError for a value of another type."""
        if isinstance(value, ImageSelection):
            return value
        if not isinstance(value, str):
            raise TypeError(f'`select` must be such as "uncertain:100", not {type(value).__name__}')
        match = _FORM.fullmatch(value)
        rule = next((name for name in _RULES if match is not None and name == match[1]), None)
        if match is None or rule is None or (match[3] is not None and rule != "random"):
            raise UsageError(f"{_USAGE}, not '{value[:40]}'")
        return cls(rule, int(match[2]), int(match[3] or 0))

    def __str__(self) -> str:
        return f"{self.rule}:{self.count}" + (f":{self.seed}" if self.seed else "")
