"""Lists the images of folders, and then those that arrive, each as soon as it is complete, until the source is closed."""

import os
import posixpath
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from detcli.errors import InputError, UsageError
from detcli.io.naming import relative_below
from detcli.sources.images.image_source import ImageSource
from detcli.sources.images.lazy_image import FailedImage, LazyImage
from detcli.sources.source import SourceItem, SourceSettings
from detcli.sources.watching.arrivals import Arrivals
from detcli.sources.watching.done_before import DoneBefore
from detcli.sources.watching.file_states import FileState, FileStates, state_of
from detcli.sources.watching.folder_events import FolderEvents
from detcli.sources.watching.watched_paths import WatchedPath, WatchedPaths
from detcli.structures.frame import Origin

_POLL_S = 1.0  # between two listings where the system reports no changes
_LIST_AGAIN_S = 60.0  # and where it does: it reports none if too many come at once
_SHARE = 5  # listing takes at most one part in so many of the time
_MANY = 1000  # changes at once, of which the system may have lost some
_ROUND_S = 0.1


class WatchedFolders(ImageSource):
    """The images that are in folders, and those that arrive. Iterate once; another thread may `close` it.

    folders    the arguments that name them
    settings   as for other images; `limit` ends the source
    new_only   skip the images that are there at the start
    done       of an interrupted run: they are not listed again
    on_remark  gets sentences for the user, in the thread that iterates

    A file is listed when it is complete (`Arrivals`), and again when it is written again: when its size or the time of
    its last change is another one. Images have indices in the order in which they are listed.

    Raises UsageError for an argument that is not a folder, InputError for one that is missing.
    """

    def __init__(
        self,
        folders: Sequence[str],
        settings: SourceSettings,
        *,
        new_only: bool = False,
        done: DoneBefore | None = None,
        on_remark: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(folders, settings)
        for folder in folders:
            _check_folder(folder)
        self.done = DoneBefore() if done is None else done
        self.paths = WatchedPaths({folder: self._walk(folder) for folder in folders})
        self._new_only, self._on_remark = new_only, on_remark
        self._watched: dict[str, tuple[int, int] | None] = {}  # folder -> what tells it from one made later
        self._base_folder = self._base()
        self._stop = threading.Event()
        self._events = FolderEvents(self._stop, recursive=settings.recursive, on_remark=on_remark)
        self._states = FileStates()
        self._arrivals = Arrivals(self._max_bytes)
        self._list_at = 0.0
        self._listing_s = 0.0

    def __iter__(self) -> Iterator[SourceItem]:
        """List the images; waits for the next one, and ends when it is closed, or at the limit."""
        limit, start = self._settings.limit, self.done.count
        left = None if limit is None else max(0, limit - start)
        for index, file in enumerate(islice(self._complete_files(), left), start):
            yield self._item(index, file)

    def count(self) -> int | None:
        """Unknown."""
        return None

    def close(self) -> None:
        """End the iteration."""
        self._stop.set()

    def _complete_files(self) -> Iterator[WatchedPath]:
        self._follow_folders()
        try:
            yield from self._list_all(first=True)
            self.done.release()
            while not self._stop.is_set():
                reported = self._events.reports
                changed = self._events.wait(self._wait_s())
                self._follow_folders()
                for path in sorted(changed):
                    self._note(path)
                if len(changed) >= _MANY or (reported and not self._events.reports):
                    self._list_soon()
                if time.monotonic() >= self._list_at:
                    yield from self._list_all()
                for file in self._arrivals.files():
                    yield from self._if_complete(file)
        finally:
            self._events.close()

    def _wait_s(self) -> float:
        """How long to wait where changes are not reported."""
        if len(self._arrivals):
            return _ROUND_S
        return max(0.0, min(_POLL_S, self._list_at - time.monotonic()))

    def _follow_folders(self) -> None:
        """Watch the folders that are there: at the start, and when one is made again after it was removed."""
        now = {folder: _identity(root) for folder, root in self.paths.roots.items()}
        if now == self._watched and not self._events.lost:
            return
        for folder, identity in now.items():
            if identity is None and self._watched.get(folder) is not None:
                self._on_remark(f"the folder '{folder}' is missing; watching continues when it is there again")
        self._watched = now
        self._events.start([root for folder, root in self.paths.roots.items() if now[folder] is not None])
        self._list_soon()

    def _list_soon(self) -> None:
        self._list_at = min(self._list_at, time.monotonic() + _SHARE * self._listing_s)

    def _list_all(self, *, first: bool = False) -> Iterator[WatchedPath]:
        """List every folder again: what has changed, and what was removed."""
        started, waited, seen = time.monotonic(), 0.0, set[int]()
        sees_all = None not in self._watched.values()
        self._list_at = started + _LIST_AGAIN_S  # a change meanwhile may bring it forward
        for folder in [folder for folder, identity in self._watched.items() if identity is not None]:
            for found in self.paths.walkers[folder].folder(folder):
                if self._stop.is_set():
                    return
                sees_all = sees_all and found.error is None
                seen.add(hash(found.path))
                before = time.monotonic()
                yield from self._if_complete(WatchedPath(folder, found), first=first)
                waited += time.monotonic() - before
        if sees_all:
            self._states.keep_only(seen)
        self._listing_s = time.monotonic() - started - waited
        every = _LIST_AGAIN_S if self._events.reports else _POLL_S
        self._list_at = min(self._list_at, time.monotonic() + max(every, _SHARE * self._listing_s))

    def _if_complete(self, file: WatchedPath, *, first: bool = False) -> Iterator[WatchedPath]:
        """The file, if it is not taken in its state, and complete.

        first  it was there at the start
        """
        path, error = file.path, file.found.error
        state = state_of(path) if error is None else FileState.of_error(error.code)
        if state is None:
            self._states.forget(path)
        elif not self._states.has(path, state):
            is_done = first and (self._new_only or self.done.has(path, state))
            is_complete = is_done or error is not None or self._arrivals.is_complete(file, state, is_old=first)
            if not is_complete:
                return
            self._states.take(path, state)
            self._arrivals.drop(path)
            if not is_done:
                yield file
            return
        self._arrivals.drop(path)

    def _note(self, changed: str) -> None:
        """Take up a path that the system reports."""
        file = self.paths.named(changed)
        if file is None:
            return
        if not os.path.lexists(file.path):
            self._states.forget(file.path)
            self._arrivals.drop(file.path)
        elif os.path.isdir(file.path) and not os.path.islink(file.path):  # noqa: PTH112, PTH114 - any name
            self._list_soon()
        elif self.paths.takes(file):
            state = state_of(file.path)
            if state is not None and not self._states.has(file.path, state):
                self._arrivals.add(file, state)

    def _item(self, index: int, file: WatchedPath) -> SourceItem:
        root = self.paths.roots[file.folder].rstrip(os.sep)
        below = file.found.below.replace("/", os.sep)
        relative = relative_below(f"{root}{os.sep}{below}" if below else root, self._base_folder)
        error = file.found.error
        read = self._reader(file.path) if error is None else FailedImage(error)
        origin = Origin(index, file.path, relative, self._stem(relative, file.path), source=file.folder)
        return LazyImage(origin, read, self._settings.max_pixels)

    def _stem(self, relative: str, path: str) -> str:
        """The name without its suffix, unless another image differs in the suffix only: no set of names has to grow."""
        stem, suffix = posixpath.splitext(relative)
        bare = path[: len(path) - len(suffix)]
        has_twin = any(os.path.lexists(bare + other) for other in self._suffixes if other != suffix.lower())
        return relative if has_twin else stem


def _check_folder(folder: str) -> None:
    if os.path.isdir(folder):  # noqa: PTH112 - any name
        return
    if os.path.lexists(folder) or "://" in folder or folder == "-":
        raise UsageError(f"`watch` takes folders, and '{folder}' is not one")
    raise InputError(f"cannot watch '{folder}': there is no such folder")


def _identity(folder: str) -> tuple[int, int] | None:
    """What tells a folder from one that is made later in its place; None if it is missing."""
    try:
        found = os.stat(folder)  # noqa: PTH116 - any name
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if os.path.isdir(folder) else None  # noqa: PTH112
