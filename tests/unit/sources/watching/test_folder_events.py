"""Changes of folders: where the system cannot report them, a sentence says so once, and waiting goes on."""

import re
import threading
from pathlib import Path

import pytest

from detcli.sources.watching import folder_events
from detcli.sources.watching.folder_events import FolderEvents, file_system_of

MOUNTS = r"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /proc rw - proc proc rw
41 22 0:44 / /mnt/photos rw,relatime shared:2 - nfs4 server:/photos rw
42 22 0:45 / /mnt/my\040photos rw - cifs //server/share rw
43 41 8:1 / /mnt/photos/local rw - xfs /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/user", "ext4"),
        ("/mnt/photos", "nfs4"),
        ("/mnt/photos/2024/a", "nfs4"),
        ("/mnt/photos/local/a", "xfs"),
        ("/mnt/photos2", "ext4"),
        ("/mnt/my photos/a", "cifs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_its_mount(folder: str, kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system_of(folder, mounts) == kind
    assert file_system_of(folder, tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError('OS file watch limit reached. about ["/in"]'),
            r"no more folders can be watched: see .*max_user_watches",
        ),
        (OSError("Too many open files (os error 24)"), r"inotify instances: see .*max_user_instances"),
        (RuntimeError("something\nelse"), "changes of files \\(something else\\): folders are listed again and again"),
    ],
)
def test_without_events_folders_are_listed_and_that_is_said_once(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("watchfiles.watch", fail)
    remarks: list[str] = []
    events = FolderEvents(threading.Event(), recursive=True, on_remark=remarks.append)
    for _ in range(2):
        events.start([str(tmp_path)])
        assert not events.reports
        assert events.wait(0) == set()
    assert len(remarks) == 1
    assert re.search(said, remarks[0])


def test_network_file_systems_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_events, "file_system_of", lambda folder: "nfs4")
    remarks: list[str] = []
    events = FolderEvents(threading.Event(), recursive=True, on_remark=remarks.append)
    events.start([str(tmp_path)])
    assert not events.reports
    assert "is on a network file system, which does not report changes" in remarks[0]


def test_a_stop_ends_a_wait() -> None:
    stop = threading.Event()
    events = FolderEvents(stop, recursive=True, on_remark=lambda _: None)
    waiting = threading.Thread(target=events.wait, args=(600.0,))
    waiting.start()
    stop.set()
    waiting.join(30)
    assert not waiting.is_alive()
