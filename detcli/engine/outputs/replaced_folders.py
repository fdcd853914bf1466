"""Which output folders a run replaces: it removes the files that earlier runs wrote into them."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from detcli.engine.observer import Observer
from detcli.engine.requests.run_request import ImageRequest, RunRequest, VideoRequest
from detcli.io.journal import Journal
from detcli.io.read import real_path
from detcli.sources.images.path_walker import is_glob, split_glob
from detcli.sources.source import STANDARD_INPUT


def replaces_folder(request: RunRequest, journal: Journal | None, observer: Observer) -> Callable[[Path], bool]:
    """Whether the run replaces a folder: it overwrites, continues no other run, and reads nothing from the folder."""
    output = request.output
    continues = output.resume and journal is not None and bool(journal.done)
    inputs = [*output.reads, *_inputs(request), *local_model(request.model.name)]

    def replaces(folder: Path) -> bool:
        if output.if_exists != "overwrite" or continues:
            return False
        return is_replaceable(folder, inputs, observer)

    return replaces


def is_replaceable(folder: Path, inputs: Iterable[str | Path], observer: Observer) -> bool:
    """Whether none of the inputs is in the folder; otherwise, a warning says that its files stay."""
    inside = real_path(folder)
    for name in inputs:
        if Path(real_path(name)).is_relative_to(inside):
            observer.on_warning(f"'{folder}' has inputs of this run: files of earlier runs in it are not removed")
            return False
    return True


def local_model(name: str | None) -> list[str]:
    """The path of a model, if its name is a path of this machine."""
    return [name] if name is not None and os.path.lexists(name) else []


def _inputs(request: RunRequest) -> list[str]:
    """The files and folders that sources are read from; for lists, the current folder, which their paths start from."""
    if not isinstance(request, ImageRequest | VideoRequest):
        return []
    sources: Sequence[str] = request.input.sources
    names = [split_glob(name)[0] if is_glob(name) and not os.path.lexists(name) else name for name in sources]
    lists = STANDARD_INPUT in names or (isinstance(request, ImageRequest) and request.input.files_from is not None)
    return [*(name or "." for name in names), *(["."] if lists else [])]
