"""One file from the Hub to the disk: it continues after any kill, and takes its place only when its checksum is right."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from detcli.checkpoints.hub.checksums import matches, sha256_of_file
from detcli.checkpoints.hub.download_progress import DownloadProgress
from detcli.checkpoints.hub.hub_cache import FileFacts, require_room
from detcli.checkpoints.hub.hub_client import Attempts, Hub, RemoteFile, TransientError
from detcli.errors import DamagedModelError, HubError
from detcli.io.atomic_write import os_errors_as_output_errors

# A request that brought less counts as failed, so that a server that drips and breaks does not keep us for ever.
_WORTH_A_REQUEST = 256 * 1024


def fetch(hub: Hub, remote: RemoteFile, place: Path, progress: DownloadProgress, *, max_bytes: int) -> FileFacts:
    """Fetch a file to its place, continuing with what an earlier process left.

    The bytes gather in `PLACE.detcli.incomplete`, under the checksum's name, so that another version of the file
    never continues them. One caller at a time for each place.

    Raises HubError, AccessError, OutputError (the disk is full) and, where what arrives has the wrong checksum
    twice, DamagedModelError; nothing but whole files ever lies at `place`.
    """
    if remote.size is not None and remote.size > max_bytes:
        raise DamagedModelError(
            f"'{remote.name}' of '{remote.repository}' is said to have {remote.size:,} bytes; "
            f"{max_bytes:,} are the most that detcli takes"
        )
    partial = place.with_name(f"{place.name}.detcli.incomplete")
    with os_errors_as_output_errors(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
    if remote.size is not None and _size(partial) > remote.size:  # left by something else
        partial.unlink()
    arrived = ""
    for _ in range(2):
        _fill(hub, remote, partial, progress, max_bytes)
        arrived = sha256_of_file(partial)
        if matches(partial, remote.checksum, arrived):
            with os_errors_as_output_errors(place):
                partial.replace(place)
                return FileFacts.of(place, arrived)
        progress.advance(-_size(partial))
        with os_errors_as_output_errors(partial):
            partial.unlink()
    raise DamagedModelError(
        f"'{remote.name}' of '{remote.repository}' arrived damaged, twice: {hub.host} promises the checksum "
        f"{remote.checksum} and sends bytes of sha256 {arrived}; nothing of it was kept"
    )


def _fill(hub: Hub, remote: RemoteFile, partial: Path, progress: DownloadProgress, max_bytes: int) -> None:
    """Bring the partial file to its full length, in as many requests as it takes."""
    attempts = Attempts()
    progress.advance(_size(partial))
    while True:
        before = _size(partial)
        if remote.size is not None:
            if before == remote.size > 0:
                return
            require_room(partial.parent, remote.size - before)
        try:
            _continue(hub, remote, partial, progress, max_bytes)
            return
        except TransientError as error:
            if _size(partial) - before >= _WORTH_A_REQUEST:
                attempts.progressed()
            attempts.failed(error)


def _continue(hub: Hub, remote: RemoteFile, partial: Path, progress: DownloadProgress, max_bytes: int) -> None:
    """Ask once for what is missing and write it down as it comes."""
    have = _size(partial)
    with hub.open(remote.url, have) as response, _appended(partial) as file:
        if response.status_code >= 400 and response.status_code != 416:
            hub.refuse(response, remote.repository, remote.name, remote.commit)
        if response.status_code != 206 and have:  # it cannot continue: from the start
            progress.advance(-have)
            have = 0
            file.truncate(0)
        if response.status_code == 416:
            raise TransientError(f"{hub.host} has less of '{remote.name}' than had arrived")
        end = _announced_end(hub, remote, response, have)
        for chunk in response.iter_bytes():
            have += len(chunk)
            if have > (max_bytes if end is None else end):
                file.truncate(0)
                raise HubError(f"{hub.host} sends more of '{remote.name}' than it announced; nothing of it was kept")
            with os_errors_as_output_errors(partial):
                file.write(chunk)
                file.flush()
            progress.advance(len(chunk))
        with os_errors_as_output_errors(partial):
            os.fsync(file.fileno())
    if end is not None and have < end:
        raise TransientError(f"{hub.host} sent only {have:,} of {end:,} bytes of '{remote.name}'")


def _announced_end(hub: Hub, remote: RemoteFile, response: Any, start: int) -> int | None:
    """The file's length by the answer's headers, None if they do not say. Raises HubError where they disagree."""
    if response.status_code == 206:
        found = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise HubError(f"{hub.host} sends another part of '{remote.name}' than it was asked for")
        length = found[2]
    else:
        compressed = response.headers.get("Content-Encoding", "identity") != "identity"
        length = "" if compressed else response.headers.get("Content-Length", "")
    if not re.fullmatch(r"\d{1,15}", length):
        return remote.size
    if remote.size is not None and int(length) != remote.size:
        raise HubError(f"{hub.host} announces '{remote.name}' with {remote.size:,} bytes and then with {int(length):,}")
    return int(length)


@contextmanager
def _appended(partial: Path) -> Iterator[BinaryIO]:
    """The partial file, open at its end."""
    with os_errors_as_output_errors(partial):
        file = partial.open("ab")
    with file:
        yield file


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
