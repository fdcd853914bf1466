"""A run over images on the screen: progress, failed images, and the summary at the end."""

from collections.abc import Sequence

from detcli.cli.detect.run_view import RunView, name_of_model, note_folder_outputs
from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.framework.arguments import shell_word
from detcli.cli.framework.console import Console
from detcli.cli.framework.foreign.foreign_commands import VIDEO_SUFFIXES
from detcli.cli.framework.progress import RunProgressBar
from detcli.engine.observer import RunStart
from detcli.engine.requests.run_request import ImageRequest
from detcli.errors import TooManyFailuresError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


def run_images(console: Console, request: ImageRequest, *, dry_run: bool) -> int:
    """Run the request, or show what would be done; returns the exit code. Raises DetcliError."""
    stdout = TerminalOutput(console)
    note_folder_outputs(console, request.output)
    if dry_run:
        from detcli.cli.detect.dry_run import dry_run_images

        return dry_run_images(console, request, stdout)
    watched = request.input.sources if request.input.watch else ()
    with ImageRunView(console, model=name_of_model(request.model), watched=watched) as view:
        from detcli.engine.run import run

        try:
            stats = run(request, observer=view, stop=view.stop, stdout=stdout)
        except TooManyFailuresError:
            view.show_summary()
            raise
        view.show_summary()
    return stats.exit_code


class ImageRunView(RunView):
    """Shows a run over images.

    watched  folders that the run watches
    """

    def __init__(
        self, console: Console, *, model: str | None = None, first: str | None = None, watched: Sequence[str] = ()
    ) -> None:
        super().__init__(console, model=model, first=first)
        self._watched = watched
        self._progress: RunProgressBar | None = None
        self._video: str | None = None

    def on_start(self, start: RunStart) -> None:
        """Show the progress."""
        super().on_start(start)
        if self._watched:
            folders = ", ".join(f"'{folder}'" for folder in self._watched)
            self.console.say(f"watching {folders} for new images; Ctrl-C ends the run")
        self._progress = self.stack.enter_context(RunProgressBar(self.console, done=start.done, count=start.count))

    def on_chunk(self, done: int, failed: int) -> None:
        """Count its images."""
        if self._progress is not None:
            self._progress.advance_by(done, failed)

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count it, and name it where it failed."""
        failed = isinstance(detections, FailedFrame)
        if self._progress is not None and self.start is not None and not self.start.chunked:
            self._progress.advance(failed=failed)
        if isinstance(detections, FailedFrame):
            file = frame.origin.file
            self.console.failure(file, detections.code, detections.message)
            if detections.code == "not-an-image" and file.lower().endswith(VIDEO_SUFFIXES):
                self._video = self._video or file

    def show_summary(self) -> None:
        """The last line of the run, where it has started."""
        if self.start is not None:
            from detcli.cli.detect.summary import show_summary

            show_summary(self.console, self.start.stats, self.start.plan, runtime=self.runtime)
            if self._video is not None:
                self.console.say(f"videos are read by 'detcli video': detcli video {shell_word(self._video)}")
