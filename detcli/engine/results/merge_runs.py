"""Several stored results as those of one run: in the order of the input, without gaps and overlaps."""

from array import array
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Any

import numpy as np

from detcli.engine.results.merge_shards import check_shards
from detcli.engine.results.stored_run import Numbered, StoredRun
from detcli.errors import InputError, UsageError

_MODEL = ("model", "revision", "sha256", "detcli")
_INPUT = ("sources", "files_from", "recursive", "ext", "exclude", "limit")
_MACHINE = ("device", "batch", "shard")  # may differ between the machines that run parts


def check_parts(runs: Sequence[StoredRun], *, renumber: bool) -> list[str]:
    """Check that the parts belong together, and return remarks about what cannot be checked.

    renumber  the parts are of different inputs

    Raises UsageError or InputError, which say what does not fit.
    """
    known = [run for run in runs if run.metadata.info]
    for run in known[1:]:
        _check_same_model(known[0], run, renumber=renumber)
    if not renumber:
        check_shards(runs)
    if not renumber and any(run.has_indices for run in runs):
        _check_indices(runs)
    _check_names(runs)
    remarks = []
    if not renumber and (incomplete := [run for run in runs if run.has_indices and _may_have_gaps(run)]):
        remarks.append(
            f"'{incomplete[0].path}' does not have all images of its run: whether a part is missing is not checked"
        )
    if unknown := [run for run in runs if not run.metadata.info]:
        remarks.append(
            f"'{unknown[0].path}' does not say which model made it: whether the parts belong together is not checked"
        )
    return remarks


def merged_images(runs: Sequence[StoredRun], *, renumber: bool) -> Iterator[tuple[Numbered, StoredRun]]:
    """The images of all parts with their indices: in the order of the indices, or numbered in the order of the parts."""
    if renumber or not any(run.has_indices for run in runs):
        parts = ((image, run) for run in runs for _, image in run.images())
        for index, (image, run) in enumerate(parts):
            yield (index, image), run
        return
    yield from merge(*(_with_run(run) for run in runs), key=lambda entry: entry[0][0])


def merged_info(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """The provenance of all parts: that of the first one that has it, with the sources of all, and without its shard."""
    known = [run for run in runs if run.metadata.info]
    if not known:
        return {}
    arguments = {name: value for name, value in known[0].arguments.items() if name != "shard"}
    if "sources" in arguments:
        listed = [source for run in known for source in run.arguments.get("sources", [])]
        arguments["sources"] = list(dict.fromkeys(listed))
    return {**known[0].metadata.info, "arguments": arguments}


def _with_run(run: StoredRun) -> Iterator[tuple[Numbered, StoredRun]]:
    return ((numbered, run) for numbered in run.images())


def _check_same_model(first: StoredRun, other: StoredRun, *, renumber: bool) -> None:
    names = [name for name in _MODEL if first.metadata.info.get(name) != other.metadata.info.get(name)]
    if names:
        raise UsageError(_difference(first, other, names[0], first.metadata.info, other.metadata.info))
    free = {*_MACHINE, *(_INPUT if renumber else ())}
    for name in sorted({*first.arguments, *other.arguments} - free):
        if first.arguments.get(name) != other.arguments.get(name):
            hint = "; `renumber` merges results of different inputs" if name in _INPUT else ""
            raise UsageError(_difference(first, other, name, first.arguments, other.arguments) + hint)


def _difference(first: StoredRun, other: StoredRun, name: str, here: Any, there: Any) -> str:
    what = "version of detcli" if name == "detcli" else name
    values = (str(values.get(name))[:60] for values in (here, there))
    return f"cannot merge: the {what} of '{first.path}' is {next(values)}, and that of '{other.path}' is {next(values)}"


def _check_indices(runs: Sequence[StoredRun]) -> None:
    """Raise for parts without indices, and for indices that are missing or in two parts."""
    without = [run for run in runs if run.names and not run.has_indices]
    if without:
        raise UsageError(
            f"cannot merge: '{without[0].path}' does not have the positions of its images in the input, and other parts do; "
            "`renumber` numbers the images in the order of the parts"
        )
    owners = np.concatenate([np.full(len(run.indices), part) for part, run in enumerate(runs)])
    indices = np.concatenate([np.asarray(run.indices, np.int64) for run in runs])
    order = np.argsort(indices, kind="stable")
    indices, owners = indices[order], owners[order]
    same = np.flatnonzero(indices[1:] == indices[:-1])
    if len(same):
        at = int(same[0])
        if any(run.contents.video for run in runs):
            raise UsageError(
                f"cannot merge: '{runs[owners[at]].path}' and '{runs[owners[at + 1]].path}' number the frames of different "
                "videos from 0; `renumber` merges them in the order of the parts"
            )
        raise InputError(
            f"cannot merge: the image {int(indices[at])} (from 0) is in '{runs[owners[at]].path}' and in "
            f"'{runs[owners[at + 1]].path}'; leave one of them out, or `renumber` merges results of different inputs"
        )
    if any(_may_have_gaps(run) for run in runs):
        return
    gaps = np.flatnonzero(indices != np.arange(len(indices)))
    if len(gaps):
        missing = int(gaps[0])
        raise InputError(
            f"cannot merge: the image {missing} (from 0) is in no part, and the next one, {int(indices[missing])}, is in "
            f"'{runs[owners[missing]].path}'; a part is missing or incomplete (`renumber` merges without it)"
        )


def _may_have_gaps(run: StoredRun) -> bool:
    """Whether images are missing in the file that the run had: those that the format loses, and those that are not selected."""
    given = run.arguments.get("filtered")
    filters = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    selects = any(entry.get("select") or entry.get("only") for entry in (run.arguments, *filters))
    return selects or bool(run.lacks & {"failed", "empty"})


def _check_names(runs: Sequence[StoredRun]) -> None:
    """Raise InputError if two parts have results of the same image or frame."""
    names = np.concatenate([np.asarray(run.names, np.int64) for run in runs])
    if len(np.unique(names)) == len(names):
        return
    seen: dict[int, int] = {}
    for part, run in enumerate(runs):
        for name in _repeated(names, run.names):
            if seen.setdefault(name, part) != part:
                both = f"'{runs[seen[name]].path}' and '{run.path}'"
                file = next((image.file for _, image in run.images() if hash((image.file, image.frame)) == name), None)
                raise InputError(
                    f"cannot merge: {both} have results of the same image" + (f", '{file}'" if file else "")
                )


def _repeated(names: "np.typing.NDArray[np.int64]", own: "array[int]") -> list[int]:
    values, counts = np.unique(names, return_counts=True)
    return [int(name) for name in np.intersect1d(values[counts > 1], np.asarray(own, np.int64))]


def check_not_empty(paths: Sequence[object]) -> None:
    """Raise UsageError if no results are named."""
    if not paths:
        raise UsageError("no results are named: `results` must name files or folders of results")
