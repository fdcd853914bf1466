"""What every run with a model shows on the screen: downloads, warnings, the model, signals, failed inputs."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import DownloadProgressBar
from detcli.cli.framework.signals import stopping
from detcli.engine.observer import LoadedModel, Observer, RunStart
from detcli.engine.process import tune_process
from detcli.engine.requests.run_request import ComputeSettings, OutputSettings
from detcli.structures.stop_signal import StopSignal


class RunView(Observer):
    """Prints the events of a run; use as a context manager around it.

    stop   set by signals while the run runs; before, a signal ends the process
    start  the run, once it has started
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.stop = StopSignal()
        self.start: RunStart | None = None
        self.stack = ExitStack()
        self._download = DownloadProgressBar(console)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._download.finish()
        self.stack.close()

    def on_skipped_output(self, path: Path) -> None:
        """Name it."""
        self.console.say(f"'{path}' exists; skipped")

    def on_warning(self, message: str) -> None:
        """Show it."""
        self.console.warning(message)

    def on_download_start(self, total: int | None, description: str) -> None:
        """Show the progress of the download."""
        self._download.start(total, description)

    def on_download_progress(self, count: int) -> None:
        """Move it."""
        self._download.advance(count)

    def on_download_end(self) -> None:
        """Take it off the screen."""
        self._download.finish()

    def on_model_load(self, compute: ComputeSettings) -> None:
        """Tune the process, which belongs to this command alone."""
        tune_process(compute)

    def on_model_loaded(self, model: LoadedModel) -> None:
        """Describe model and device, for `--verbose`."""
        self.console.note(f"model {model.name} from '{model.folder}'", commit=model.commit, sha256=model.sha256)
        self.console.note(
            f"{model.device}, {model.precision}, batches of {model.batch_size}, scores above {model.threshold:g}"
        )

    def on_start(self, start: RunStart) -> None:
        """From here on, a signal ends the run after the current batch."""
        self.start = start
        self.stack.enter_context(stopping(self.console, self.stop))

    def on_end(self) -> None:
        """Take the progress line off the screen, and restore signals."""
        self.stack.close()


def note_folder_outputs(console: Console, output: OutputSettings) -> None:
    """Say what an output without a suffix becomes: a folder of YOLO text files."""
    for name in output.outputs:
        if output.format is not None or Path(name).suffix or name.endswith(("/", "\\")) or name == "-":
            continue
        if not os.path.lexists(name):
            console.say(
                f"'{name}' has no suffix: it becomes a folder of YOLO text files; one file is '{name}.json' (COCO) "
                f"or '{name}.jsonl'"
            )
