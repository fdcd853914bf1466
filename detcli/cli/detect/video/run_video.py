"""A run over videos on the screen: sources, progress, gaps, and the summary at the end."""

from collections.abc import Sequence

from detcli.cli.detect.run_view import RunView, name_of_model, note_folder_outputs
from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.detect.video.counts_report import show_counts
from detcli.cli.detect.video.video_progress import VideoProgress, show_video_summary
from detcli.cli.detect.video.video_report import describe, warn_of_empty
from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted
from detcli.counting.run_counter import CountTotals
from detcli.engine.observer import OpenedVideo, RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.process import tune_process_for_video
from detcli.engine.requests.run_request import VideoRequest
from detcli.errors import TooManyFailuresError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


def run_videos(console: Console, request: VideoRequest, *, dry_run: bool) -> int:
    """Run the request, or show what would be done; returns the exit code. Raises DetcliError."""
    tune_process_for_video()
    stdout = TerminalOutput(console)
    note_folder_outputs(console, request.output)
    with VideoRunView(console, request) as view:
        if dry_run:
            from detcli.cli.detect.dry_run import dry_run_videos

            return dry_run_videos(console, request, stdout, view)
        from detcli.engine.run import run

        try:
            stats = run(request, observer=view, stop=view.stop, stdout=stdout)
        except TooManyFailuresError:
            view.show_summary()
            raise
        view.show_summary()
    return stats.exit_code


class VideoRunView(RunView):
    """Shows a run over videos."""

    def __init__(self, console: Console, request: VideoRequest) -> None:
        sources = request.input.sources
        opened = counted(len(sources), "video") if len(sources) > 1 or "://" in "".join(sources) else "".join(sources)
        super().__init__(console, model=name_of_model(request.model), first=f"opening {opened}" if sources else None)
        self._request = request
        self._progress: VideoProgress | None = None
        self._keeps_nothing = False
        self._counts: Sequence[CountTotals] = ()

    def on_plan(self, plan: OutputPlan) -> None:
        """Remember whether anything is kept."""
        shows = self._request.show or bool(self._request.counting.regions)
        self._keeps_nothing = plan.is_empty and not plan.skipped and not shows

    def on_videos_opened(self, videos: Sequence[OpenedVideo]) -> None:
        """Describe them, for `--verbose`; always say which one of several video streams is read."""
        for video in videos:
            if video.info is not None:
                self.console.note(f"'{video.file}': {describe(video, self._request)}")
                if video.info.stream is not None:
                    self.console.say(f"'{video.file}': {video.info.stream}")
        self.show_loading()
        if self._keeps_nothing:
            self.console.say(
                "nothing is saved: use -o FILE for the results, or --save-video FILE for an annotated video"
            )

    def on_no_video_opened(self, videos: Sequence[OpenedVideo]) -> None:
        """Name each of them, with the reason."""
        for video in videos:
            if video.error is not None:
                self.console.failure(video.file, video.error.code, video.error.reason)

    def on_start(self, start: RunStart) -> None:
        """Show the progress."""
        super().on_start(start)
        self._progress = self.stack.enter_context(VideoProgress(self.console, start))

    def on_chunk(self, done: int, failed: int) -> None:
        """Count its frames."""
        if self._progress is not None:
            self._progress.advance_by(done, failed)

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count it, and name the gap where frames are missing."""
        if self._progress is not None and self.start is not None and not self.start.chunked:
            self._progress.advance(detections)
        if isinstance(detections, FailedFrame):
            origin = frame.origin
            self.console.failure(origin.file, detections.code, detections.message, time_s=origin.time_s or None)

    def on_empty_video(self, video: OpenedVideo) -> None:
        """Warn of it."""
        warn_of_empty(self.console, video, self._request)

    def on_counts(self, totals: Sequence[CountTotals]) -> None:
        """Remember them for the summary."""
        self._counts = totals

    def show_summary(self) -> None:
        """The last lines of the run, where it has started: what was counted, and the summary."""
        if self.start is not None:
            show_counts(self.console, self._counts)
            show_video_summary(self.console, self.start.stats, self.start.plan, runtime=self.runtime)
