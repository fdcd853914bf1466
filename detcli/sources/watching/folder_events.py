"""The paths that change below folders, as the system reports them; where it reports none, folders must be listed again."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_ROUND_MS = 100  # longest time that a stop waits
_GROUPED_MS = 200  # changes of so long are reported at once
# File systems of other machines, whose changes no system reports.
_REMOTE = frozenset(
    "nfs nfs4 cifs smb3 smbfs 9p afs ceph glusterfs lustre gpfs beegfs fuse.sshfs fuse.s3fs fuse.rclone fuse.gcsfuse".split()  # noqa: SIM905
)
_MOUNTS = Path("/proc/self/mountinfo")


class FolderEvents:
    """The changes below folders; nothing is watched before `start`.

    lost       changes were lost: `start` again, and list the folders
    stop       ends every wait when it is set
    on_remark  gets a sentence where the system cannot report changes
    """

    def __init__(self, stop: threading.Event, *, recursive: bool, on_remark: Callable[[str], None]) -> None:
        self._stop, self._recursive, self._on_remark = stop, recursive, on_remark
        self._changes: Iterator[set[str]] | None = None
        self._said = False
        self.lost = False

    @property
    def reports(self) -> bool:
        """Whether changes are reported; otherwise `wait` only waits."""
        return self._changes is not None

    def start(self, folders: Sequence[str]) -> None:
        """Watch these folders, and no longer those of the last call."""
        self.close()
        self.lost = False
        remote = next((folder for folder in folders if file_system_of(folder) in _REMOTE), None)
        if remote is not None:
            self._poll(f"'{remote}' is on a network file system, which does not report changes")
            return
        if not folders:
            return
        self._changes = _changes(folders, self._stop, recursive=self._recursive)
        self.wait(0)  # from here on, every change is reported

    def wait(self, timeout_s: float) -> set[str]:
        """The paths that changed, after a short while; empty where none did, or none is reported."""
        if self._changes is None:
            self._stop.wait(timeout_s)
            return set()
        try:
            return next(self._changes, set())
        except (OSError, RuntimeError) as error:
            self._changes = None
            self.lost = "decode" in str(error)  # of the name of a file that is not UTF-8
            if not self.lost:
                self._poll(f"the system cannot report changes of files ({_reason(error)})")
            return set()

    def close(self) -> None:
        """Stop watching; `start` may follow."""
        self._changes = None

    def _poll(self, why: str) -> None:
        if not self._said:
            self._said = True
            self._on_remark(f"{why}: folders are listed again and again instead")


def _changes(folders: Sequence[str], stop: threading.Event, *, recursive: bool) -> Iterator[set[str]]:
    """Sets of paths, some of them empty; ends when `stop` is set. Raises OSError or RuntimeError if it cannot watch."""
    from watchfiles import watch

    for changes in watch(
        *folders,
        watch_filter=None,
        debounce=_GROUPED_MS,
        step=_ROUND_MS // 4,
        rust_timeout=_ROUND_MS,
        stop_event=stop,
        yield_on_timeout=True,
        raise_interrupt=False,
        force_polling=False,
        recursive=recursive,
        ignore_permission_denied=True,
    ):
        yield {path for _, path in changes}


def _reason(error: Exception) -> str:
    """Why changes are not reported, shorter than the exception says it."""
    text = str(error)
    if "os error 24" in text or "too many open files" in text.lower():
        return "too many open files, or inotify instances: see /proc/sys/fs/inotify/max_user_instances"
    if "os error 28" in text or "watch limit" in text.lower():
        return "no more folders can be watched: see /proc/sys/fs/inotify/max_user_watches"
    return " ".join(text.split())[:200] or type(error).__name__


def file_system_of(folder: str, mounts: Path = _MOUNTS) -> str | None:
    """The kind of the file system of a folder, such as "ext4" or "nfs4"; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 - with a separator at its end
    best, kind = "", None
    for line in lines:
        fields, _, rest = line.partition(" - ")
        parts, names = fields.split(" "), rest.split(" ")
        if len(parts) < 5:
            continue
        point = os.path.join(_unescaped(parts[4]), "")  # noqa: PTH118
        if real.startswith(point) and len(point) >= len(best):
            best, kind = point, names[0]
    return kind


def _unescaped(text: str) -> str:
    r"""A mount point as the system writes it: `\040` is a space."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(octal, character)
    return text
