"""Stored results that are written again, on the screen: progress, remarks, and the summary at the end."""

from detcli.cli.detect.run_images import ImageRunView
from detcli.cli.detect.run_view import RunView, note_folder_outputs
from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.detect.summary import show_summary
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import RunProgressBar
from detcli.engine.observer import RunStart
from detcli.engine.results.results_request import DrawRequest, ResultsRequest
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


def run_results(console: Console, request: ResultsRequest) -> int:
    """Write the results; returns the exit code: failed images of the results are no failure of this command."""
    from detcli.engine.results.write_results import write_results

    note_folder_outputs(console, request.output)
    with ResultsView(console, first="reading results") as view:
        stats = write_results(request, observer=view, stop=view.stop, stdout=TerminalOutput(console))
        if view.start is not None:
            show_summary(console, stats, view.start.plan)
    return stats.exit_code if stats.interrupted is not None else 0


def run_draw(console: Console, request: DrawRequest) -> int:
    """Draw the results; returns the exit code."""
    from detcli.engine.results.draw_results import draw_results
    from detcli.errors import TooManyFailuresError

    with ImageRunView(console, first="reading results") as view:
        try:
            stats = draw_results(request, observer=view, stop=view.stop)
        except TooManyFailuresError:
            view.show_summary()
            raise
        view.show_summary()
    return stats.exit_code


class ResultsView(RunView):
    """Shows how far it is."""

    def __init__(self, console: Console, *, first: str) -> None:
        super().__init__(console, first=first)
        self._progress: RunProgressBar | None = None

    def on_start(self, start: RunStart) -> None:
        """Show the progress."""
        super().on_start(start)
        self._progress = self.stack.enter_context(RunProgressBar(self.console, done=0, count=start.count))

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count it."""
        if self._progress is not None:
            self._progress.advance(failed=isinstance(detections, FailedFrame))
