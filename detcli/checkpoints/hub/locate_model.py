"""Find the files of a model by name, repository, folder or file; download them if they are missing.

A branch is resolved to a commit at the first download. Then that commit is used without a request, until `update`. The
checksum of every file from the Hub is verified before the file is used.
"""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from detcli.checkpoints.catalog import CATALOG, CatalogEntry, bundled_entry, find, suggestion
from detcli.checkpoints.hub.checksums import combined_sha256, sha256_of_file
from detcli.checkpoints.hub.download_progress import DownloadProgress, NoProgress
from detcli.checkpoints.hub.hub_cache import CachedRepository, FileCheck, FileFacts, check_revision
from detcli.checkpoints.hub.hub_environment import cache_folder, hub_endpoint, is_offline
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import (
    CONFIG,
    EXPORTED_SUFFIXES,
    INDEX_SUFFIX,
    PICKLED_WEIGHTS,
    PREPROCESSOR,
    WEIGHTS,
    WEIGHTS_INDEX,
    ModelFiles,
    Variant,
    is_exported,
    is_original,
)
from detcli.errors import (
    DamagedModelError,
    NotCachedError,
    OutputError,
    UnknownModelError,
    UnsupportedModelError,
    UsageError,
)

__all__ = [
    "DownloadProgress",
    "ModelFiles",
    "NoProgress",
    "bundled_model",
    "cached",
    "cached_repository",
    "check_bundled_model",
    "download",
    "locate",
    "remove",
    "repository_of",
]

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")


def locate(
    model: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: Path | None = None,
    progress: DownloadProgress | None = None,
    variant: Variant | None = None,
) -> ModelFiles:
    """Return the files of a model; download them if they are missing.

    model      a name in the catalog (it has priority over a folder of that name; `./NAME` is the folder), a folder,
               a .safetensors file (or index of shards) with config.json next to it, a .pth file of an original
               repository, or a repository of the Hub
    revision   commit, branch or tag; None: as the catalog says, else "main"
    offline    make no requests, as with HF_HUB_OFFLINE
    cache_dir  of the Hub; None: as HF_HUB_CACHE and HF_HOME set it
    variant    of the network of a .pth file; it is kept in what is returned

    Raises UsageError, ModelError, HubError, AccessError or OutputError (the cache cannot be written).
    """
    repository = repository_of(model)
    if repository is None:
        if revision is not None:
            raise UsageError(f"`revision` is for repositories of the Hub; '{model}' is a local model")
        return replace(bundled_model(model) or _local(model), variant=variant)
    files = cached(model, revision=revision, cache_dir=cache_dir, offline=offline)
    if files is not None:
        return replace(files, variant=variant)
    if offline or is_offline():
        raise NotCachedError(
            f"'{model}'{_at(revision)} is not downloaded, and downloads are disabled "
            f"({'`offline`' if offline else 'HF_HUB_OFFLINE'}); download it once with a network",
            model=model,
        )
    return replace(download(model, revision=revision, cache_dir=cache_dir, progress=progress), variant=variant)


def repository_of(model: str) -> str | None:
    """Return the Hub repository of a model; None for a bundled model, a folder or a file.

    Raises UnknownModelError for another name, with similar names, and for a model that has to be converted first.
    """
    if not model:
        raise UnknownModelError("the name of the model is empty")
    entry = CATALOG.get(model)
    if entry is not None:
        if entry.published_at is not None:
            raise UnknownModelError(_to_convert(entry), model=model)
        return entry.repository
    path = Path(model)
    with suppress(OSError, ValueError):
        if path.exists():
            return None
    if (
        "\\" in model
        or model.endswith((".safetensors", ".json", ".pth", ".pt", ".bin", ".ckpt", *EXPORTED_SUFFIXES))
        or model[:1] in ("/", ".")
    ):
        raise UnknownModelError(f"there is no model file or folder '{model}'", model=model)
    if _REPOSITORY.fullmatch(model) and not re.search(r"\.\.|--", model):
        return model
    raise UnknownModelError(
        f"there is no model '{model}'" + (suggestion(model) or "; a Hub repository is written owner/name"),
        model=model,
    )


def _to_convert(entry: CatalogEntry) -> str:
    return (
        f"'{entry.name}' is not on the Hub: its authors publish it at {entry.published_at}; download its .pth file there, "
        f"convert it to a folder, and use that: './{entry.name}'"
    )


def bundled_model(model: str) -> ModelFiles | None:
    """Return the files of a bundled model; None for another model.

    Raises DamagedModelError if files are missing in the installation.
    """
    entry = bundled_entry(model)
    if entry is None or entry.folder is None:
        return None
    for name in (CONFIG, PREPROCESSOR, WEIGHTS):
        if not (entry.folder / name).is_file():
            raise DamagedModelError(
                f"'{model}' is bundled with detcli, but '{entry.folder / name}' is missing: install detcli again"
            )
    return ModelFiles(model, entry.folder, entry=entry)


def check_bundled_model(model: str) -> list[FileCheck]:
    """Verify each file of a bundled model.

    The weights are compared with the checksum in the catalog; the other files must be readable.
    """
    entry = bundled_entry(model)
    if entry is None or entry.folder is None:
        raise ValueError(f"'{model}' is not bundled with detcli")
    checks = []
    for name in (CONFIG, PREPROCESSOR, WEIGHTS):
        path = entry.folder / name
        if not path.is_file():
            checks.append(FileCheck(name, "missing", None))
            continue
        sha256 = sha256_of_file(path)
        matching = sha256 == entry.sha256 if name == WEIGHTS else _is_document(path)
        checks.append(FileCheck(name, "ok" if matching else "damaged", FileFacts.of(path, sha256)))
    return checks


def cached(
    model: str, *, revision: str | None = None, cache_dir: Path | None = None, offline: bool = False
) -> ModelFiles | None:
    """Return the files of a Hub model if all of them are downloaded and verified; makes no requests.

    offline  a missing preprocessor_config.json is accepted, since it cannot be requested

    Raises DamagedModelError if a file has changed, and UsageError for an invalid revision.
    """
    repository, revision = _repository_and_revision(model, revision)
    cache = CachedRepository(cache_folder(cache_dir), repository)
    commit = cache.commit_of(revision)
    if commit is None or cache.names(commit, complete=not (offline or is_offline())) is None:
        return None
    checks = cache.check(commit, thorough=False)
    for check in checks:
        if check.state != "ok":
            raise DamagedModelError(
                f"'{cache.snapshot(commit) / check.name}' is {check.state}: it differs from the file on "
                f"the Hub; download '{model}' again"
            )
    facts = {check.name: check.facts for check in checks if check.facts is not None}
    if facts != cache.facts(commit):
        with suppress(OutputError):  # a read-only cache works too, only slower
            cache.record(commit, facts)
    return _files(model, cache, commit, facts)


def download(
    model: str,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    update: bool = False,
    progress: DownloadProgress | None = None,
) -> ModelFiles:
    """Download the files of a Hub model; verified files are not downloaded again. A bundled model is returned as it is.

    update  ask the Hub for the current commit of the branch, also if an older one is downloaded

    Raises UsageError for a model that is not of the Hub, ModelError, HubError, AccessError or OutputError.
    """
    files = bundled_model(model) if revision is None else None
    if files is not None:
        return files
    hub_endpoint()  # the library that is imported next reads it, and raises anything
    from detcli.checkpoints.hub.download_model import download_model, locked  # the HTTP library is slow to import

    repository, revision = _repository_and_revision(model, revision)
    cache = CachedRepository(cache_folder(cache_dir), repository)
    shown = progress or NoProgress()
    with locked(cache, shown):
        known = None if update else cache.commit_of(revision)
        if known is not None:
            checks = cache.check(known, thorough=True)
            complete = cache.names(known) is not None
            if complete and all(check.state == "ok" for check in checks):
                facts = {check.name: check.facts for check in checks if check.facts is not None}
                cache.record(known, facts, revision)
                return _files(model, cache, known, facts)
        if is_offline():
            raise NotCachedError(
                f"'{model}' is not downloaded completely, and HF_HUB_OFFLINE disables downloads", model=model
            )
        commit, facts = download_model(cache, known or revision, shown)
        cache.record(commit, facts, revision)
        return _files(model, cache, commit, facts)


def remove(model: str, *, cache_dir: Path | None = None, progress: DownloadProgress | None = None) -> int:
    """Delete all commits of a downloaded Hub model; return the freed bytes.

    Raises UsageError for a model that is not of the Hub, NotCachedError if it is not downloaded, and OutputError.
    """
    hub_endpoint()
    from detcli.checkpoints.hub.download_model import locked

    cache = cached_repository(model, cache_dir=cache_dir)
    with locked(cache, progress or NoProgress()):
        return cache.remove()


def cached_repository(model: str, *, cache_dir: Path | None = None) -> CachedRepository:
    """Return the cached repository of a Hub model, complete or not.

    Raises UsageError for a model that is not of the Hub, and NotCachedError if nothing of it is downloaded.
    """
    repository, _ = _repository_and_revision(model, None)
    cache = CachedRepository(cache_folder(cache_dir), repository)
    if not cache.folder.is_dir():
        raise NotCachedError(f"'{model}' is not downloaded (there is no '{cache.folder}')", model=model)
    return cache


def _local(model: str) -> ModelFiles:
    path = Path(model)
    if path.is_dir():
        return ModelFiles.in_folder(model, path)
    if not path.name.endswith((".safetensors", INDEX_SUFFIX)) and not is_original(path) and not is_exported(path):
        raise UnsupportedModelError(
            f"'{model}' is neither a folder with a model nor a .safetensors, .pth, .onnx or .xml file"
        )
    return ModelFiles(model, path.parent, weights=path.name)


def _is_document(path: Path) -> bool:
    try:
        read_document(path)
    except DamagedModelError:
        return False
    return True


def _files(model: str, cache: CachedRepository, commit: str, facts: dict[str, FileFacts]) -> ModelFiles:
    weights = {name: known.sha256 for name, known in facts.items() if name.endswith((".safetensors", ".bin"))}
    single = next((name for name in (WEIGHTS, PICKLED_WEIGHTS) if name in weights), None)
    return ModelFiles(
        model,
        cache.snapshot(commit),
        cache.repository,
        commit,
        weights[single] if single else combined_sha256(weights),
        find(cache.repository),
        single or WEIGHTS_INDEX,
    )


def _repository_and_revision(model: str, revision: str | None) -> tuple[str, str]:
    repository = repository_of(model)
    if bundled_entry(model) is not None:
        raise UsageError(
            f"'{model}' is bundled with detcli: it cannot be downloaded or removed, and it has one revision"
        )
    if repository is None:
        raise UsageError(f"'{model}' is a local model; only models of the Hub are downloaded")
    entry = find(repository)
    return repository, check_revision(revision or (entry.revision if entry else "main"))


def _at(revision: str | None) -> str:
    return "" if revision is None else f" at revision '{revision}'"
