"""Where the results of a run over videos go: one output for all sources, or one for each source."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detcli.engine.inputs.resume import check_resumable_video, is_resumable_video
from detcli.engine.outputs.count_targets import NAME, per_source
from detcli.engine.outputs.output_plan import OutputPlan, make_plan, refuse_duplicates
from detcli.engine.outputs.output_targets import ResultTarget, VideoTarget
from detcli.engine.outputs.standard_output import TABLE, StandardOutput
from detcli.engine.requests.run_request import VideoRequest
from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.io.remote.store_path import StorePath, as_path

_SUFFIX = ".mp4"


def make_video_plan(
    request: VideoRequest, sources: Sequence[str], names: Sequence[str], *, live: bool, stdout: StandardOutput | None
) -> OutputPlan:
    """Decide what goes where.

    sources, names  of the sources: the folders of their frames' names, and what `{name}` stands for
    live            whether any source is live

    Raises UsageError for a combination that makes no sense.
    """
    output = request.output
    check_resumable_video(request, live=live)
    for argument, folder in (("save_images", output.save_images), ("save_crops", output.save_crops)):
        if folder is not None and NAME in str(folder):
            raise UsageError(f"`{argument}` takes no '{NAME}': each source has its own folder inside it")
    plan = make_plan(output, stdout)
    if not output.outputs and output.format is None and plan.targets == (ResultTarget(TABLE, None),):
        plan = replace(plan, targets=())  # hundreds of rows per second help no reader: the progress line is enough
    targets = tuple(each for target in plan.targets for each in _per_source(target, sources, names))
    tables = per_source(plan.tables, sources, names)
    videos = _videos(request.save_video, sources, names)
    written = [*(target.path for target in targets), *(table.path for table in tables)]
    refuse_duplicates([*written, *(video.path for video in videos)])
    resumable = not videos and is_resumable_video(request, live=live)
    journal = plan.journal if resumable else None
    return replace(
        plan,
        targets=targets,
        tables=tables,
        videos=videos,
        video_folders=_video_folders(request.save_video),
        journal=journal,
    )


def _per_source(target: ResultTarget, sources: Sequence[str], names: Sequence[str]) -> list[ResultTarget]:
    """The target, or one per source where its path contains `{name}`."""
    if target.path is None or NAME not in str(target.path):
        return [target]
    return [
        replace(target, path=as_path(str(target.path).replace(NAME, name)), source=source)
        for source, name in zip(sources, names, strict=True)
    ]


def _is_folder(path: Path) -> bool:
    """Whether `save_video` is a folder: an existing one, or a name without a suffix."""
    return str(path) != "-" and not is_stream(path) and (os.path.isdir(path) or not path.suffix)  # noqa: PTH112


def _video_folders(path: Path | None) -> tuple[Path, ...]:
    """The folder that has nothing but annotated videos."""
    if path is None or is_stream(path):
        return ()
    folder = path if _is_folder(path) else path.parent
    is_for_many = folder == path or (NAME in path.name and path.parent != Path())
    return (folder,) if is_for_many and NAME not in str(folder) else ()


def _videos(path: Path | None, sources: Sequence[str], names: Sequence[str]) -> tuple[VideoTarget, ...]:
    if path is None:
        return ()
    if str(path) == "-":
        raise UsageError("`save_video` cannot write to standard output: name a file, such as out.mp4, or a folder")
    if isinstance(path, StorePath):
        raise UsageError(
            f"`save_video` cannot write to '{path}': an annotated video is finished at its beginning; write it to this machine "
            "and copy it to the store"
        )
    if _is_folder(path):
        path = path / (NAME + _SUFFIX)
    if NAME not in str(path):
        if len(sources) > 1:
            raise UsageError(
                f"{len(sources)} sources cannot share '{path}': `save_video` must be a folder, or a name with '{NAME}' "
                f"in it, such as '{path.with_name(NAME + (path.suffix or _SUFFIX))}'"
            )
        return tuple(VideoTarget(path, source) for source in sources)
    return tuple(
        VideoTarget(Path(str(path).replace(NAME, name)), source) for source, name in zip(sources, names, strict=True)
    )
