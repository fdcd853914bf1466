"""The videos, cameras and streams of a run."""

from pathlib import Path

from detcli.counting.run_counter import RunCounter
from detcli.engine.observer import OpenedVideo
from detcli.engine.requests.input_settings import VideoInputSettings
from detcli.engine.requests.run_request import VideoRequest
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.io.naming import SkippedEntries
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.open_multiplexer import open_multiplexer
from detcli.sources.video.video_source import VideoSettings


def open_videos(request: VideoRequest, skipped: SkippedEntries | None = None) -> Multiplexer:
    """The videos, cameras and streams as one source; none of them is open yet.

    skipped  gets what is skipped in folders
    """
    videos = request.input
    written = [request.save_video, *map(Path, request.output.outputs)]
    return open_multiplexer(
        videos.sources,
        video_settings(videos),
        outputs=[str(path) for path in written if path is not None],
        skipped=skipped,
        shard=videos.shard,
    )


def describe_videos(source: Multiplexer) -> tuple[OpenedVideo, ...]:
    """Each source of a multiplexer as observers get it."""
    return tuple(
        OpenedVideo(video.file, source.known_info(video.name), source.error(video.name), video.video.live)
        for video in source.sources
    )


def check_regions(counter: RunCounter, source: Multiplexer) -> list[str]:
    """Warnings about lines and zones that are partly outside the frames of a video, where their size is known.

    Raises UsageError for one that is outside.
    """
    for video in source.sources:
        info = source.known_info(video.name)
        if info is not None and info.size_hw is not None:
            counter.check(video.name, video.file, info.size_hw)
    return counter.take_warnings()


def empty_videos(source: Multiplexer) -> tuple[OpenedVideo, ...]:
    """The sources that ended before their first frame was processed."""
    videos = zip(source.sources, describe_videos(source), strict=True)
    return tuple(video for channel, video in videos if source.last_index(channel.name) == -1)


def video_settings(videos: VideoInputSettings) -> VideoSettings:
    """The settings of the video sources."""
    return VideoSettings(
        stride=videos.stride,
        fps=videos.fps,
        start_s=videos.start,
        duration_s=videos.duration,
        max_frames=videos.max_frames,
        size_hw=videos.camera_size,
        rate=videos.camera_rate,
        live=videos.live,
        reconnect=videos.reconnect,
        max_pixels=videos.max_pixels or DEFAULT_MAX_PIXELS,
    )
