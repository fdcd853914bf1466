"""A gallery of a dataset on the screen: progress, remarks, and the summary at the end."""

from detcli.cli.data.data_view import DataView
from detcli.cli.framework.console import Console
from detcli.cli.results.results_view import ResultsView, report_summary
from detcli.engine.data.gallery.view_request import ViewRequest


class GalleryView(DataView, ResultsView):
    """Shows how far it is."""


def run_gallery(console: Console, request: ViewRequest) -> int:
    """Write the gallery; returns the exit code: images that cannot be shown are failed inputs."""
    from detcli.engine.data.gallery.view_data import view_data

    with GalleryView(console, first=f"reading data {request.data.data}") as view:
        stats = view_data(request, observer=view, stop=view.stop)
    return report_summary(console, stats)
