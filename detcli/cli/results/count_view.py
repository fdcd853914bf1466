"""Counts in stored results, on the screen: progress, totals of videos, and the summary at the end."""

import sys
from collections.abc import Sequence

from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.detect.summary import show_summary
from detcli.cli.detect.video.counts_report import show_counts
from detcli.cli.framework.console import Console
from detcli.cli.results.results_view import ResultsView
from detcli.counting.run_counter import CountTotals
from detcli.engine.results.count_results import CountRequest


def run_count(console: Console, request: CountRequest) -> int:
    """Count; returns the exit code: failed images of the results are no failure of this command."""
    from detcli.engine.results.count_results import count_results

    TerminalOutput(console).check(binary=False)
    with CountView(console, first="reading results") as view:
        stats = count_results(request, observer=view, stop=view.stop, stdout=sys.stdout.buffer)
        if view.start is not None:
            show_counts(console, view.counts)
            show_summary(console, stats, view.start.plan)
    return stats.exit_code if stats.interrupted is not None else 0


class CountView(ResultsView):
    """Shows how far it is, and keeps the totals."""

    counts: Sequence[CountTotals] = ()

    def on_counts(self, totals: Sequence[CountTotals]) -> None:
        """Keep them for the summary."""
        self.counts = totals
