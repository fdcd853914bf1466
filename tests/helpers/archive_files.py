"""Archives for tests: tars and zips of named contents, and members that do harm."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from detcli.errors import ImageError
from detcli.io.archives.archive_bytes import StreamBytes
from detcli.io.archives.tar_members import TarMembers
from detcli.sources.archives.open_archive import opened_archive


def tar_bytes(
    members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, form: int = tarfile.PAX_FORMAT, mode: str = "w"
) -> bytes:
    """A tar with these members; `mode` as of `tarfile.open`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as tar:  # type: ignore[call-overload]
        for name, data in members.items() if isinstance(members, Mapping) else members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zip_bytes(
    members: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def special_tar(*infos: tuple[str, bytes, Any]) -> bytes:
    """A tar with members of other types: name, type of tarfile, and target of the link."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind, target in infos:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target or ""
            tar.addfile(info)
    return file.getvalue()


def contents(path: Path) -> list[tuple[str, bytes | str]]:
    """Name and content of each member; for a member that fails its error code, and "" as the name of an archive's error."""
    found: list[tuple[str, bytes | str]] = []
    with opened_archive(str(path)) as archive:
        for entry in archive.entries:
            if isinstance(entry, ImageError):
                found.append(("", entry.code))
                continue
            try:
                if entry.error is not None:
                    raise entry.error
                found.append((entry.name, entry.read(max_bytes=1 << 30)))
            except ImageError as error:
                found.append((entry.name, error.code))
    return found


def streamed(data: bytes) -> list[tuple[str, bytes | str]]:
    """The same of the bytes of a tar that is read as a stream."""
    found: list[tuple[str, bytes | str]] = []
    for entry in TarMembers(StreamBytes(io.BytesIO(data).read), None):
        if isinstance(entry, ImageError):
            found.append(("", entry.code))
            continue
        try:
            found.append((entry.name, entry.read(max_bytes=1 << 30)))
        except ImageError as error:
            found.append((entry.name, error.code))
    return found
