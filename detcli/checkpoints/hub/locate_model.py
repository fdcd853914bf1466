"""From what the user typed to files on this machine: a name, a repository, a folder or a file; fetched if need be.

A branch is resolved to a commit once, when it is first fetched; from then on that commit is used and nobody is asked,
until `update`. Every file of the Hub has had its checksum compared before its name is handed on.
"""

import re
from contextlib import suppress
from pathlib import Path

from detcli.checkpoints.catalog import CATALOG, find, shipped, suggestion
from detcli.checkpoints.hub.checksums import combined_sha256, sha256_of_file
from detcli.checkpoints.hub.download_progress import DownloadProgress, NoProgress
from detcli.checkpoints.hub.hub_cache import CachedRepository, FileCheck, FileFacts, check_revision
from detcli.checkpoints.hub.hub_environment import cache_folder, is_offline
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import (
    CONFIG,
    INDEX_SUFFIX,
    PREPROCESSOR,
    WEIGHTS,
    WEIGHTS_INDEX,
    ModelFiles,
    find_weights,
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
    "cached",
    "cached_repository",
    "check_shipped",
    "download",
    "locate",
    "remove",
    "repository_of",
    "shipped_model",
]

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")


def locate(
    model: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: Path | None = None,
    progress: DownloadProgress | None = None,
) -> ModelFiles:
    """Find a model's files, fetching them first where they are not here.

    model      a name of the catalog (which wins over a folder of that name; `./NAME` is the folder), a folder,
               a .safetensors file (or index of shards) with config.json next to it, a .pth file of an original
               repository, or a repository of the Hub
    revision   commit, branch or tag; None: as the catalog says, else "main"
    offline    ask nobody, as HF_HUB_OFFLINE does
    cache_dir  of the Hub; None: as HF_HUB_CACHE and HF_HOME say

    Raises UsageError, ModelError, HubError, AccessError or OutputError (the cache cannot be written).
    """
    repository = repository_of(model)
    if repository is None:
        if revision is not None:
            raise UsageError(f"--revision is for repositories of the Hub; '{model}' is on this machine")
        return shipped_model(model) or _local(model)
    files = cached(model, revision=revision, cache_dir=cache_dir, offline=offline)
    if files is not None:
        return files
    if offline or is_offline():
        raise NotCachedError(
            f"'{model}'{_at(revision)} is not on this machine, and fetching is switched off "
            f"({'--offline' if offline else 'HF_HUB_OFFLINE'}): run `detcli download {model}` once with a network"
        )
    return download(model, revision=revision, cache_dir=cache_dir, progress=progress)


def repository_of(model: str) -> str | None:
    """The Hub repository that a model's name stands for; None for what comes with detcli, a folder or a file.

    Raises UnknownModelError for what is none of them, with what was likely meant.
    """
    if not model:
        raise UnknownModelError("the model has no name")
    if model in CATALOG:
        return CATALOG[model].repository
    path = Path(model)
    with suppress(OSError, ValueError):
        if path.exists():
            return None
    if (
        "\\" in model
        or model.endswith((".safetensors", ".json", ".pth", ".pt", ".bin", ".ckpt"))
        or model[:1] in ("/", ".")
    ):
        raise UnknownModelError(f"there is no model file or folder '{model}'")
    if _REPOSITORY.fullmatch(model) and not re.search(r"\.\.|--", model):
        return model
    raise UnknownModelError(
        f"there is no model '{model}'"
        + (suggestion(model) or "; `detcli models list` shows the names, and a Hub repository is written owner/name")
    )


def shipped_model(model: str) -> ModelFiles | None:
    """The files of a model that comes with detcli; None for any other.

    Raises DamagedModelError where an installation has lost them.
    """
    entry = shipped(model)
    if entry is None or entry.folder is None:
        return None
    for name in (CONFIG, PREPROCESSOR, WEIGHTS):
        if not (entry.folder / name).is_file():
            raise DamagedModelError(
                f"'{model}' comes with detcli, but '{entry.folder / name}' is gone: install it again"
            )
    return ModelFiles(model, entry.folder, entry=entry)


def check_shipped(model: str) -> list[FileCheck]:
    """What became of each file of a model that comes with detcli.

    The weights are held against the checksum that the catalog has of them; the others must be readable.
    """
    entry = shipped(model)
    if entry is None or entry.folder is None:
        raise ValueError(f"'{model}' does not come with detcli")
    checks = []
    for name in (CONFIG, PREPROCESSOR, WEIGHTS):
        path = entry.folder / name
        if not path.is_file():
            checks.append(FileCheck(name, "missing", None))
            continue
        sha256 = sha256_of_file(path)
        whole = sha256 == entry.sha256 if name == WEIGHTS else _is_document(path)
        checks.append(FileCheck(name, "whole" if whole else "damaged", FileFacts.of(path, sha256)))
    return checks


def cached(
    model: str, *, revision: str | None = None, cache_dir: Path | None = None, offline: bool = False
) -> ModelFiles | None:
    """A Hub model's files, if they are all on this machine and what they should be; asks nobody.

    offline  a preprocessor_config.json that another program left out is not missed, since nobody can be asked for it

    Raises DamagedModelError where a file is not what was fetched, and UsageError for an impossible revision.
    """
    repository, revision = _wanted(model, revision)
    place = CachedRepository(cache_folder(cache_dir), repository)
    commit = place.commit_of(revision)
    if commit is None or place.names(commit, complete=not (offline or is_offline())) is None:
        return None
    checks = place.check(commit, thorough=False)
    for check in checks:
        if check.state != "whole":
            raise DamagedModelError(
                f"'{place.snapshot(commit) / check.name}' is {check.state}: it is not what the Hub has under that "
                f"name; `detcli download {model}` fetches it again"
            )
    facts = {check.name: check.facts for check in checks if check.facts is not None}
    if facts != place.facts(commit):
        with suppress(OutputError):  # a cache that may only be read is as good, only slower
            place.remember(commit, facts)
    return _files(model, place, commit, facts)


def download(
    model: str,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    update: bool = False,
    progress: DownloadProgress | None = None,
) -> ModelFiles:
    """Bring a Hub model's files to this machine, whole; what is here and whole already is not fetched again.

    A model that comes with detcli is here, and is handed back.

    update  ask the Hub which commit the branch is at now, also where one is here

    Raises UsageError for a model that is not of the Hub, ModelError, HubError, AccessError or OutputError.
    """
    files = shipped_model(model) if revision is None else None
    if files is not None:
        return files
    from detcli.checkpoints.hub.download_model import alone, fetch_model  # the HTTP library is slow to import

    repository, wanted = _wanted(model, revision)
    place = CachedRepository(cache_folder(cache_dir), repository)
    shown = progress or NoProgress()
    with alone(place, shown):
        known = None if update else place.commit_of(wanted)
        if known is not None:
            checks = place.check(known, thorough=True)
            complete = place.names(known) is not None
            if complete and all(check.state == "whole" for check in checks):
                facts = {check.name: check.facts for check in checks if check.facts is not None}
                place.remember(known, facts, wanted)
                return _files(model, place, known, facts)
        if is_offline():
            raise NotCachedError(f"'{model}' is not here whole, and HF_HUB_OFFLINE forbids fetching it")
        commit, facts = fetch_model(place, known or wanted, shown)
        place.remember(commit, facts, wanted)
        return _files(model, place, commit, facts)


def remove(model: str, *, cache_dir: Path | None = None, progress: DownloadProgress | None = None) -> int:
    """Delete everything of a Hub model from this machine, every commit of it; bytes freed.

    Raises UsageError for a model that is not of the Hub, NotCachedError where there is nothing of it, and OutputError.
    """
    from detcli.checkpoints.hub.download_model import alone

    place = cached_repository(model, cache_dir=cache_dir)
    with alone(place, progress or NoProgress()):
        return place.remove()


def cached_repository(model: str, *, cache_dir: Path | None = None) -> CachedRepository:
    """What lies on this machine of a Hub model, whole or not.

    Raises UsageError for a model that is not of the Hub, and NotCachedError where there is nothing of it.
    """
    repository, _ = _wanted(model, None)
    place = CachedRepository(cache_folder(cache_dir), repository)
    if not place.folder.is_dir():
        raise NotCachedError(f"'{model}' is not on this machine (there is no '{place.folder}')")
    return place


def _local(model: str) -> ModelFiles:
    path = Path(model)
    if path.is_dir():
        return ModelFiles(model, path, weights=find_weights(path))
    if not path.name.endswith((".safetensors", INDEX_SUFFIX)) and not is_original(path):
        raise UnsupportedModelError(f"'{model}' is neither a folder with a model nor a .safetensors or .pth file")
    return ModelFiles(model, path.parent, weights=path.name)


def _is_document(path: Path) -> bool:
    try:
        read_document(path)
    except DamagedModelError:
        return False
    return True


def _files(model: str, place: CachedRepository, commit: str, facts: dict[str, FileFacts]) -> ModelFiles:
    weights = {name: known.sha256 for name, known in facts.items() if name.endswith(".safetensors")}
    single = WEIGHTS in weights
    return ModelFiles(
        model,
        place.snapshot(commit),
        place.repository,
        commit,
        weights[WEIGHTS] if single else combined_sha256(weights),
        find(place.repository),
        WEIGHTS if single else WEIGHTS_INDEX,
    )


def _wanted(model: str, revision: str | None) -> tuple[str, str]:
    repository = repository_of(model)
    if shipped(model) is not None:
        raise UsageError(f"'{model}' comes with detcli: it is neither fetched nor removed, and has one revision")
    if repository is None:
        raise UsageError(f"'{model}' is on this machine already; only models of the Hub are fetched and kept")
    entry = find(repository)
    return repository, check_revision(revision or (entry.revision if entry else "main"))


def _at(revision: str | None) -> str:
    return "" if revision is None else f" at revision '{revision}'"
