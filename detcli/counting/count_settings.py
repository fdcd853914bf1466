"""What is counted: lines, zones, the point of a box that counts, and how the time is divided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from detcli.argument_checks import check_choice, check_number
from detcli.counting.regions import Region, check_names, parse_regions
from detcli.errors import UsageError

Anchor = Literal["bottom-center", "center"]
# Lines or zones: by name, numbers, points or text; or texts NAME=NUMBERS.
Regions = Mapping[str, str | Sequence[float | str] | Sequence[Sequence[float]]] | Sequence[str] | str
ANCHORS: tuple[str, ...] = get_args(Anchor)
DEFAULT_MARGIN, DEFAULT_BIN_S = 0.1, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSettings:
    """What is counted.

    lines   in any form of `parse_regions`
    zones   the same
    anchor  the point of a box that counts: bottom-center or center
    margin  share of the size of its box that an object must pass beyond a line, or leave a zone by
    bin_s   seconds of a source that each row of counts is about
    """

    lines: Any = ()
    zones: Any = ()
    anchor: Anchor = "bottom-center"
    margin: float = DEFAULT_MARGIN
    bin_s: float = DEFAULT_BIN_S

    def __post_init__(self) -> None:
        lines, zones = parse_regions("lines", self.lines), parse_regions("zones", self.zones)
        check_names((*lines, *zones))
        check_choice("anchor", self.anchor, ANCHORS)
        margin = check_number("margin", self.margin, at_least=0)
        if margin > 1:
            raise UsageError(f"`margin` must be a share of the size of a box, from 0 to 1, not {margin:g}")
        for name, value in {"lines": lines, "zones": zones, "margin": margin}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "bin_s", check_number("bin", self.bin_s, above=0))

    @property
    def regions(self) -> tuple[Region, ...]:
        """All lines and zones."""
        return (*self.lines, *self.zones)

    def as_json(self) -> dict[str, object]:
        """What the counts depend on, for the journal."""
        return {
            "lines": [line.text for line in self.lines],
            "zones": [zone.text for zone in self.zones],
            "anchor": self.anchor,
            "margin": self.margin,
            "bin": self.bin_s,
        }

    def check_inside(self, file: str, size_hw: tuple[int, int], *, started: bool = False) -> list[str]:
        """Warnings about lines and zones that are partly outside the frames of a source.

        started  frames of other sources are counted already: one that is outside is a warning, too

        Raises UsageError for one that is outside.
        """
        warnings = []
        frame = f"the frames of '{file}', which have {size_hw[1]} x {size_hw[0]} pixels"
        for region in self.regions:
            if region.is_outside(size_hw):
                outside = f"the {region.kind} '{region.name}' is outside {frame}"
                if not started:
                    raise UsageError(outside)
                warnings.append(outside)
            elif region.is_on_border(size_hw):
                warnings.append(f"the line '{region.name}' is along the border of {frame}: no object crosses it")
            elif region.is_partly_outside(size_hw):
                warnings.append(f"the {region.kind} '{region.name}' is partly outside {frame}")
        return warnings
