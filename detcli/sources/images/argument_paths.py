"""What an argument names, by its text and the file system: an address, a glob, a range, an archive; and its folder."""

import os
from fnmatch import fnmatchcase
from pathlib import Path

from detcli.io.archives.member_names import MARK
from detcli.io.remote.addresses import scheme_of
from detcli.sources.archives.archive_place import archive_place
from detcli.sources.images.brace_ranges import before_range, has_range
from detcli.sources.images.path_walker import is_glob, split_glob


def is_address(argument: str) -> bool:
    """Whether it is an address, and no file of that name."""
    return scheme_of(argument) is not None and not os.path.lexists(argument)


def is_pattern(argument: str) -> bool:
    """Whether it is a glob, and no file of that name."""
    return is_glob(argument) and not is_address(argument) and not os.path.lexists(argument)


def is_range(argument: str) -> bool:
    """Whether it has a range of numbers in braces, and is no file of that name."""
    return has_range(argument) and not os.path.lexists(argument)


def may_exist(name: str) -> bool:
    """Whether a name of a range may lead to images; addresses and globs are not checked."""
    place = archive_place(name)
    return is_address(name) or is_pattern(name) or os.path.lexists(name if place is None else place.path)


def anchor_of(argument: str) -> str:
    """The folder that contains an argument's images; an archive is such a folder."""
    if os.path.isdir(argument):  # noqa: PTH112 - any name
        return absolute_path(argument)
    if is_range(argument):
        return _folder_of(f"{before_range(argument)}0")
    place = archive_place(argument)
    if place is not None:
        inside = path_in_archive(place.path, place.inside)
        return _folder_of(inside) if place.is_member else inside
    if is_pattern(argument):
        return absolute_path(split_glob(argument)[0])
    return _folder_of(argument)


def path_in_archive(path: str, inside: str) -> str:
    """The absolute path of an archive as a folder, and of what is in it."""
    return f"{absolute_path(path)}{MARK}/{inside}".rstrip("/").replace("/", os.sep)


def absolute_path(path: str) -> str:
    """The absolute path without "." and ".."; links are kept, because names follow what the user typed."""
    return os.path.abspath(path)  # noqa: PTH100 - any name


def comparable_path(path: str | Path) -> str:
    """The absolute path as it is compared with others on this system."""
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - any name


def is_excluded(relative: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches the name or the path of a file, or of a folder that contains it."""
    if not patterns:
        return False
    parts = os.path.normcase(relative).replace(os.sep, "/").split("/")
    paths = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    slashed = [pattern.replace(os.sep, "/") for pattern in patterns]
    return any(fnmatchcase(text, pattern) for pattern in slashed for text in (*parts, *paths))


def _folder_of(path: str) -> str:
    return os.path.dirname(absolute_path(path))  # noqa: PTH120 - any name
