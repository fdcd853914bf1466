"""Which outputs can be in an object store, and whether it can be written."""

from collections.abc import Sequence
from pathlib import Path

from detcli.engine.outputs.count_targets import CountTarget
from detcli.engine.outputs.output_targets import ResultTarget
from detcli.engine.requests.run_settings import OutputSettings
from detcli.errors import UsageError
from detcli.io.remote.store_path import StorePath


def check_stores(
    targets: Sequence[ResultTarget], tables: Sequence[CountTarget], folders: Sequence[Path], output: OutputSettings
) -> None:
    """Check the outputs that are in object stores.

    Raises UsageError for what needs files on this machine, LibraryError where the driver of a store is not installed.
    """
    for target in targets:
        if not isinstance(target.path, StorePath):
            continue
        if target.extra_folder is not None:
            raise UsageError(_needs_files(target.path, f"the format {target.format} is a file with a folder of images"))
        if output.no_scores and target.is_folder:
            raise UsageError(_needs_files(target.path, "a dataset of `no_scores` links its images"))
        _check(target.path, is_folder=target.is_folder)
    for table in tables:
        if isinstance(table.path, StorePath):
            _check(table.path, is_folder=False)
    for folder in folders:
        if isinstance(folder, StorePath):
            _check(folder, is_folder=True)


def no_resume(targets: Sequence[ResultTarget]) -> str:
    """Why a run without a file or folder on this machine cannot be resumed, and what to do."""
    stored = next((target.path for target in targets if isinstance(target.path, StorePath)), None)
    if stored is None:
        return "`resume` needs the `outputs` of the interrupted run"
    return (
        f"`resume` needs an output on this machine, and '{stored}' is in an object store, where a run cannot be continued: "
        f"write to '{stored.name}' and to the store, or run the input in shards (`shard`) with an output each"
    )


def _check(path: StorePath, *, is_folder: bool) -> None:
    from detcli.io.remote.stores import check_driver

    address = path.address
    check_driver(address)
    if not address.key and not is_folder:
        raise UsageError(f"'{path}' is a bucket, and the output is an object: write '{path}/out.jsonl'")
    if is_folder and address.scheme == "hf":
        raise UsageError(
            f"'{path}' is on the Hub, where each file of a folder would be a commit: write the folder to this machine, and "
            "upload it with 'hf upload'"
        )


def _needs_files(path: StorePath, reason: str) -> str:
    return f"'{path}' cannot be in an object store: {reason}; write it to this machine and copy it to the store"
