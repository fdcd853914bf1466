"""`open_source` and `open_video`: frames for programs, without a detector."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from detcli.argument_checks import StrPath
    from detcli.shard import ShardLike
    from detcli.sources.frames import ImageFrames, VideoFrames


def open_source(
    sources: "StrPath | Iterable[StrPath]" = (),
    *,
    files_from: "StrPath | None" = None,
    null_separated: bool = False,
    recursive: bool = True,
    extensions: "str | Iterable[str] | None" = None,
    exclude: "str | Iterable[str]" = (),
    limit: int | None = None,
    shard: "ShardLike | None" = None,
    max_pixels: int | None = None,
    watch: bool = False,
    new_only: bool = False,
) -> "ImageFrames":
    """Open images; iterating reads one after the other.

    A `Frame` has `pixels`, uint8 [H, W, 3] RGB, upright. An image that is missing or cannot be read is a `FailedFrame`
    with a `code` and a `message`.

        for frame in detcli.open_source("images/"):
            print(frame.origin.file)

    sources         files, folders, archives, globs, ranges ("shard-{000..127}.tar") or http(s) URLs: one or a list
    files_from      file with a list of paths
    null_separated  the list is separated by NUL bytes, not by line ends
    recursive       search subfolders too
    extensions      suffixes that are taken from folders; None: those of every image format
    exclude         glob patterns of names or paths that are skipped
    limit           maximum number of images
    shard           "2/8" or (2, 8): only the second of eight parts, every eighth image
    max_pixels      reject larger images; None: 250 million
    watch           also images that arrive in the folders later, each when it is complete, until `close()`; needs watchfiles
    new_only        with `watch`: skip the images that are there at the start

    Raises TypeError for an argument of a wrong type, and UsageError (a ValueError) for a wrong value.
    """
    arguments = locals()
    from detcli.engine.inputs.open_images import source_settings
    from detcli.engine.requests.input_settings import ImageInputSettings
    from detcli.sources.frames import ImageFrames
    from detcli.sources.source import make_source

    images = ImageInputSettings(**arguments)
    if images.watch:
        from detcli.engine.inputs.open_watched import check_watch_package
        from detcli.sources.watching.watched_folders import WatchedFolders

        check_watch_package()
        watched = WatchedFolders(images.sources, source_settings(images), new_only=images.new_only)
        return ImageFrames(watched, close=watched.close)
    return ImageFrames(make_source(images.sources, source_settings(images)), images.shard)


def open_video(
    video: "StrPath",
    *,
    stride: int = 1,
    fps: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    max_frames: int | None = None,
    live: bool | None = None,
    camera_size: tuple[int, int] | None = None,
    camera_rate: float | None = None,
    reconnect: bool = True,
    max_pixels: int | None = None,
) -> "VideoFrames":
    """Open one video, camera or stream; iterating decodes one frame after the other.

    A `Frame` has `pixels`, uint8 [H, W, 3] RGB, upright; `frame.origin.time_s` is the time since the first frame. Missing
    frames are a `FailedFrame`.

        with detcli.open_video("in.mp4", stride=5) as frames:
            for frame in frames:
                print(frame.origin.frame, frame.origin.time_s)

    video        a video file, also in an object store ("s3://…"), a camera ("cam0") or the URL of a stream
    stride       every Nth frame
    fps          maximum frames per second of the video's own time
    start        seconds to skip at the beginning
    duration     seconds of the video's own time; None: to its end
    max_frames   maximum number of frames
    live         drop frames that wait too long; None: only for cameras and streams
    camera_size  (height, width) requested from a camera
    camera_rate  frames per second requested from a camera
    reconnect    reconnect to a stream or camera that was lost
    max_pixels   reject larger frames; None: 250 million

    Raises TypeError for an argument of a wrong type, UsageError (a ValueError) for a wrong value, and SourceError if the
    video cannot be opened.
    """
    arguments = locals()
    from detcli.argument_checks import check_path, check_type
    from detcli.engine.inputs.open_videos import video_settings
    from detcli.engine.requests.input_settings import VideoInputSettings
    from detcli.errors import UsageError
    from detcli.sources.frames import VideoFrames
    from detcli.sources.video.open_multiplexer import open_multiplexer

    name = arguments.pop("video")
    check_type("video", name, (str, os.PathLike), 'a path, a URL or a camera ("cam0")')
    check_path("video", name)
    videos = VideoInputSettings(sources=name, **arguments)
    opened = open_multiplexer(videos.sources, video_settings(videos))
    if len(opened.sources) != 1:
        raise UsageError(f"`video` must name one video; '{videos.sources[0]}' names {len(opened.sources)}")
    opened.open()
    return VideoFrames(opened)
