"""What the arguments of a run over videos name: files, folders and globs of them, cameras, streams."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from detcli.errors import InputError, UsageError
from detcli.io.naming import UniqueNames, nearest_common_folder, relative_below, relative_of_url
from detcli.sources.http import scheme_of, without_credentials
from detcli.sources.images.path_walker import PathWalker, is_glob
from detcli.sources.source import STANDARD_INPUT
from detcli.sources.video.camera import cameras
from detcli.sources.video.channel import ChannelSource
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.video_source import VideoSettings, camera_number, open_moving

# Taken when a folder is walked, in any case; a file that is named may have any suffix.
VIDEO_SUFFIXES: Final = (
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".ivf", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".ogv", ".rm", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip

_WEBCAM = re.compile(r"(web|usb|integrated[ _-]?)?cam(era)?[ _:-]?\d*|/dev/video.*", re.IGNORECASE)


def open_together(arguments: Sequence[str], settings: VideoSettings, *, outputs: Sequence[str] = ()) -> Multiplexer:
    """All sources that the arguments name, as one; none is opened yet.

    arguments  cameras, addresses, "-", files, and folders or globs of files, in their order
    outputs    files and folders that this run writes, skipped in folders

    Raises UsageError where a source is named twice that can be read only once, InputError for a folder or a glob
    without videos.
    """
    named = list(_named(arguments, frozenset(map(os.path.realpath, outputs))))
    for once in (STANDARD_INPUT, *(name for name in named if camera_number(name) is not None)):
        if named.count(once) > 1:
            raise UsageError(f"'{once}' is named more than once, and it can be read only once")
    return Multiplexer([_part(name, place, settings) for name, place in zip(named, places(named), strict=True)])


def places(arguments: Sequence[str]) -> list[str]:
    """The folder that the frames of each source are named below: the sources' own tree, and no two the same."""
    base = nearest_common_folder(os.path.dirname(os.path.abspath(name)) for name in arguments if _is_file(name))  # noqa: PTH100, PTH120
    names = UniqueNames()
    return [names.take(_relative(name, base))[1] for name in arguments]


def flat_names(source_places: Sequence[str]) -> list[str]:
    """The same as names of files: `{name}` of an output."""
    names = UniqueNames()
    return [names.take(place.replace("/", "-"))[0] for place in source_places]


def _named(arguments: Sequence[str], outputs: frozenset[str]) -> Iterator[str]:
    walk = PathWalker(
        recursive=True,
        wanted=lambda name: name.lower().endswith(VIDEO_SUFFIXES),
        pruned=lambda found: os.path.realpath(found.path) in outputs,
    )
    for argument in arguments:
        if os.path.isdir(argument):  # noqa: PTH112 - any name
            found = [item.path for item in walk.folder(argument)]  # what cannot be listed says so when it is opened
            what = f"there are no videos in '{argument}'; 'detcli detect' takes images"
        elif _is_file(argument) and is_glob(argument) and not os.path.lexists(argument):
            matched = (item for item in walk.glob(argument) if item.error is None or item.error.code != "not-found")
            found = [item.path for item in matched]
            what = f"nothing matches '{argument}'"
        else:
            if _WEBCAM.fullmatch(argument) and not os.path.lexists(argument) and camera_number(argument) is None:
                there = f"; there is {', '.join(cameras())}" if cameras() else ""
                raise InputError(f"there is no file '{argument}'; cameras are named cam0, cam1 and so on{there}")
            yield argument
            continue
        if not found:
            raise InputError(what)
        yield from found


def _part(argument: str, place: str, settings: VideoSettings) -> ChannelSource:
    file = without_credentials(argument) if scheme_of(argument) is not None else argument
    by_nature = open_moving(argument, replace(settings, live=None)).live
    source = open_moving(argument, settings)
    if not source.live:
        return ChannelSource(file, place, source, is_file=_is_file(argument))
    # Of a live source, only frames that are in time count against the limit.
    source = open_moving(argument, replace(settings, max_frames=None))
    waits = by_nature and settings.reconnect
    return ChannelSource(
        file, place, source, settings.max_frames, paced=not by_nature, waits=waits, is_file=_is_file(argument)
    )


def _is_file(argument: str) -> bool:
    """Whether it names something in the file system, there or not."""
    if argument == STANDARD_INPUT or camera_number(argument) is not None:
        return False
    return scheme_of(argument) is None or os.path.lexists(argument)


def _relative(argument: str, base: str) -> str:
    if argument == STANDARD_INPUT:
        return "stdin"
    number = camera_number(argument)
    if number is not None:
        return f"cam{number}"
    if not _is_file(argument):
        return relative_of_url(argument)
    return relative_below(os.path.abspath(argument), base)  # noqa: PTH100 - any name
