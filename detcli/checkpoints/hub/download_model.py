"""Download all files of a model from the Hub into the cache; one process at a time; complete files are kept."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # exported lazily, unseen by type checkers

from detcli.checkpoints.hub.checksums import matches, sha256_of_file
from detcli.checkpoints.hub.download_file import download_file
from detcli.checkpoints.hub.download_progress import DownloadProgress, NoProgress
from detcli.checkpoints.hub.hub_cache import CachedRepository, FileFacts
from detcli.checkpoints.hub.hub_client import Hub, RemoteFile
from detcli.checkpoints.json_files import MAX_DOCUMENT_BYTES, read_document
from detcli.checkpoints.model_files import (
    CONFIG,
    MAX_INDEX_BYTES,
    PICKLED_WEIGHTS,
    PREPROCESSOR,
    PROCESSOR,
    WEIGHTS,
    WEIGHTS_INDEX,
    shard_names,
)
from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.io.atomic_write import os_errors_as_output_errors

MAX_WEIGHTS_BYTES = 16 * 1024**3


@contextmanager
def locked(cache: CachedRepository, progress: DownloadProgress) -> Iterator[None]:
    """Lock a repository for this process; wait for another process that downloads it."""
    path = cache.root / ".locks" / cache.folder.name / "detcli.lock"
    with os_errors_as_output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = WeakFileLock(path, timeout=0.1)
        try:
            lock.__enter__()
        except TimeoutError:
            progress.start(None, f"{cache.repository} (waiting for another process)")
            lock = WeakFileLock(path)
            lock.__enter__()
            progress.finish()
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def download_model(
    cache: CachedRepository, revision: str, progress: DownloadProgress
) -> tuple[str, dict[str, FileFacts]]:
    """Download the missing files of a model; return the commit of the revision, and the facts of all files.

    Raises ModelError, HubError, AccessError or OutputError; files that were downloaded before a failure are kept.
    """
    hub = Hub.from_environment()
    config = hub.find_file(cache.repository, CONFIG, revision)
    if config is None:
        raise UnsupportedModelError(f"'{cache.repository}' has no {CONFIG}: it is not a model for detcli")
    commit = config.commit
    files = [config]
    preprocessor = hub.find_file(cache.repository, PREPROCESSOR, commit)
    if preprocessor is None:
        preprocessor = hub.find_file(cache.repository, PROCESSOR, commit)
    if preprocessor is not None:
        files.append(preprocessor)
    weights = hub.find_file(cache.repository, WEIGHTS, commit)
    facts: dict[str, FileFacts] = {}
    if weights is not None:
        files.append(weights)
    elif (index := hub.find_file(cache.repository, WEIGHTS_INDEX, commit)) is None:
        pickled = hub.find_file(cache.repository, PICKLED_WEIGHTS, commit)
        if pickled is None:
            raise UnsupportedModelError(
                f"'{cache.repository}' has neither {WEIGHTS} nor {PICKLED_WEIGHTS}; detcli reads no other weights"
            )
        files.append(pickled)
    else:
        facts |= _download_missing(hub, cache, [index], NoProgress())
        path = cache.snapshot(commit) / WEIGHTS_INDEX
        for name in shard_names(read_document(path, max_bytes=MAX_INDEX_BYTES), path):
            shard = hub.find_file(cache.repository, name, commit)
            if shard is None:
                raise DamagedModelError(f"'{cache.repository}' lists '{name}' in {WEIGHTS_INDEX} and does not have it")
            files.append(shard)
    return commit, facts | _download_missing(hub, cache, files, progress)


def _download_missing(
    hub: Hub, cache: CachedRepository, files: list[RemoteFile], progress: DownloadProgress
) -> dict[str, FileFacts]:
    """Download missing files, and link each to its name in the folder of its commit."""
    facts = {remote.name: _cached_facts(cache, remote) for remote in files}
    missing = [remote for remote in files if facts[remote.name] is None]
    sizes = [remote.size for remote in missing if remote.size is not None]
    if missing:
        progress.start(sum(sizes) if len(sizes) == len(missing) else None, cache.repository)
    try:
        for remote in missing:
            small = remote.name.endswith(".json")
            limit = MAX_DOCUMENT_BYTES if small else MAX_WEIGHTS_BYTES
            facts[remote.name] = download_file(hub, remote, cache.blob(remote.checksum), progress, max_bytes=limit)
            cache.publish(remote.checksum, remote.commit, remote.name)
    finally:
        if missing:
            progress.finish()
    return {name: found for name, found in facts.items() if found is not None}


def _cached_facts(cache: CachedRepository, remote: RemoteFile) -> FileFacts | None:
    """Return the facts of a file if the cache has it with the right checksum; it is linked to its name then."""
    named = cache.snapshot(remote.commit) / remote.name
    for path in (cache.blob(remote.checksum), named):  # without links, a file is only under its name
        if path.is_file():
            sha256 = sha256_of_file(path)
            if matches(path, remote.checksum, sha256):
                if path != named:
                    named = cache.publish(remote.checksum, remote.commit, remote.name)
                return FileFacts.of(named, sha256)
            with os_errors_as_output_errors(path):
                path.unlink()
    return None
