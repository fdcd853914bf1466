"""What all plots share: figures without a display, PNG bytes, colors, names of classes."""

import functools
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from detcli.errors import LibraryError
from detcli.extras import install_command
from detcli.libraries import optional_library
from detcli.visualization import okabe_ito
from detcli.visualization.text_renderer import text_renderer

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
INK, FAINT, GRID = "#202020", "#b8b8b8", "#e6e6e6"
_DPI = 120
_MAX_NAME = 24  # characters of a class name
_COLORS = (
    okabe_ito.BLUE,
    okabe_ito.VERMILION,
    okabe_ito.GREEN,
    okabe_ito.PURPLE,
    okabe_ito.ORANGE,
    okabe_ito.SKY_BLUE,
)
_DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1)))


def own_style(draw: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Decorate a function that draws: matplotlib's defaults count, and no matplotlibrc.

    matplotlib also reads that file from the current folder, which may come from a stranger: it can start LaTeX.
    """

    @functools.wraps(draw)
    def drawn(*args: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            mpl = _matplotlib("matplotlib")
        except LibraryError:
            return draw(*args, **named)  # it tells the problem where the figure is needed
        with mpl.rc_context():
            mpl.rcdefaults()
            return draw(*args, **named)

    return drawn


def new_figure(width: float, height: float) -> Any:
    """An empty figure, sizes in inches; needs no display and none of matplotlib's global state.

    Raises LibraryError (a UsageError) if matplotlib is missing or cannot be loaded.
    """
    figure_class = _matplotlib("matplotlib.figure").Figure
    layout_class = _matplotlib("matplotlib.layout_engine").ConstrainedLayoutEngine
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs the fonts that it searches
    layout = layout_class(w_pad=0.1, h_pad=0.1)  # inches
    return figure_class(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")


def _matplotlib(module: str) -> Any:
    return optional_library(module, need="plots need", install=install_command("train"))


@own_style
def to_png(figure: Any) -> bytes:
    """The figure as PNG: the same bytes for the same figure."""
    use_fonts_with_all_letters(figure)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that matplotlib's font does not have
        figure.savefig(file, format="png", dpi=_DPI)
    return file.getvalue()


def use_fonts_with_all_letters(figure: Any) -> None:
    """Give each text whose letters matplotlib's own font does not have a font of this machine that has the first of them."""
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font
    from matplotlib.text import Text

    own = FT2Font(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))).get_charmap()
    for text in figure.findobj(Text):
        missing = next((letter for letter in text.get_text() if letter.isprintable() and ord(letter) not in own), None)
        path = None if missing is None else text_renderer(None).font_of(missing)
        if path is not None:
            properties = text.get_fontproperties().copy()
            properties.set_file(path)
            text.set_fontproperties(properties)


def line_style(index: int) -> dict[str, Any]:
    """Color and dashes of the n-th line of a plot: 18 lines differ, and neighbors also without colors."""
    return {
        "color": okabe_ito.as_hex(_COLORS[index % len(_COLORS)]),
        "linestyle": _DASHES[index % len(_DASHES) if index < len(_COLORS) else (index // len(_COLORS)) % len(_DASHES)],
    }


def short_name(name: str, max_length: int = _MAX_NAME) -> str:
    r"""A name that fits next to an axis; "$" would start a formula, and "_" at its beginning hide it from a legend."""
    name = name if len(name) <= max_length else name[: max_length - 1] + "…"
    return name.replace("$", r"\$").lstrip("_") or "_"


def set_title(axes: Any, title: str) -> None:
    """A title at the left edge."""
    axes.set_title(title, fontsize=10, color=INK, loc="left")


def open_axes(axes: Any) -> None:
    """A light grid, no frame at the top and at the right."""
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def outer_legend(axes: Any, title: str) -> None:
    """Names at the right of the axes, where they hide no line."""
    position = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(title=title, fontsize=8, title_fontsize=8, alignment="left", frameon=False, **position)
