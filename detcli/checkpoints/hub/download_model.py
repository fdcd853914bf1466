"""All files of a model from the Hub into the cache, by one process at a time; what is there whole stays."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # exported lazily, unseen by type checkers

from detcli.checkpoints.hub.checksums import matches, sha256_of_file
from detcli.checkpoints.hub.download_file import fetch
from detcli.checkpoints.hub.download_progress import DownloadProgress, NoProgress
from detcli.checkpoints.hub.hub_cache import CachedRepository, FileFacts
from detcli.checkpoints.hub.hub_client import Hub, RemoteFile
from detcli.checkpoints.json_files import MAX_DOCUMENT_BYTES, read_document
from detcli.checkpoints.model_files import CONFIG, MAX_INDEX_BYTES, PREPROCESSOR, WEIGHTS, WEIGHTS_INDEX, shard_names
from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.io.atomic_write import os_errors_as_output_errors

MAX_WEIGHTS_BYTES = 16 * 1024**3


@contextmanager
def alone(place: CachedRepository, shown: DownloadProgress) -> Iterator[None]:
    """Hold a repository for this process; another one that fetches it is waited for."""
    path = place.root / ".locks" / place.folder.name / "detcli.lock"
    with os_errors_as_output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = WeakFileLock(path, timeout=0.1)
        try:
            lock.__enter__()
        except TimeoutError:
            shown.start(None, f"{place.repository}, once another process is done with it")
            lock = WeakFileLock(path)
            lock.__enter__()
            shown.finish()
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def fetch_model(place: CachedRepository, revision: str, shown: DownloadProgress) -> tuple[str, dict[str, FileFacts]]:
    """Fetch what is missing of a model: the commit that the revision is, and the facts of all its files.

    Raises ModelError, HubError, AccessError or OutputError; files that were fetched before it failed stay.
    """
    hub = Hub.from_environment()
    config = hub.look_up(place.repository, CONFIG, revision)
    if config is None:
        raise UnsupportedModelError(f"'{place.repository}' has no {CONFIG}: it holds no model for detcli")
    commit = config.commit
    wanted = [config]
    preprocessor = hub.look_up(place.repository, PREPROCESSOR, commit)
    if preprocessor is not None:
        wanted.append(preprocessor)
    weights = hub.look_up(place.repository, WEIGHTS, commit)
    facts: dict[str, FileFacts] = {}
    if weights is not None:
        wanted.append(weights)
    else:
        index = hub.look_up(place.repository, WEIGHTS_INDEX, commit)
        if index is None:
            raise UnsupportedModelError(f"'{place.repository}' has no {WEIGHTS}; detcli reads no other weights")
        facts |= _bring(hub, place, [index], NoProgress())
        path = place.snapshot(commit) / WEIGHTS_INDEX
        for name in shard_names(read_document(path, max_bytes=MAX_INDEX_BYTES), path):
            shard = hub.look_up(place.repository, name, commit)
            if shard is None:
                raise DamagedModelError(f"'{place.repository}' lists '{name}' in {WEIGHTS_INDEX} and does not have it")
            wanted.append(shard)
    return commit, facts | _bring(hub, place, wanted, shown)


def _bring(
    hub: Hub, place: CachedRepository, wanted: list[RemoteFile], shown: DownloadProgress
) -> dict[str, FileFacts]:
    """Fetch files that are not here whole yet, and give each its name in its commit's folder."""
    facts = {remote.name: _here(place, remote) for remote in wanted}
    missing = [remote for remote in wanted if facts[remote.name] is None]
    sizes = [remote.size for remote in missing if remote.size is not None]
    if missing:
        shown.start(sum(sizes) if len(sizes) == len(missing) else None, place.repository)
    try:
        for remote in missing:
            small = remote.name.endswith(".json")
            limit = MAX_DOCUMENT_BYTES if small else MAX_WEIGHTS_BYTES
            facts[remote.name] = fetch(hub, remote, place.blob(remote.checksum), shown, max_bytes=limit)
            place.publish(remote.checksum, remote.commit, remote.name)
    finally:
        if missing:
            shown.finish()
    return {name: found for name, found in facts.items() if found is not None}


def _here(place: CachedRepository, remote: RemoteFile) -> FileFacts | None:
    """A wanted file's facts, if it lies in the cache with the right checksum; it is then under its name too."""
    named = place.snapshot(remote.commit) / remote.name
    for path in (place.blob(remote.checksum), named):  # without links, a file lies only under its name
        if path.is_file():
            sha256 = sha256_of_file(path)
            if matches(path, remote.checksum, sha256):
                if path != named:
                    named = place.publish(remote.checksum, remote.commit, remote.name)
                return FileFacts.of(named, sha256)
            with os_errors_as_output_errors(path):
                path.unlink()
    return None
