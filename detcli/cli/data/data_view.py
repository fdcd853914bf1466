"""What the commands for datasets show on the screen while they work."""

from detcli.cli.data.dataset_view import show_dataset
from detcli.cli.detect.run_view import RunView
from detcli.cli.framework.text import number
from detcli.datasets.dataset import DatasetSummary
from detcli.engine.data.data_request import DataObserver


class DataView(RunView, DataObserver):
    """Prints the events of a command for datasets; use as a context manager around it."""

    def on_dataset(self, part: str, report: DatasetSummary) -> None:
        """Describe a dataset."""
        show_dataset(self.console, part, report, issues=False)

    def on_progress(self, action: str, done: int, total: int) -> None:
        """Say how far it is."""
        self.console.status(f"{action}: {number(done)} of {number(total)}")
