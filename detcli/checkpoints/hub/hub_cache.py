"""The cache of downloaded models: the Hub's cache layout, shared with transformers, and a record of each download.

    models--owner--name/
        blobs/<etag>                      the files, by checksum
        snapshots/<commit>/config.json    links to them, by name
        refs/main                         the commit a branch or tag pointed at
        detcli.json                       commit by revision; sha256, size and time of each file by commit

It makes no network requests.
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
from detcli.checkpoints.model_files import (
    CONFIG,
    PICKLED_WEIGHTS,
    PREPROCESSOR,
    PROCESSOR,
    WEIGHTS,
    WEIGHTS_INDEX,
    weight_files,
)
from detcli.errors import DamagedModelError, OutputError, UsageError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically

RECORD = "detcli.json"


def check_revision(revision: str) -> str:
    """Return the revision if it is a valid name for git and for file systems. Raises UsageError."""
    parts = revision.split("/")
    if (
        not revision
        or len(revision) > 200
        or not re.fullmatch(r"[^\x00-\x20\x7f~^:?*\[\\\"<>|]+", revision)
        or any(not part or part.startswith(".") or part.endswith((".", ".lock")) or ".." in part for part in parts)
    ):
        raise UsageError(f"'{revision}' is not a valid `revision`: use a commit, branch or tag of the repository")
    return revision


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Size and time stamp of a file when its checksum was last verified.

    sha256       of its bytes, in hex
    size         in bytes
    modified_ns  its time stamp: a file with the same size and time stamp counts as unchanged
    """

    sha256: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path, sha256: str) -> "FileFacts":
        """Return the facts of a file with this sha256."""
        status = path.stat()
        return cls(sha256, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The state of one file of a model; `facts` are the current ones, None if it is missing."""

    name: str
    state: Literal["ok", "damaged", "missing"]
    facts: FileFacts | None


@dataclass(frozen=True, slots=True)
class CachedRepository:
    """One repository in the cache.

    root        folder of the cache
    repository  "owner/name"
    """

    root: Path
    repository: str

    @property
    def folder(self) -> Path:
        """The folder of the repository."""
        return self.root / f"models--{self.repository.replace('/', '--')}"

    def blob(self, checksum: str) -> Path:
        """The path of the file with this checksum."""
        return self.folder / "blobs" / checksum

    def snapshot(self, commit: str) -> Path:
        """The folder with the files of a commit by name."""
        return self.folder / "snapshots" / commit

    def commit_of(self, revision: str) -> str | None:
        """Return the commit of a revision at the last download, from detcli's record or from the Hub's; None: not downloaded."""
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
        """Return the commits with recorded files."""
        return sorted(commit for commit in self._record()["commits"] if is_commit(commit))

    def facts(self, commit: str) -> dict[str, FileFacts]:
        """Return the recorded facts of the files of a commit; empty if another program downloaded them."""
        recorded = {}
        listed = self._record()["commits"].get(commit)
        for name, entry in listed.items() if isinstance(listed, dict) else ():
            with suppress(TypeError, ValueError):
                facts = FileFacts(**entry)
                if _is_file_name(name) and is_sha256(facts.sha256):
                    recorded[name] = facts
        return recorded

    def names(self, commit: str, *, complete: bool = True) -> list[str] | None:
        """Return the names of the files of a commit if all of them are there; else None.

        complete  preprocessor_config.json or processor_config.json must be there too, unless it is known that the
                  repository has none
        """
        snapshot = self.snapshot(commit)
        recorded = self.facts(commit)
        if recorded:
            names = list(recorded)
        elif os.path.exists(snapshot / WEIGHTS):  # noqa: PTH110
            names = [CONFIG, WEIGHTS]
        elif os.path.exists(snapshot / WEIGHTS_INDEX):  # noqa: PTH110
            names = [CONFIG, WEIGHTS_INDEX, *(path.name for path in weight_files(snapshot / WEIGHTS_INDEX))]
        elif os.path.exists(snapshot / PICKLED_WEIGHTS):  # noqa: PTH110
            names = [CONFIG, PICKLED_WEIGHTS]
        else:
            return None
        if not recorded:
            missing = self.folder / ".no_exist" / commit
            for name in (PREPROCESSOR, PROCESSOR):
                if os.path.exists(snapshot / name):  # noqa: PTH110
                    names.append(name)
                    break
                if complete and not os.path.exists(missing / name):  # noqa: PTH110
                    return None
        return names if all(os.path.isfile(snapshot / name) for name in names) else None  # noqa: PTH113

    def check(self, commit: str, *, thorough: bool) -> list[FileCheck]:
        """Verify the files of a commit.

        thorough  hash every file; otherwise only those with another size or time stamp than recorded

        A file that another program downloaded is compared with the checksum in its blob's name.
        """
        recorded = self.facts(commit)
        names = list(recorded) or self.names(commit, complete=False) or []
        return [self._check(self.snapshot(commit) / name, recorded.get(name), thorough=thorough) for name in names]

    def record(self, commit: str, files: Mapping[str, FileFacts], revision: str | None = None) -> None:
        """Record the files of a commit, and the revision that it belongs to. Raises OutputError."""
        record = self._record()
        record["commits"][commit] = {name: asdict(facts) for name, facts in files.items()}
        if revision is not None and not is_commit(revision):
            record["revisions"][revision] = commit
            write_atomically(self.folder / "refs" / revision, commit.encode(), durable=False)
        write_atomically(self.folder / RECORD, json.dumps(record, indent=1).encode(), durable=False)

    def publish(self, checksum: str, commit: str, name: str) -> Path:
        """Link a blob to its name in the folder of a commit, atomically. Raises OutputError."""
        blob, target = self.blob(checksum), self.snapshot(commit) / name
        with os_errors_as_output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{name}.{os.getpid()}.link")
            temporary.unlink(missing_ok=True)
            if not is_true("HF_HUB_DISABLE_SYMLINKS"):
                with suppress(OSError, NotImplementedError):  # on Windows few users may create symbolic links
                    temporary.symlink_to(Path("..") / ".." / "blobs" / checksum)
            if not temporary.is_symlink():
                try:
                    temporary.hardlink_to(blob)
                except (OSError, NotImplementedError):
                    blob.replace(temporary)
            temporary.replace(target)
        return target

    def size(self) -> int:
        """Return the size on disk in bytes; links are not counted twice."""
        sizes = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):
                    status = (Path(folder) / name).lstat()
                    sizes[(status.st_dev, status.st_ino) if status.st_ino else (folder, name)] = status.st_size
        return sum(sizes.values())

    def remove(self) -> int:
        """Delete the repository; return the freed bytes. Raises OutputError if something cannot be deleted."""
        freed = self.size()
        with os_errors_as_output_errors(self.folder):
            (self.folder / RECORD).unlink(missing_ok=True)  # first: a partly deleted model must not count as complete
            shutil.rmtree(self.folder)
        return freed

    def _check(self, path: Path, recorded: FileFacts | None, *, thorough: bool) -> FileCheck:
        if not os.path.isfile(path):  # noqa: PTH113
            return FileCheck(path.name, "missing", None)
        if recorded is not None and not thorough and FileFacts.of(path, recorded.sha256) == recorded:
            return FileCheck(path.name, "ok", recorded)
        facts = FileFacts.of(path, sha256_of_file(path))
        if recorded is not None:
            matching = facts.sha256 == recorded.sha256
        else:
            blob = path.resolve().name
            matching = not is_checksum(blob) or matches(path, blob, facts.sha256)
        return FileCheck(path.name, "ok" if matching else "damaged", facts)

    def _record(self) -> dict[str, dict[str, Any]]:
        """Return the record; a damaged one counts as empty, since its content can be computed again."""
        with suppress(DamagedModelError):
            record = read_document(self.folder / RECORD)
            revisions, commits = record.get("revisions"), record.get("commits")
            if isinstance(revisions, dict) and isinstance(commits, dict):
                return {"revisions": revisions, "commits": commits}
        return {"revisions": {}, "commits": {}}


def cached_repositories(root: Path) -> Iterator[CachedRepository]:
    """Return the repositories that detcli downloaded or used, sorted by name."""
    names = []
    with suppress(OSError), os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries)  # in a list: an entry that cannot be read must not hide others
    for name in names:
        prefix, _, repository = name.partition("--")
        owner, separator, model = repository.partition("--")
        if prefix == "models" and separator and os.path.lexists(root / name / RECORD):
            yield CachedRepository(root, f"{owner}/{model}")


def require_disk_space(folder: Path, needed: int) -> None:
    """Raise OutputError if the disk has less free space than needed."""
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise OutputError(
                f"'{folder}' has {free:,} bytes of free disk space, but the download needs {needed:,}; "
                "free some space, or choose another disk with `cache_dir` or HF_HOME"
            )


def _is_file_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\:\0")
