"""What every run with a model shows on the screen: downloads, warnings, the model, signals, failed inputs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import DownloadProgressBar
from detcli.cli.framework.signals import stopping
from detcli.cli.framework.text import counted
from detcli.engine.observer import DeviceShare, LoadedModel, Observer, RunStart
from detcli.engine.process import tune_process
from detcli.engine.requests.run_request import ComputeSettings, ModelSettings, OutputSettings
from detcli.io.naming import SkippedEntries
from detcli.structures.stop_signal import StopSignal


class RunView(Observer):
    """Prints the events of a run; use as a context manager around it.

    model  its name, or None for one that is loaded already
    first  what the run does first, as the status line says it; None: it loads the model

    stop     set by signals while the run runs; before, a signal ends the process
    start    the run, once it has started
    runtime  that runs the network, once the model is loaded
    """

    def __init__(self, console: Console, *, model: str | None = None, first: str | None = None) -> None:
        self.console = console
        self._loading = f"loading model {model}" if model is not None else None
        self._first = first or self._loading
        self.stop = StopSignal()
        self.start: RunStart | None = None
        self.runtime: str | None = None
        self.stack = ExitStack()
        self._download = DownloadProgressBar(console)

    def __enter__(self) -> Self:
        if self._first is not None:
            self.console.status(self._first)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._download.finish()
        self.stack.close()
        self.console.clear_status()

    def show_loading(self) -> None:
        """Say that the model is being loaded."""
        if self._loading is not None and self._loading != self._first:
            self._first = self._loading
            self.console.status(self._loading)

    def on_skipped_output(self, path: Path) -> None:
        """Name it."""
        self.console.say(f"'{path}' exists; skipped")

    def on_skipped_entries(self, skipped: SkippedEntries) -> None:
        """Name the folders, and say how many files of which suffixes."""
        for sentence in skipped.sentences():
            self.console.say(sentence)

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
        self._first = None
        self.show_loading()

    def on_cluster(self, message: str) -> None:
        """Say what is waited for."""
        self.console.status(message)

    def on_model_load(self, compute: ComputeSettings) -> None:
        """Tune the process, which belongs to this command alone."""
        self.show_loading()
        tune_process(compute)

    def on_preparation(self, message: str) -> None:
        """Say what the user waits for."""
        self.console.say(message)

    def on_model_loaded(self, model: LoadedModel) -> None:
        """Describe model and device, for `--verbose`."""
        self.runtime = model.runtime
        if model.threshold_source:
            count = len(model.class_thresholds)
            own = f"; {counted(count, 'class has its', 'classes have their')} own" if count else ""
            self.console.say(
                f"scores above {model.threshold:g}, the threshold of the model: {model.threshold_source}{own}",
                threshold=model.threshold,
                class_thresholds=dict(model.class_thresholds),
            )
        self.console.note(f"model {model.name} from '{model.folder}'", commit=model.commit, sha256=model.sha256)
        self.console.note(
            f"{model.runtime} on {model.device}, {model.precision}, batches of {model.batch_size}, "
            + ", ".join(_filters(model)),
            runtime=model.runtime,
            precision=model.precision,
        )

    def on_devices(self, devices: Sequence[DeviceShare]) -> None:
        """Say what each device has done, for `--verbose`."""
        parts = [f"{share.device}: {counted(share.images, 'image')}" for share in devices]
        self.console.note("; ".join(parts), devices={share.device: share.images for share in devices})

    def on_start(self, start: RunStart) -> None:
        """From here on, a signal ends the run after the current batch."""
        self.start = start
        self.console.clear_status()
        self.stack.enter_context(stopping(self.console, self.stop))

    def on_end(self) -> None:
        """Take the progress line off the screen, and restore signals."""
        self.stack.close()


def _filters(model: LoadedModel) -> Iterator[str]:
    """Which detections are kept."""
    yield f"scores above {model.threshold:g}"
    yield from (f"of {name} above {threshold:g}" for name, threshold in model.class_thresholds.items())
    if model.nms is not None:
        yield f"no boxes that overlap by more than {model.nms:g}"
    if model.tile is not None:
        yield f"in tiles of {model.tile}"


def name_of_model(settings: ModelSettings) -> str | None:
    """The name of the model that will be loaded; None for a detector."""
    return settings.model if isinstance(settings.model, str) else None


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
