"""What `detcli export` shows on the screen while it runs."""

from pathlib import Path

from detcli.cli.detect.run_view import RunView
from detcli.engine.requests.export_request import ExportObserver


class ExportView(RunView, ExportObserver):
    """Prints the events of an export; use as a context manager around it."""

    def on_step(self, step: str) -> None:
        """Show it on the status line."""
        self.console.status(step)

    def on_written(self, path: Path) -> None:
        """Say the size of the file that is checked next, for `--verbose`."""
        self.console.note(f"'{path.name}' is written, under a temporary name until it is checked")
