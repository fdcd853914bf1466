"""Names of stored images below the common folder of their input, as the run that wrote the results made them."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from detcli.io.archives.member_names import MARK
from detcli.io.naming import UniqueNames, nearest_common_folder, relative_below, relative_of_url, safe_relative
from detcli.io.remote.addresses import scheme_of
from detcli.io.results.stored import StoredImage
from detcli.sources.images.brace_ranges import before_range, has_range
from detcli.sources.images.path_walker import is_glob, split_glob
from detcli.structures.frame import Origin

_FRAME_NAME = re.compile(r"(frame_\d{6,}|gap_\d{6,}_\d+)\.jpg")


class CommonFolder:
    """The folder that names start from: that of the sources of the run where results say them, else of all paths.

    arguments  of the run
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        sources = arguments.get("sources")
        listed = [source for source in sources if isinstance(source, str)] if isinstance(sources, list) else []
        self._from_current = "files_from" in arguments or "-" in listed
        self._folders = {source: _absolute(split_glob(source)[0]) for source in listed if is_glob(source)}
        self._folders |= {source: _folder_of(before_range(source) + "0") for source in listed if has_range(source)}
        self._plain = [s for s in listed if s not in self._folders and scheme_of(s) is None]
        self._common: str | None = None

    def add(self, file: str) -> None:
        """Add a path of the results."""
        if scheme_of(file) is not None:
            return
        for source in self._plain:
            if source in self._folders:
                continue
            for folder in (source.rstrip("/"), source + MARK):  # an archive is a folder, too
                if file.startswith(folder + "/"):
                    self._folders[source] = _absolute(folder)
        folder = _folder_of(file)
        if folder != self._common:
            self._common = folder if self._common is None else nearest_common_folder((self._common, folder))

    @property
    def path(self) -> str:
        """The folder, absolute; "" if there is none."""
        if self._from_current:
            return _absolute("")
        of_sources = [self._folders.get(source, _folder_of(source)) for source in self._plain]
        of_sources += [folder for source, folder in self._folders.items() if source not in self._plain]
        return nearest_common_folder(of_sources) if of_sources else self._common or ""


class StoredNames:
    """Gives stored images their origins, in the order of the output.

    base  folder that names start from, of paths
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._names = UniqueNames()
        self._videos: dict[str, str] = {}  # stem by path

    def origin(self, index: int, image: StoredImage, *, has_paths: bool) -> Origin:
        """The origin of an image or a frame.

        has_paths  names of these results are paths as the user typed them
        """
        file = image.file or f"image {image.image_id}"
        if image.frame is not None:
            return self._of_frame(index, image, _video_of(file), has_paths=has_paths)
        return Origin(index, file, *self._taken(file, has_paths=has_paths))

    def _of_frame(self, index: int, image: StoredImage, file: str, *, has_paths: bool) -> Origin:
        if file not in self._videos:
            self._videos[file] = self._taken(file, has_paths=has_paths)[1]
        failed = image.boxes is None
        name = f"gap_{image.frame:06d}_{index}" if failed else f"frame_{image.frame:06d}"
        stem = f"{self._videos[file]}/{name}"
        return Origin(index, file, f"{stem}.jpg", stem, image.frame, image.time_s, self._videos[file])

    def _taken(self, file: str, *, has_paths: bool) -> tuple[str, str]:
        """The name and the stem of a file, which no other one has."""
        return self._names.take(self._relative(file) if has_paths else safe_relative(file))

    def _relative(self, file: str) -> str:
        return relative_of_url(file) if scheme_of(file) is not None else relative_below(_absolute(file), self._base)


def _video_of(file: str) -> str:
    """The name of the video that a frame is from; COCO has a name for each frame, in a folder with the name of the video."""
    folder, _, name = file.rpartition("/")
    return folder if folder and _FRAME_NAME.fullmatch(name) else file


def common_base(folders: Sequence[str]) -> str:
    """The common folder of several files of results; "" if one has none."""
    return "" if not all(folders) else nearest_common_folder(folders)


def _folder_of(path: str) -> str:
    return os.path.dirname(_absolute(path))  # noqa: PTH120 - any name


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - any name
