"""The sinks that only videos have: results of one source among several, annotated videos, windows."""

from collections.abc import Iterator
from functools import partial

from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.output_targets import ResultTarget, VideoTarget
from detcli.engine.requests.run_request import VideoRequest
from detcli.errors import UsageError
from detcli.sinks.per_source import PerSourceSink
from detcli.sinks.sink import Sink, SinkSettings, sink_class
from detcli.sinks.video.video_formats import video_format
from detcli.sinks.video.video_writer import VideoWriter
from detcli.sources.video.channel import ChannelSource
from detcli.sources.video.multiplexer import Multiplexer
from detcli.visualization.text_renderer import text_renderer

_MAX_WINDOWS = 16


class VideoSinks:
    """Makes these sinks; each is opened at the first frame of its source."""

    def __init__(self, request: VideoRequest, plan: OutputPlan, source: Multiplexer) -> None:
        self._request, self._plan, self._source = request, plan, source
        self._style = request.output.drawing

    def last_index(self, source: str) -> int | None:
        """The index of a source's last frame; None while more may come."""
        return self._source.last_index(source)

    def check(self) -> None:
        """Raise UsageError for what would fail only at the first frame."""
        for video in self._plan.videos:
            video_format(video.path)
        if self._plan.videos or self._request.show:
            text_renderer(self._style.font)
        if self._request.show:
            from detcli.sinks.video.window import check_screen

            check_screen()

    def open_target(self, target: ResultTarget, settings: SinkSettings) -> Sink:
        """The results of one source among several."""
        if target.source is None or target.path is None:
            raise ValueError("the output is not for one source")
        kind = sink_class(target.format)
        return PerSourceSink(
            target.source,
            partial(kind, target.path, settings),
            ordered=kind.ordered,
            needs_pixels=False,
            last_index=partial(self._source.last_index, target.source),
        )

    def open(self, settings: SinkSettings) -> list[Sink]:
        """Annotated videos and windows."""
        return [*self._videos(settings), *self._windows(settings)]

    def _videos(self, settings: SinkSettings) -> Iterator[Sink]:
        for target in self._plan.videos:
            yield PerSourceSink(
                target.source,
                partial(self._video_writer, target, settings),
                ordered=True,
                needs_pixels=True,
                last_index=partial(self._source.last_index, target.source),
            )

    def _video_writer(self, target: VideoTarget, settings: SinkSettings) -> VideoWriter:
        frames, info = self._request.input, self._source.info(target.source)
        rate = info.rate if info is not None else None
        if rate is not None:
            rate = min(rate / frames.stride, frames.fps or rate)
        video = self._channel(target.source)
        return VideoWriter(
            target.path,
            settings.info.labels,
            self._style,
            rate=rate,
            copy_from=video.file,
            is_file=video.is_file,
            has_sound=info is not None and info.sound,
            to_end=frames.duration is None and frames.max_frames is None,
            traits=info.traits if info is not None else None,
        )

    def _windows(self, settings: SinkSettings) -> Iterator[Sink]:
        if not self._request.show:
            return
        from detcli.sinks.video.window import Window

        if len(self._source.sources) > _MAX_WINDOWS:
            raise UsageError(f"`show` opens one window per source, for at most {_MAX_WINDOWS} sources")
        for video in self._source.sources:
            yield PerSourceSink(
                video.name,
                partial(
                    Window,
                    settings.info.labels,
                    self._style,
                    title=f"detcli: {video.file}",
                    on_closed=self._source.close,
                ),
                ordered=True,
                needs_pixels=True,
                last_index=partial(self._source.last_index, video.name),
                at_once=True,
            )

    def _channel(self, name: str) -> ChannelSource:
        return next(video for video in self._source.sources if video.name == name)
