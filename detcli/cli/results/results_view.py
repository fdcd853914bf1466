"""Stored results that are written again, on the screen: progress, remarks, and the summary at the end."""

from typing import TYPE_CHECKING

from detcli.cli.detect.run_images import ImageRunView
from detcli.cli.detect.run_view import RunView, note_folder_outputs
from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.detect.summary import show_summary
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import RunProgressBar
from detcli.cli.framework.text import counted, duration
from detcli.engine.observer import RunStart
from detcli.engine.results.results_request import DrawRequest, ResultsRequest
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

if TYPE_CHECKING:
    from detcli.engine.results.report.report_request import ReportRequest
    from detcli.engine.run import RunStats

_SOME_FAILED = 3


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


def run_report(console: Console, request: "ReportRequest") -> int:
    """Write the report; returns the exit code: images that cannot be shown are failed inputs."""
    from detcli.engine.results.report.report_results import report_results

    with ResultsView(console, first="reading results") as view:
        stats = report_results(request, observer=view, stop=view.stop)
    return report_summary(console, stats)


def report_summary(console: Console, stats: "RunStats") -> int:
    """Say what is in a gallery; returns the exit code."""
    if stats.skipped:
        return 0
    total = stats.images + stats.failed
    parts = [counted(total, "image")]
    if stats.failed:
        parts.append(f"{stats.failed:,} not found")
    sentence = f"{', '.join([*parts, counted(stats.boxes, 'box', 'boxes')])} in {duration(stats.seconds)}"
    paths = [str(path) for path in stats.outputs]
    end = f"; interrupted by {stats.interrupted}, nothing is written" if stats.interrupted else f" -> {paths[0]}"
    console.summary(
        sentence + end,
        images=total,
        failed=stats.failed,
        boxes=stats.boxes,
        seconds=round(stats.seconds, 3),
        outputs=paths,
        interrupted=stats.interrupted,
    )
    if stats.interrupted is not None:
        return stats.exit_code
    return _SOME_FAILED if stats.failed else 0


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
