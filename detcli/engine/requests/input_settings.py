"""Which images, and which frames of which videos, a run processes."""

from dataclasses import dataclass

from detcli.argument_checks import check_flag, check_int, check_number, check_path, check_size, check_texts
from detcli.engine.requests.record_fields import check_optional_int, optional_texts, store
from detcli.errors import UsageError
from detcli.io.remote.store_path import store_text
from detcli.shard import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInputSettings:
    """Which images.

    sources         files, folders, archives, globs, ranges ('shard-{000..127}.tar'), http(s) URLs; "-" is standard input
    files_from      file with a list of paths, "-" for standard input; None: no list
    null_separated  the list is separated by NUL bytes, not by line ends
    recursive       search the folders inside a folder too
    extensions      suffixes that are taken from folders; None: those of every image format
    exclude         glob patterns of names or paths that are left out
    limit           only the first so many images
    shard           only those of this shard of the input, "2/8" or (2, 8); None: all
    max_pixels      larger images are not read; None: 250 million
    watch           also images that arrive in the folders later, until the run is stopped
    new_only        with `watch`: not those that are there at the start
    """

    sources: tuple[str, ...] = ()
    files_from: str | None = None
    null_separated: bool = False
    recursive: bool = True
    extensions: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    shard: Shard | None = None
    max_pixels: int | None = None
    watch: bool = False
    new_only: bool = False

    def __post_init__(self) -> None:
        store(
            self,
            sources=check_texts("sources", self.sources),
            files_from=None if self.files_from is None else store_text(str(check_path("files_from", self.files_from))),
            extensions=optional_texts("extensions", self.extensions),
            exclude=check_texts("exclude", self.exclude, described="a pattern"),
            shard=None if self.shard is None else Shard.of(self.shard),
        )
        for name in ("null_separated", "recursive", "watch", "new_only"):
            check_flag(name, getattr(self, name))
        for name in ("limit", "max_pixels"):
            check_optional_int(self, name, at_least=1)
        if not self.sources and self.files_from is None:
            raise UsageError(
                "nothing to process: `sources` must name an image, a folder, a glob, a URL or '-', or `files_from` "
                "a list of them"
            )
        if self.new_only and not self.watch:
            raise UsageError("`new_only` needs `watch`: it skips the images that are there when watching starts")
        for name in ("files_from", "shard"):
            if self.watch and getattr(self, name) is not None:
                raise UsageError(f"`watch` cannot be combined with `{name}`: it takes images as they arrive in folders")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInputSettings:
    """Which frames of which videos.

    sources      files, folders and globs of files, cameras (cam0), addresses; "-" is standard input
    shard        only the sources of this shard of all sources, "2/8" or (2, 8); None: all
    stride       every Nth frame
    fps          at most so many frames per second of the source's own time
    start        seconds that are skipped at the beginning
    duration     seconds of the source's own time; None: to its end
    max_frames   at most so many frames
    live         drop frames that wait too long; None: only for cameras and streams
    camera_size  (height, width) requested from a camera
    camera_rate  frames per second requested from a camera
    reconnect    reconnect to a stream or camera that was lost
    max_pixels   larger frames are not decoded; None: 250 million
    """

    sources: tuple[str, ...] = ()
    shard: Shard | None = None
    stride: int = 1
    fps: float | None = None
    start: float = 0.0
    duration: float | None = None
    max_frames: int | None = None
    live: bool | None = None
    camera_size: tuple[int, int] | None = None
    camera_rate: float | None = None
    reconnect: bool = True
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        store(
            self,
            sources=check_texts("sources", self.sources),
            shard=None if self.shard is None else Shard.of(self.shard),
        )
        check_int("stride", self.stride, at_least=1)
        store(self, start=check_number("start", self.start, at_least=0))
        for name in ("fps", "duration", "camera_rate"):
            if getattr(self, name) is not None:
                store(self, **{name: check_number(name, getattr(self, name), above=0)})
        for name in ("max_frames", "max_pixels"):
            check_optional_int(self, name, at_least=1)
        if self.live is not None:
            check_flag("live", self.live)
        if self.camera_size is not None:
            store(self, camera_size=check_size("camera_size", self.camera_size))
        check_flag("reconnect", self.reconnect)
        if not self.sources:
            raise UsageError("nothing to process: `sources` must name a video, a camera (cam0), a URL or '-'")
