"""Download one file from the Hub: resumable at any time, and renamed only after its checksum was verified."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from detcli.checkpoints.hub.checksums import matches, sha256_of_file
from detcli.checkpoints.hub.download_progress import DownloadProgress
from detcli.checkpoints.hub.hub_cache import FileFacts, require_disk_space
from detcli.checkpoints.hub.hub_client import Attempts, Hub, RemoteFile, TransientError
from detcli.checkpoints.hub.hub_session import Response
from detcli.errors import DamagedModelError, HubError
from detcli.io.atomic_write import os_errors_as_output_errors

# A request that received less counts as failed, so that a slow and unstable server cannot hold up a download forever.
_MIN_PROGRESS_BYTES = 256 * 1024


def download_file(
    hub: Hub, remote: RemoteFile, target: Path, progress: DownloadProgress, *, max_bytes: int
) -> FileFacts:
    """Download a file to `target`, and continue an interrupted download.

    Bytes are written to `TARGET.detcli.incomplete`. The name has the checksum, so another version of the file never
    continues it. Only one caller at a time for each target.

    Raises HubError, AccessError, OutputError (the disk is full), and DamagedModelError if the checksum is wrong twice.
    `target` is always a complete file.
    """
    if remote.size is not None and remote.size > max_bytes:
        raise DamagedModelError(
            f"'{remote.name}' of '{remote.repository}' has {remote.size:,} bytes by the Hub's report; "
            f"at most {max_bytes:,} are allowed"
        )
    partial = target.with_name(f"{target.name}.detcli.incomplete")
    with os_errors_as_output_errors(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
    if remote.size is not None and _size(partial) > remote.size:  # left by another program
        partial.unlink()
    arrived = ""
    for _ in range(2):
        _fill(hub, remote, partial, progress, max_bytes)
        arrived = sha256_of_file(partial)
        if matches(partial, remote.checksum, arrived):
            with os_errors_as_output_errors(target):
                partial.replace(target)
                return FileFacts.of(target, arrived)
        progress.advance(-_size(partial))
        with os_errors_as_output_errors(partial):
            partial.unlink()
    raise DamagedModelError(
        f"'{remote.name}' of '{remote.repository}' was damaged in two downloads: {hub.host} reports the checksum "
        f"{remote.checksum}, but the downloaded bytes have the sha256 {arrived}; the file was deleted"
    )


def _fill(hub: Hub, remote: RemoteFile, partial: Path, progress: DownloadProgress, max_bytes: int) -> None:
    """Complete the partial file with as many requests as needed."""
    attempts = Attempts(remote.repository, remote.name)
    progress.advance(_size(partial))
    while True:
        before = _size(partial)
        if remote.size is not None:
            if before == remote.size > 0:
                return
            require_disk_space(partial.parent, remote.size - before)
        try:
            _continue(hub, remote, partial, progress, max_bytes)
            return
        except TransientError as error:
            if _size(partial) - before >= _MIN_PROGRESS_BYTES:
                attempts.progressed()
            attempts.failed(error)


def _continue(hub: Hub, remote: RemoteFile, partial: Path, progress: DownloadProgress, max_bytes: int) -> None:
    """Request the missing bytes once, and write them as they arrive."""
    received = _size(partial)
    with hub.open(remote.url, received) as (response, chunks), _appended(partial) as file:
        if response.status_code >= 400 and response.status_code != 416:
            hub.refuse(response, remote.repository, remote.name, remote.commit)
        if response.status_code != 206 and received:  # the server cannot continue: start again
            progress.advance(-received)
            received = 0
            file.truncate(0)
        if response.status_code == 416:
            raise TransientError(f"{hub.host} has less of '{remote.name}' than was downloaded before")
        end = _announced_end(hub, remote, response, received)
        for chunk in chunks:
            received += len(chunk)
            if received > (max_bytes if end is None else end):
                file.truncate(0)
                raise HubError(f"{hub.host} sends more of '{remote.name}' than it announced; the file was deleted")
            with os_errors_as_output_errors(partial):
                file.write(chunk)
                file.flush()
            progress.advance(len(chunk))
        with os_errors_as_output_errors(partial):
            os.fsync(file.fileno())
    if end is not None and received < end:
        raise TransientError(f"{hub.host} sent only {received:,} of {end:,} bytes of '{remote.name}'")


def _announced_end(hub: Hub, remote: RemoteFile, response: Response, start: int) -> int | None:
    """Return the length of the file from the response headers; None if unknown. Raises HubError if they disagree."""
    if response.status_code == 206:
        found = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise HubError(f"{hub.host} sends another part of '{remote.name}' than was requested")
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
    """Open the partial file for appending."""
    with os_errors_as_output_errors(partial):
        file = partial.open("ab")
    with file:
        yield file


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
