"""How boxes and masks are drawn."""

from dataclasses import dataclass
from pathlib import Path

from detcli.argument_checks import check_flag, check_int, check_path


@dataclass(frozen=True, slots=True)
class DrawingStyle:
    """How boxes are drawn.

    line_width   in pixels; None: fitted to the image
    hide_labels  boxes only, without names and scores
    hide_scores  names without scores
    show_uncertainty  a band along each edge, as wide as one standard deviation to both sides
    font         font file that is tried before those of the system
    """

    line_width: int | None = None
    hide_labels: bool = False
    hide_scores: bool = False
    font: Path | None = None
    show_uncertainty: bool = False

    def __post_init__(self) -> None:
        if self.line_width is not None:
            check_int("line_width", self.line_width, at_least=1)
        check_flag("hide_labels", self.hide_labels)
        check_flag("hide_scores", self.hide_scores)
        check_flag("show_uncertainty", self.show_uncertainty)
        if self.font is not None:
            object.__setattr__(self, "font", check_path("font", self.font))
