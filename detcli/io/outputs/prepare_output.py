"""Checks an output before the run: what exists, and what then happens."""

from pathlib import Path
from typing import Literal

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.output_paths import has_visible_files
from detcli.io.outputs.stream_output import is_stream
from detcli.io.remote.store_path import StorePath

IfExists = Literal["error", "overwrite", "skip"]


def prepare_output(
    path: Path,
    *,
    if_exists: IfExists = "error",
    folder: bool = False,
    journal: Path | None = None,
    resume: bool = False,
    resumable: bool = True,
) -> bool:
    """Check an output before the run; returns False if it exists and is skipped. Changes nothing.

    folder     the output is a folder of files: an empty folder counts as missing, and `skip` applies to each file
    journal    path of the journal of the run, if it has one
    resume     continue the interrupted run that left the journal
    resumable  runs with this output can be resumed

    Raises OutputError if the output exists and may be neither replaced nor resumed.
    """
    if isinstance(path, StorePath):
        return _prepare_store(path, if_exists=if_exists, folder=folder, resume=resume, resumable=resumable)
    if not folder and is_stream(path):
        return True
    with os_errors_as_output_errors(journal or path):
        interrupted = journal is not None and journal.exists()
    with os_errors_as_output_errors(path):
        if not path.exists() or (resume and interrupted):
            return True
        if path.is_dir() != folder:
            raise OutputError(f"cannot write '{path}': it is {'a folder' if path.is_dir() else 'a file'}")
        if folder and not has_visible_files(path):
            return True
    if if_exists == "skip":
        return folder
    if if_exists == "error":
        raise OutputError(_exists(path, folder=folder, interrupted=interrupted, resume=resume, resumable=resumable))
    return True


def _prepare_store(path: StorePath, *, if_exists: IfExists, folder: bool, resume: bool, resumable: bool) -> bool:
    """The same for an object, or a prefix of objects, in an object store."""
    from detcli.io.remote.write_objects import has_objects, object_exists

    exists = has_objects(path.address) if folder else object_exists(path.address)
    if exists and if_exists == "error" and not resume:
        raise OutputError(_exists(path, folder=folder, interrupted=False, resume=False, resumable=resumable))
    return folder or not exists or if_exists != "skip"


def _exists(path: Path, *, folder: bool, interrupted: bool, resume: bool, resumable: bool) -> str:
    what = f"the folder '{path}' is not empty" if folder else f"'{path}' exists"
    if resume:
        return f"{what}, and there is no interrupted run to resume; `if_exists=overwrite` runs it again"
    if not resumable:
        return f"{what}: `if_exists=overwrite` replaces it"
    reason = ", from a run that was interrupted or is still running" if interrupted else ""
    return f"{what}{reason}: `if_exists=overwrite` replaces it, `resume` continues an interrupted run"
