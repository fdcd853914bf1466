"""Finds the videos that arguments name: files, folders and globs, object stores, cameras, streams."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from detcli.errors import ImageError, InputError, UsageError
from detcli.io.naming import SkippedEntries, UniqueNames, nearest_common_folder, relative_below, relative_of_url
from detcli.io.output_paths import is_annotated_video
from detcli.io.read import read_bytes, real_path
from detcli.io.remote.addresses import is_remote, scheme_of
from detcli.sources.images.path_walker import PathWalker, is_glob
from detcli.sources.source import STANDARD_INPUT
from detcli.sources.video.camera import cameras
from detcli.sources.video.store_videos import store_names, store_videos
from detcli.sources.video.video_source import camera_number

# Taken in folders, upper or lower case; a file that is named directly may have any suffix.
VIDEO_SUFFIXES: Final = (
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".ivf", ".m2ts", ".m3u8", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".ogv", ".rm", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip

_PLAYLIST: Final = ".m3u8"
_STORED_SUFFIXES: Final = tuple(suffix for suffix in VIDEO_SUFFIXES if suffix != _PLAYLIST)  # its parts are taken
_MAX_PLAYLIST_BYTES: Final = 16 << 20
_URI = re.compile(r'URI="([^"]+)"')
_WEBCAM = re.compile(r"(web|usb|integrated[ _-]?)?cam(era)?[ _:-]?\d*|/dev/video.*", re.IGNORECASE)


def find_videos(
    arguments: Sequence[str], *, outputs: Sequence[str] = (), skipped: SkippedEntries | None = None
) -> list[str]:
    """The name of each video, camera and stream that the arguments name, in their order; opens none of them.

    outputs  files and folders that the run writes, skipped in folders
    skipped  gets what is skipped in folders

    Raises UsageError where standard input or a camera is named twice; InputError for a folder or a glob without videos; and
    as `store_videos` for addresses in object stores.
    """
    names = list(_find(arguments, frozenset(map(real_path, outputs)), skipped))
    for once in (STANDARD_INPUT, *(name for name in names if camera_number(name) is not None)):
        if names.count(once) > 1:
            raise UsageError(f"'{once}' is named more than once, and it can be read only once")
    return names


def source_names(videos: Sequence[str]) -> list[str]:
    """A unique name for each source, the folder of its frames: the tree of files and objects below their common folder."""
    base = nearest_common_folder(os.path.dirname(os.path.abspath(name)) for name in videos if is_file_name(name))  # noqa: PTH100, PTH120
    stored = [name for name in videos if _is_object(name)]
    relative = store_names(stored, is_alone=len(stored) == len(videos))
    names = UniqueNames()
    return [names.take(relative.get(name) or _relative(name, base))[1] for name in videos]


def flat_names(names: Sequence[str]) -> list[str]:
    """The same as unique file names: `{name}` of an output."""
    unique = UniqueNames()
    return [unique.take(name.replace("/", "-"))[0] for name in names]


def is_file_name(argument: str) -> bool:
    """Whether an argument names a path of the file system, which may be missing."""
    if argument == STANDARD_INPUT or camera_number(argument) is not None:
        return False
    return scheme_of(argument) is None or os.path.lexists(argument)


def _find(arguments: Sequence[str], outputs: frozenset[str], skipped: SkippedEntries | None) -> Iterator[str]:
    walker = PathWalker(
        recursive=True,
        takes=lambda name: name.lower().endswith(VIDEO_SUFFIXES),
        skips=lambda path: real_path(path.path) in outputs,
        skipped=skipped,
    )
    for argument in arguments:
        if _is_object(argument):
            yield from store_videos(argument, _STORED_SUFFIXES, skipped)
            continue
        if os.path.isdir(argument):  # noqa: PTH112 - any name
            paths = [item.path for item in walker.folder(argument)]  # unreadable folders fail when they are opened
            message = f"no videos in '{argument}'"
        elif is_file_name(argument) and is_glob(argument) and not os.path.lexists(argument):
            matches = (item for item in walker.glob(argument) if item.error is None or item.error.code != "not-found")
            paths = [item.path for item in matches]
            message = f"no file matches '{argument}'"
        else:
            if _WEBCAM.fullmatch(argument) and not os.path.lexists(argument) and camera_number(argument) is None:
                available = f"; available: {', '.join(cameras())}" if cameras() else ""
                raise InputError(f"no such file: '{argument}'; cameras are named cam0, cam1 and so on{available}")
            yield argument
            continue
        paths = _without_parts(_without_annotated(paths, skipped), skipped)
        if not paths:
            raise InputError(message + ("" if skipped is None else skipped.ending()))
        yield from paths


def _is_object(argument: str) -> bool:
    """Whether an argument is an address in an object store."""
    return is_remote(argument) and not is_file_name(argument)


def _without_annotated(paths: list[str], skipped: SkippedEntries | None) -> list[str]:
    """The paths without annotated videos of earlier runs."""
    annotated = {path for path in paths if is_annotated_video(path)}
    if skipped is not None:
        skipped.annotated.extend(path for path in paths if path in annotated)
    return [path for path in paths if path not in annotated]


def _without_parts(paths: list[str], skipped: SkippedEntries | None) -> list[str]:
    """The paths without those that a playlist among them names: they are read as parts of it."""
    parts: set[str] = set()
    for path in paths:
        if path.lower().endswith(_PLAYLIST):
            parts.update(_parts(path))
    kept = [path for path in paths if real_path(path) not in parts]
    if not kept:  # playlists that name each other
        return paths
    if skipped is not None:
        skipped.playlist_parts.extend(path for path in paths if real_path(path) in parts)
    return kept


def _parts(playlist: str) -> Iterator[str]:
    """The local files that a playlist names; none for one that cannot be read, which fails when it is opened."""
    try:
        text = os.fsdecode(read_bytes(playlist, max_bytes=_MAX_PLAYLIST_BYTES))
    except ImageError:
        return
    folder, own = os.path.dirname(playlist), real_path(playlist)  # noqa: PTH120 - any name
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    names += [match[1] for line in lines if line.startswith("#EXT-X-") and (match := _URI.search(line))]
    for name in names:
        path = real_path(os.path.join(folder, name.removeprefix("file:")))  # noqa: PTH118 - any name
        if scheme_of(name.removeprefix("file:")) is None and path != own:
            yield path


def _relative(argument: str, base: str) -> str:
    if argument == STANDARD_INPUT:
        return "stdin"
    number = camera_number(argument)
    if number is not None:
        return f"cam{number}"
    if not is_file_name(argument):
        return relative_of_url(argument)
    return relative_below(os.path.abspath(argument), base)  # noqa: PTH100 - any name
