"""What cannot run on a cluster, said before anything starts; and where the parts of a run go."""

import os
from dataclasses import replace
from pathlib import Path

from detcli.engine.outputs.check_stores import check_stores
from detcli.engine.outputs.format_needs import check_format_needs
from detcli.engine.outputs.output_plan import OutputPlan, refuse_formats
from detcli.engine.outputs.output_targets import ResultTarget
from detcli.engine.requests.run_request import ImageRequest, OutputSettings, RunRequest, VideoRequest
from detcli.errors import OutputError, UsageError
from detcli.io.journal import journal_path
from detcli.io.outputs import is_stream
from detcli.io.remote.addresses import is_remote
from detcli.io.remote.store_path import StorePath, as_path
from detcli.io.results.formats import FORMATS
from detcli.sources.source import STANDARD_INPUT

_SUFFIX = ".parts"


def check_cluster(request: RunRequest) -> None:
    """Raise UsageError for what only one process can do."""
    if request.cluster is None:
        return
    if not isinstance(request.model.model, str):
        raise UsageError("`cluster` needs the name or the path of the `model`: each worker loads it itself")
    output, device = request.output, request.compute.device
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"`device={device}` cannot be combined with `cluster`, which gives each worker its own GPU: use cuda, cpu or auto"
        )
    drawn = next((name for name in ("save_images", "save_crops", "save_masks") if getattr(output, name)), None)
    if drawn is not None:
        raise UsageError(
            f"`{drawn}` cannot be combined with `cluster`, whose workers write results only: draw them afterwards, "
            "with 'detcli draw', or run without `cluster`"
        )
    if request.counts:
        raise UsageError(
            "`counts`, `lines` and `zones` cannot be combined with `cluster`: count in its results afterwards, with 'detcli count'"
        )
    if isinstance(request, ImageRequest) and request.input.watch:
        raise UsageError("`watch` cannot be combined with `cluster`: one process watches, without `cluster`")
    if output.no_scores:
        raise UsageError(
            "`no_scores` cannot be combined with `cluster`: write results first, and convert them with 'detcli convert'"
        )
    if output.select is not None and kept_target(output) is not None:
        raise UsageError(
            "`select` cannot be combined with parts that are kept: name one file in `outputs`, or select with 'detcli filter'"
        )
    if isinstance(request, VideoRequest):
        _check_videos(request)
    stores_parts = isinstance(request, ImageRequest) and kept_target(output) is not None
    if request.cluster.address != "local" and not stores_parts and not _is_file(output):
        raise UsageError(
            "a run on a cluster collects its parts next to its output: name a file on storage that every machine shares "
            "in `outputs`"
        )


def _check_videos(request: VideoRequest) -> None:
    for argument, is_given, remedy in (
        ("save_video", request.save_video, "draw videos in one process, or in one for each video"),
        ("show", request.show, "run without `cluster` to watch"),
        ("live", request.input.live, "live sources belong to one process"),
    ):
        if is_given:
            raise UsageError(f"`{argument}` cannot be combined with `cluster`: {remedy}")
    if STANDARD_INPUT in request.input.sources:
        raise UsageError("standard input ('-') cannot be combined with `cluster`: save the video as a file")


def check_videos_are_files(live: bool) -> None:
    """Raise UsageError for cameras and streams."""
    if live:
        raise UsageError("cameras and streams cannot be combined with `cluster`: their frames come to one process")


def kept_target(output: OutputSettings) -> ResultTarget | None:
    """The output whose parts are kept as files of results: a folder together with the format of a file; else None."""
    record = None if output.format is None else FORMATS.get(output.format)
    if len(output.outputs) != 1 or record is None:
        return None
    name = output.outputs[0]
    is_folder = name.endswith(("/", "\\")) or os.path.isdir(name)  # noqa: PTH112 - any name
    if not is_folder or record.is_folder or record.has_image_folder or not record.suffixes:
        return None
    return ResultTarget(record.name, as_path(name))


def without_kept(output: OutputSettings) -> OutputSettings:
    """The outputs besides a folder of parts, with the settings that concern them."""
    if kept_target(output) is None:
        return output
    return replace(output, outputs=(), format=None, resume=False, header=False, csv_safe=False, rows="images")


def plan_parts(request: RunRequest, plan: OutputPlan) -> OutputPlan:
    """The plan with the folder of parts in place of the journal."""
    if request.cluster is None:
        return plan
    kept = kept_target(request.output) if isinstance(request, ImageRequest) else None
    named = [target.path for target in plan.targets if target.path is not None and not is_stream(target.path)]
    files = [path for path in named if not isinstance(path, StorePath)]  # parts of the others are in a temporary folder
    first = next(iter(files), None) if plan.journal is None else plan.journal.with_suffix("")
    if kept is not None:
        refuse_formats((kept,), request.task)
        check_format_needs([FORMATS[kept.format]], request.output)
        check_stores((), (), [] if kept.path is None else [kept.path], request.output)
        first = kept.path
    return replace(plan, journal=None, kept=kept, parts=None if first is None else _parts_of(first))


def _parts_of(output: Path) -> Path:
    """The folder of parts of an output: next to it; in an object store, below it, where the run can surely write."""
    if not isinstance(output, StorePath):
        return output.with_name(output.name + _SUFFIX)
    if output.address.scheme == "memory":
        raise UsageError(f"'{output}' is in the memory of one process, and workers are others: use another address")
    parts: Path = output / _SUFFIX
    return parts


def check_other_state(plan: OutputPlan, output: OutputSettings) -> None:
    """Raise OutputError where an interrupted run that is to be resumed was on a cluster and this one is not, or the reverse."""
    if not output.resume or plan.state is None or os.path.lexists(plan.state):
        return
    if plan.parts is not None:
        other, remedy = journal_path(plan.parts.with_suffix("")), "continue it without `cluster`"
    else:
        stem = plan.state.with_suffix("")
        other, remedy = stem.with_name(stem.name + _SUFFIX), "continue it with `cluster`"
    if os.path.lexists(other):
        where = "in one process" if plan.parts is not None else "on a cluster"
        raise OutputError(
            f"cannot resume: '{other}' is of an interrupted run {where}; {remedy}, or start again with `if_exists=overwrite`"
        )


def _is_file(output: OutputSettings) -> bool:
    return any(name != STANDARD_INPUT and not is_remote(name) and not is_stream(Path(name)) for name in output.outputs)
