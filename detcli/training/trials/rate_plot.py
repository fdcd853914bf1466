"""The plot of a search for a learning rate: the loss over the rate."""

from typing import Any

from detcli.evaluation.plots.figures import new_figure, open_axes, own_style, set_title, to_png
from detcli.training.trials.rate_search import RateSearch
from detcli.visualization import okabe_ito

_LOSS, _SUGGESTED = okabe_ito.as_hex(okabe_ito.BLUE), okabe_ito.as_hex(okabe_ito.GREEN)


def plot_rate_search(search: RateSearch) -> bytes:
    """The plot as PNG. Raises UsageError if matplotlib is not installed."""
    return to_png(rate_search_figure(search))


@own_style
def rate_search_figure(search: RateSearch) -> Any:
    """The figure: smoothed loss over the learning rate, with the suggested one."""
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    axes.plot(search.rates, search.losses, color=_LOSS, linewidth=1.8)
    axes.plot(search.rates[search.lowest], search.losses[search.lowest], "o", color=_LOSS, label="lowest loss")
    axes.axvline(
        search.suggested, color=_SUGGESTED, linewidth=1.4, linestyle="--", label=f"suggested: {search.suggested:g}"
    )
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
    set_title(axes, f"the learning rate rises over {len(search.rates)} steps")
    axes.legend(frameon=False)
    open_axes(axes)
    return figure
