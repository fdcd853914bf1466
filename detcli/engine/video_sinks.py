"""The sinks that only videos have: records of one source among several, films, windows."""

from collections.abc import Iterator
from functools import partial

from detcli.engine.open_outputs import drawing_style
from detcli.engine.outputs import OutputPlan, ResultTarget, VideoTarget
from detcli.engine.request import VideoRequest
from detcli.errors import UsageError
from detcli.sinks.per_source import PerSourceSink
from detcli.sinks.sink import SINKS, Sink, SinkSettings
from detcli.sinks.video.video_formats import film_format
from detcli.sinks.video.video_writer import VideoWriter
from detcli.sources.video.channel import ChannelSource
from detcli.sources.video.multiplexer import Multiplexer
from detcli.visualization.text_renderer import lettering

_MOST_WINDOWS = 16


class VideoSinks:
    """Makes them; each is opened at the first frame of its source."""

    def __init__(self, wish: VideoRequest, plan: OutputPlan, source: Multiplexer) -> None:
        self._wish, self._plan, self._source = wish, plan, source
        self._style = drawing_style(wish)

    def check(self) -> None:
        """Raise UsageError for what would come up only at the first frame."""
        for film in self._plan.films:
            film_format(film.path)
        if self._plan.films or self._wish.show:
            lettering(self._wish.font)
        if self._wish.show:
            from detcli.sinks.video.window import check_screen

            check_screen()

    def target(self, target: ResultTarget, settings: SinkSettings) -> Sink:
        """The records of one source among several."""
        assert target.of is not None and target.path is not None  # noqa: S101, PT018 - so planned
        kind = SINKS[target.format]
        return PerSourceSink(
            target.of,
            partial(kind, target.path, settings),
            ordered=kind.ordered,
            needs_pixels=False,
            last_index=partial(self._source.last_index, target.of),
        )

    def sinks(self, settings: SinkSettings) -> list[Sink]:
        """Films and windows."""
        return [*self._films(settings), *self._windows(settings)]

    def _films(self, settings: SinkSettings) -> Iterator[Sink]:
        for target in self._plan.films:
            yield PerSourceSink(
                target.of,
                partial(self._film, target, settings),
                ordered=True,
                needs_pixels=True,
                last_index=partial(self._source.last_index, target.of),
            )

    def _film(self, target: VideoTarget, settings: SinkSettings) -> VideoWriter:
        wish, facts = self._wish, self._source.facts(target.of)
        rate = facts.rate if facts is not None else None
        if rate is not None:
            rate = min(rate / wish.stride, wish.fps or rate)
        part = self._part(target.of)
        has_sound = facts is not None and facts.sound
        return VideoWriter(
            target.path,
            settings.info.labels,
            self._style,
            rate=rate,
            sound_from=part.file if has_sound else None,
            sound_is_file=part.is_file,
            sound_to_end=wish.duration is None and wish.max_frames is None,
        )

    def _windows(self, settings: SinkSettings) -> Iterator[Sink]:
        if not self._wish.show:
            return
        from detcli.sinks.video.window import Window

        if len(self._source.parts) > _MOST_WINDOWS:
            raise UsageError(f"--show opens a window a source: {_MOST_WINDOWS} at most, and there are more sources")
        for part in self._source.parts:
            yield PerSourceSink(
                part.place,
                partial(
                    Window,
                    settings.info.labels,
                    self._style,
                    title=f"detcli: {part.file}",
                    on_closed=self._source.close,
                ),
                ordered=True,
                needs_pixels=True,
                last_index=partial(self._source.last_index, part.place),
                at_once=True,
            )

    def _part(self, place: str) -> ChannelSource:
        return next(part for part in self._source.parts if part.place == place)
