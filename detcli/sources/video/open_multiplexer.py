"""Opens all videos that arguments name as one source."""

from collections.abc import Sequence
from dataclasses import replace

from detcli.io.naming import SkippedEntries
from detcli.io.remote.addresses import scheme_of, without_credentials
from detcli.shard import Shard
from detcli.sources.video.channel import ChannelSource
from detcli.sources.video.find_videos import find_videos, flat_names, is_file_name, source_names
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.protocols import access_of
from detcli.sources.video.video_source import VideoSettings, camera_number, open_video_source


def open_multiplexer(
    arguments: Sequence[str],
    settings: VideoSettings,
    *,
    outputs: Sequence[str] = (),
    skipped: SkippedEntries | None = None,
    shard: Shard | None = None,
) -> Multiplexer:
    """All videos that the arguments name, as one source; none of them is open yet.

    arguments  cameras, URLs, "-", files, and folders or globs of files, also in object stores, in their order
    outputs    files and folders that the run writes, skipped in folders
    skipped    gets what is skipped in folders
    shard      only the videos of this shard, with the names that they have among all; None: all

    Raises UsageError where a source that can be read only once is named twice, InputError for a folder or a glob without
    videos, SourceError for a prefix that cannot be listed, LibraryError where the driver of a store is not installed.
    """
    videos = find_videos(arguments, outputs=outputs, skipped=skipped)
    names = source_names(videos)
    named = enumerate(zip(videos, names, flat_names(names), strict=True))
    taken = [entry for position, entry in named if shard is None or shard.has(position)]
    return Multiplexer([replace(channel_source(video, name, settings), flat_name=flat) for video, name, flat in taken])


def is_live_by_default(argument: str) -> bool:
    """Whether the frames of a source arrive in real time: cameras and streams. Raises UsageError as `access_of`."""
    return camera_number(argument) is not None or access_of(argument).live


def is_live(argument: str, settings: VideoSettings) -> bool:
    """Whether late frames of a source are dropped."""
    return is_live_by_default(argument) if settings.live is None else settings.live


def channel_source(argument: str, name: str, settings: VideoSettings) -> ChannelSource:
    """The source of an argument, as a multiplexer reads it; its frames are in the folder `name`."""
    file = without_credentials(argument) if scheme_of(argument) is not None else argument
    is_file = is_file_name(argument)
    if not is_live(argument, settings):
        return ChannelSource(file, name, open_video_source(argument, settings), is_file=is_file, argument=argument)
    arrives_in_real_time = is_live_by_default(argument)
    return ChannelSource(
        file,
        name,
        open_video_source(argument, replace(settings, max_frames=None)),  # the channel counts: dropped frames do not
        settings.max_frames,
        paced=not arrives_in_real_time,
        waits=arrives_in_real_time and settings.reconnect,
        is_file=is_file,
        argument=argument,
    )
