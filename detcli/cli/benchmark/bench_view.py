"""What `detcli bench` shows on the screen while it runs."""

from detcli.cli.detect.run_view import RunView
from detcli.cli.framework.signals import stopping
from detcli.engine.benchmark.benchmark_request import BenchmarkCase
from detcli.engine.benchmark.run_benchmark import BenchmarkObserver


class BenchmarkView(RunView, BenchmarkObserver):
    """Prints the events of a benchmark; use as a context manager around it."""

    def on_benchmark_start(self) -> None:
        """From here on, a signal ends the benchmark with what was measured; before, it ends the process."""
        self.stack.enter_context(stopping(self.console, self.stop, action="ending the benchmark"))

    def on_export(self, case: BenchmarkCase) -> None:
        """Say what is exported."""
        self.console.status(f"exporting {case.model}")

    def on_measurement(self, case: BenchmarkCase, done: int, total: int) -> None:
        """Say what is measured."""
        self.console.status(f"{done + 1} of {total}: {case.model} in {case.runtime}")
