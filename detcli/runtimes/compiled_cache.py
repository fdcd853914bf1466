"""The cache of compiled networks: one file for each model, setting, version and CPU.

A file has the facts of the model, for a checkpoint the result of the comparison with torch, and what the runtime compiled.
It appears under its name in one step and has a checksum, so that processes may share the folder, and a damaged file counts
as missing.
"""

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.errors import DetcliError, OutputError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.documents.parse_json import parse_json
from detcli.runtimes.exported.exported_facts import ExportedFacts, read_facts

VARIABLE = "DETCLI_RUNTIME_CACHE"
MAX_TOTAL_BYTES = 4 * 1024**3
SUFFIX = ".compiled"
_MAGIC = b"detcli compiled network 1\n"
_SHA_BYTES, _LENGTH_BYTES = 32, 8
_PARTS = (".detcli-*.part", ".probe-*")  # what a killed process leaves
_OLD_S = 3600.0  # no process writes a file for so long


@dataclass(frozen=True, slots=True)
class CompiledEntry:
    """What is known of a model that a runtime runs.

    facts    of the exported network
    failure  why it is not used, as a sentence; None: it gave the detections of torch
    notes    sentences about the checkpoint that the user should see
    assumed  what the model's files do not tell
    blobs    what the runtime compiled, one for each part of the network; none after a failure
    """

    facts: ExportedFacts
    failure: str | None
    notes: tuple[str, ...]
    assumed: tuple[str, ...]
    blobs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A file in the cache.

    size  in bytes
    used  when it was used last, in seconds since 1970
    """

    name: str
    size: int
    used: float


class CompiledCache:
    """The files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> CompiledEntry | None:
        """Read an entry; None if it is missing, damaged or unreadable."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        entry = _parsed(content, path)
        with suppress(OSError):  # a read-only folder
            os.utime(path)  # entries that were not used for longest are removed first
        return entry

    def write(self, name: str, entry: CompiledEntry) -> None:
        """Write an entry, and remove the oldest ones if there are too many. Raises OutputError."""
        header = json.dumps(
            {
                "facts": entry.facts.as_json(),
                "failure": entry.failure,
                "notes": entry.notes,
                "assumed": entry.assumed,
                "sizes": [len(blob) for blob in entry.blobs],
            }
        ).encode()
        body = b"".join((len(header).to_bytes(_LENGTH_BYTES, "big"), header, *entry.blobs))
        write_atomically(self._path(name), b"".join((_MAGIC, hashlib.sha256(body).digest(), body)), durable=False)
        self._limit(keep=self._path(name))

    def keep(self, name: str, compile_entry: Callable[[], CompiledEntry]) -> str | None:
        """Write an entry, which is made only if files can be written; return why it is not kept, as a sentence, or None."""
        try:
            self.check_writable()
            self.write(name, compile_entry())
        except OutputError as error:
            return not_kept(error)
        return None

    def stored(self) -> list[StoredNetwork]:
        """The files, the one that was used last first."""
        files = sorted(self._files(), key=lambda item: item[1].st_mtime, reverse=True)
        return [StoredNetwork(path.stem, state.st_size, state.st_mtime) for path, state in files]

    def clear(self) -> list[StoredNetwork]:
        """Remove all files; files of others in the folder stay. Raises OutputError for one that cannot be removed."""
        removed = self.stored()
        for one in removed:
            path = self._path(one.name)
            with os_errors_as_output_errors(path):
                path.unlink(missing_ok=True)
        self._remove_parts()
        return removed

    def check_writable(self) -> None:
        """Check that files can be written, before minutes go into one. Raises OutputError."""
        probe = self.folder / f".probe-{secrets.token_hex(4)}"
        write_atomically(probe, b"", durable=False)
        with suppress(OSError):
            probe.unlink()

    def _limit(self, keep: Path) -> None:
        self._remove_parts()
        files = sorted(self._files(), key=lambda item: item[1].st_mtime, reverse=True)
        total = 0
        for path, state in files:
            total += state.st_size
            if total > MAX_TOTAL_BYTES and path != keep:
                with suppress(OSError):
                    path.unlink()

    def _remove_parts(self) -> None:
        """Remove what processes left that were killed while they wrote."""
        for pattern in _PARTS:
            for path in self.folder.glob(pattern):
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _OLD_S:
                        path.unlink()

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):  # another process removed it
                yield path, path.stat()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"


def cache_of_environment() -> CompiledCache | None:
    """The cache in DETCLI_RUNTIME_CACHE, XDG_CACHE_HOME or ~/.cache; None if DETCLI_RUNTIME_CACHE is empty."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return CompiledCache(Path(given).expanduser()) if given else None
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return CompiledCache(Path(base).expanduser() / "detcli" / "runtimes")
    except RuntimeError:  # there is no home folder
        return None


def not_kept(error: OutputError) -> str:
    """Why a compiled network is not in the cache, and what to do."""
    return f"the compiled network is not kept for later runs: {error}; {VARIABLE} names another folder, and none if it is empty"


def entry_name(model: str, facts: Mapping[str, Any]) -> str:
    """Name of an entry: the model for people, and a checksum of everything that the compiled network depends on."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(model).name).strip("-.")[:40] or "model"
    return f"{readable}-{digest[:32]}"


def _parsed(content: bytes, path: Path) -> CompiledEntry | None:
    start = len(_MAGIC) + _SHA_BYTES
    body = memoryview(content)[start:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).digest() != content[len(_MAGIC) : start]:
        return None
    length = int.from_bytes(body[:_LENGTH_BYTES], "big")
    try:
        header = parse_json(bytes(body[_LENGTH_BYTES : _LENGTH_BYTES + length]))
        facts = read_facts(header["facts"], path)
        blobs = tuple(_split(body[_LENGTH_BYTES + length :], header["sizes"]))
        return CompiledEntry(facts, header["failure"], tuple(header["notes"]), tuple(header["assumed"]), blobs)
    except (ValueError, KeyError, TypeError, DetcliError):  # written by another version
        return None


def _split(data: memoryview, sizes: Sequence[int]) -> Iterator[bytes]:
    position = 0
    for size in sizes:
        yield bytes(data[position : position + size])
        position += size
