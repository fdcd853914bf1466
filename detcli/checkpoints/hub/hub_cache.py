"""The models on this machine: the Hub's own cache layout, shared with transformers, and what a download wrote down.

    models--owner--name/
        blobs/<etag>                      the files, by checksum
        snapshots/<commit>/config.json    links to them, by name
        refs/main                         the commit a branch or tag pointed at
        detcli.json                       commit by revision; sha256, size and time of each file by commit

Asks nobody: knows no network.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from detcli.checkpoints.hub.checksums import is_checksum, is_commit, is_sha256, matches, sha256_of_file
from detcli.checkpoints.hub.hub_environment import is_true
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import CONFIG, PREPROCESSOR, WEIGHTS, WEIGHTS_INDEX, weight_files
from detcli.errors import DamagedModelError, OutputError, UsageError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically

RECORD = "detcli.json"


def check_revision(revision: str) -> str:
    """The revision, if git and a file system can take it as a name. Raises UsageError."""
    parts = revision.split("/")
    if (
        not revision
        or len(revision) > 200
        or not re.fullmatch(r"[^\x00-\x20\x7f~^:?*\[\\\"<>|]+", revision)
        or any(not part or part.startswith(".") or part.endswith((".", ".lock")) or ".." in part for part in parts)
    ):
        raise UsageError(f"'{revision}' cannot be a revision: a commit, branch or tag of the repository is needed")
    return revision


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file was when its checksum was last found right.

    sha256       of its bytes, in hex
    size         in bytes
    modified_ns  its time stamp: while size and time stamp stay, the file is taken to be the same
    """

    sha256: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path, sha256: str) -> "FileFacts":
        """The facts of a file whose sha256 is known."""
        status = path.stat()
        return cls(sha256, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What became of one file of a model: "whole", "damaged" or "missing"; `facts` as it is now, None if missing."""

    name: str
    state: Literal["whole", "damaged", "missing"]
    facts: FileFacts | None


@dataclass(frozen=True, slots=True)
class CachedRepository:
    """One repository in the cache.

    root        the cache's folder
    repository  "owner/name"
    """

    root: Path
    repository: str

    @property
    def folder(self) -> Path:
        """Everything of the repository lies below it."""
        return self.root / f"models--{self.repository.replace('/', '--')}"

    def blob(self, checksum: str) -> Path:
        """Where the file with this checksum lies."""
        return self.folder / "blobs" / checksum

    def snapshot(self, commit: str) -> Path:
        """The folder of a commit's files, by their names."""
        return self.folder / "snapshots" / commit

    def commit_of(self, revision: str) -> str | None:
        """The commit that a revision meant when it was last fetched, by our record or by the Hub's own; None: never."""
        if is_commit(revision):
            return revision
        recorded = self._record()["revisions"].get(revision)
        if isinstance(recorded, str) and is_commit(recorded):
            return recorded
        with suppress(OSError, UnicodeDecodeError):
            referred = (self.folder / "refs" / revision).read_text("ascii").strip()
            return referred if is_commit(referred) else None
        return None

    def commits(self) -> list[str]:
        """The commits whose files were written down."""
        return sorted(commit for commit in self._record()["commits"] if is_commit(commit))

    def facts(self, commit: str) -> dict[str, FileFacts]:
        """What was written down of a commit's files; empty where another program fetched them."""
        found = {}
        listed = self._record()["commits"].get(commit)
        for name, entry in listed.items() if isinstance(listed, dict) else ():
            with suppress(TypeError, ValueError):
                facts = FileFacts(**entry)
                if _is_file_name(name) and is_sha256(facts.sha256):
                    found[name] = facts
        return found

    def names(self, commit: str, *, complete: bool = True) -> list[str] | None:
        """Names of the files of a commit that lies here whole; None where something is missing.

        complete  also miss a preprocessor_config.json of which nobody has said that the repository has none
        """
        snapshot = self.snapshot(commit)
        recorded = self.facts(commit)
        if recorded:
            names = list(recorded)
        elif (snapshot / WEIGHTS).exists():
            names = [CONFIG, WEIGHTS]
        elif (snapshot / WEIGHTS_INDEX).exists():
            names = [CONFIG, WEIGHTS_INDEX, *(path.name for path in weight_files(snapshot / WEIGHTS_INDEX))]
        else:
            return None
        if not recorded:
            if (snapshot / PREPROCESSOR).exists():
                names.append(PREPROCESSOR)
            elif complete and not (self.folder / ".no_exist" / commit / PREPROCESSOR).exists():
                return None
        return names if all((snapshot / name).is_file() for name in names) else None

    def check(self, commit: str, *, thorough: bool) -> list[FileCheck]:
        """Compare a commit's files with what is known of them.

        thorough  hash every file; otherwise only those whose size or time stamp is not the recorded one

        A file that another program fetched is compared with the checksum in its blob's name.
        """
        recorded = self.facts(commit)
        names = list(recorded) or self.names(commit, complete=False) or []
        return [self._check(self.snapshot(commit) / name, recorded.get(name), thorough=thorough) for name in names]

    def remember(self, commit: str, files: Mapping[str, FileFacts], revision: str | None = None) -> None:
        """Write down what a commit's files are, and which revision led to it. Raises OutputError."""
        record = self._record()
        record["commits"][commit] = {name: asdict(facts) for name, facts in files.items()}
        if revision is not None and not is_commit(revision):
            record["revisions"][revision] = commit
            write_atomically(self.folder / "refs" / revision, commit.encode(), durable=False)
        write_atomically(self.folder / RECORD, json.dumps(record, indent=1).encode(), durable=False)

    def publish(self, checksum: str, commit: str, name: str) -> Path:
        """Give a blob its name in a commit's folder, in one step. Raises OutputError."""
        blob, place = self.blob(checksum), self.snapshot(commit) / name
        with os_errors_as_output_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_name(f".{name}.{os.getpid()}.link")
            temporary.unlink(missing_ok=True)
            if not is_true("HF_HUB_DISABLE_SYMLINKS"):
                with suppress(OSError, NotImplementedError):  # Windows grants symbolic links to few
                    temporary.symlink_to(Path("..") / ".." / "blobs" / checksum)
            if not temporary.is_symlink():
                try:
                    temporary.hardlink_to(blob)
                except (OSError, NotImplementedError):
                    blob.replace(temporary)
            temporary.replace(place)
        return place

    def size(self) -> int:
        """Bytes on the disk, links not counted twice."""
        sizes = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):
                    status = (Path(folder) / name).lstat()
                    sizes[(status.st_dev, status.st_ino) if status.st_ino else (folder, name)] = status.st_size
        return sum(sizes.values())

    def remove(self) -> int:
        """Delete everything of the repository; bytes freed. Raises OutputError where something cannot be deleted."""
        freed = self.size()
        with os_errors_as_output_errors(self.folder):
            (self.folder / RECORD).unlink(missing_ok=True)  # first: what is left half-way is nobody's whole model
            shutil.rmtree(self.folder)
        return freed

    def _check(self, path: Path, recorded: FileFacts | None, *, thorough: bool) -> FileCheck:
        if not path.is_file():
            return FileCheck(path.name, "missing", None)
        if recorded is not None and not thorough and FileFacts.of(path, recorded.sha256) == recorded:
            return FileCheck(path.name, "whole", recorded)
        facts = FileFacts.of(path, sha256_of_file(path))
        if recorded is not None:
            whole = facts.sha256 == recorded.sha256
        else:
            blob = path.resolve().name
            whole = not is_checksum(blob) or matches(path, blob, facts.sha256)
        return FileCheck(path.name, "whole" if whole else "damaged", facts)

    def _record(self) -> dict[str, dict[str, Any]]:
        """The record; a damaged one counts as none, since everything in it can be found out again."""
        with suppress(DamagedModelError):
            record = read_document(self.folder / RECORD)
            revisions, commits = record.get("revisions"), record.get("commits")
            if isinstance(revisions, dict) and isinstance(commits, dict):
                return {"revisions": revisions, "commits": commits}
        return {"revisions": {}, "commits": {}}


def cached_repositories(root: Path) -> Iterator[CachedRepository]:
    """The repositories whose models detcli fetched or used, by name."""
    with suppress(OSError):
        for record in sorted(root.glob(f"models--*--*/{RECORD}")):
            owner, _, name = record.parent.name.removeprefix("models--").partition("--")
            yield CachedRepository(root, f"{owner}/{name}")


def require_room(folder: Path, needed: int) -> None:
    """Raise OutputError where the disk has no room for so many bytes."""
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise OutputError(
                f"'{folder}' has room for {free:,} bytes and the download needs {needed:,}; "
                "make room, or choose another disk with --cache-dir or HF_HOME"
            )


def _is_file_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\:\0")
