"""The cache of compiled networks: one file for each model, setting, version and CPU.

A file has the facts of the model, the result of the comparison with torch, and what the runtime compiled. It appears under
its name in one step and has a checksum, so that processes may share the folder, and a damaged file counts as missing.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.errors import DetcliError
from detcli.io.atomic_write import write_atomically
from detcli.io.documents.parse_json import parse_json
from detcli.runtimes.exported.exported_facts import ExportedFacts, read_facts

VARIABLE = "DETCLI_RUNTIME_CACHE"
MAX_TOTAL_BYTES = 4 * 1024**3
SUFFIX = ".compiled"
_MAGIC = b"detcli compiled network 1\n"
_SHA_BYTES, _LENGTH_BYTES = 32, 8


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

    def check_writable(self) -> None:
        """Check that files can be written, before minutes go into one. Raises OutputError."""
        probe = self.folder / f".probe-{secrets.token_hex(4)}"
        write_atomically(probe, b"", durable=False)
        with suppress(OSError):
            probe.unlink()

    def _limit(self, keep: Path) -> None:
        files = sorted(self._files(), key=lambda item: item[1].st_mtime, reverse=True)
        total = 0
        for path, state in files:
            total += state.st_size
            if total > MAX_TOTAL_BYTES and path != keep:
                with suppress(OSError):
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
