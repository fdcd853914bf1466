"""From what the user typed to files on this machine: a name, a repository, a folder or a file; fetched if need be.

A branch is resolved to a commit once, when it is first fetched; from then on that commit is used and nobody is asked,
until `update`. Every file of the Hub has had its checksum compared before its name is handed on.
"""

import re
from contextlib import suppress
from pathlib import Path

from detcli.checkpoints.cache import CachedRepository, FileFacts, check_revision
from detcli.checkpoints.catalog import CATALOG, did_you_mean, entry_of_repository
from detcli.checkpoints.checksums import combined_sha256
from detcli.checkpoints.environment import cache_folder, is_offline
from detcli.checkpoints.layout import INDEX_SUFFIX, WEIGHTS, WEIGHTS_INDEX, ModelFiles, find_weights, refuse_pickles
from detcli.checkpoints.progress import Progress, Silent
from detcli.errors import (
    DamagedModelError,
    NotCachedError,
    OutputError,
    UnknownModelError,
    UnsupportedModelError,
    UsageError,
)

__all__ = [
    "ModelFiles",
    "Progress",
    "Silent",
    "cached",
    "cached_repository",
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
    progress: Progress | None = None,
) -> ModelFiles:
    """Find a model's files, fetching them first where they are not here.

    model      a name of the catalogue (which wins over a folder of that name; `./NAME` is the folder), a folder,
               a .safetensors file (or index of shards) with config.json beside it, or a Hub repository
    revision   commit, branch or tag; None: as the catalogue says, else "main"
    offline    ask nobody, as HF_HUB_OFFLINE does
    cache_dir  of the Hub; None: as HF_HUB_CACHE and HF_HOME say

    Raises UsageError, ModelError, HubError, AccessError or OutputError (the cache cannot be written).
    """
    repository = repository_of(model)
    if repository is None:
        if revision is not None:
            raise UsageError(f"--revision is for repositories of the Hub; '{model}' is on this machine")
        return _local(model)
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
    """The Hub repository that a model's name stands for; None for a folder or file on this machine.

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
    if "\\" in model or model.endswith((".safetensors", ".json", ".pth", ".pt", ".bin")) or model[:1] in ("/", "."):
        raise UnknownModelError(f"there is no model file or folder '{model}'")
    if _REPOSITORY.fullmatch(model) and not re.search(r"\.\.|--", model):
        return model
    raise UnknownModelError(
        f"there is no model '{model}'"
        + (did_you_mean(model) or "; `detcli models list` shows the names, and a Hub repository is written owner/name")
    )


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
    progress: Progress | None = None,
) -> ModelFiles:
    """Bring a Hub model's files to this machine, whole; what is here and whole already is not fetched again.

    update  ask the Hub which commit the branch is at now, also where one is here

    Raises UsageError for a model that is not of the Hub, ModelError, HubError, AccessError or OutputError.
    """
    from detcli.checkpoints.fetching import alone, fetch_model  # the HTTP library is slow to import

    repository, wanted = _wanted(model, revision)
    place = CachedRepository(cache_folder(cache_dir), repository)
    shown = progress or Silent()
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


def remove(model: str, *, cache_dir: Path | None = None, progress: Progress | None = None) -> int:
    """Delete everything of a Hub model from this machine, every commit of it; bytes freed.

    Raises UsageError for a model that is not of the Hub, NotCachedError where there is nothing of it, and OutputError.
    """
    from detcli.checkpoints.fetching import alone

    place = cached_repository(model, cache_dir=cache_dir)
    with alone(place, progress or Silent()):
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
    refuse_pickles(path)
    if not path.name.endswith((".safetensors", INDEX_SUFFIX)):
        raise UnsupportedModelError(f"'{model}' is neither a folder with a model nor a .safetensors file")
    return ModelFiles(model, path.parent, weights=path.name)


def _files(model: str, place: CachedRepository, commit: str, facts: dict[str, FileFacts]) -> ModelFiles:
    weights = {name: known.sha256 for name, known in facts.items() if name.endswith(".safetensors")}
    single = WEIGHTS in weights
    return ModelFiles(
        model,
        place.snapshot(commit),
        place.repository,
        commit,
        weights[WEIGHTS] if single else combined_sha256(weights),
        CATALOG.get(model) or entry_of_repository(place.repository),
        WEIGHTS if single else WEIGHTS_INDEX,
    )


def _wanted(model: str, revision: str | None) -> tuple[str, str]:
    repository = repository_of(model)
    if repository is None:
        raise UsageError(f"'{model}' is on this machine already; only models of the Hub are fetched and kept")
    entry = CATALOG.get(model) or entry_of_repository(repository)
    return repository, check_revision(revision or (entry.revision if entry else "main"))


def _at(revision: str | None) -> str:
    return "" if revision is None else f" at revision '{revision}'"
