"""Where the results of a run over videos go: one output for all sources, or one for each."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detcli.engine.outputs import TABLE, OutputPlan, ResultTarget, VideoTarget, make_plan, refuse_twice
from detcli.engine.request import VideoRequest
from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.sources.source import STANDARD_INPUT

NAME = "{name}"  # in an output: the name of each source
_SUFFIX = ".mp4"


def make_video_plan(wish: VideoRequest, places: Sequence[str], names: Sequence[str], *, live: bool) -> OutputPlan:
    """Decide what goes where.

    places, names  of the sources: folders of their frames' names, and what `{name}` stands for
    live           a run that can be interrupted, but not gone on with

    Raises UsageError for what makes no sense together.
    """
    _check_resume(wish, live=live)
    for flag, folder in (("--save-images", wish.save_images), ("--save-crops", wish.save_crops)):
        if folder is not None and NAME in str(folder):
            raise UsageError(f"{flag} takes no '{NAME}': each source has a folder of its own in it anyway")
    plan = make_plan(wish.outputs, wish.format_name, images=wish.save_images, crops=wish.save_crops, resume=wish.resume)
    if not wish.outputs and wish.format_name is None and plan.targets == (ResultTarget(TABLE, None),):
        plan = replace(plan, targets=())  # a table of hundreds of rows a second is for nobody: the status line tells
    targets = tuple(one for target in plan.targets for one in _each(target, places, names))
    films = _films(wish.save_video, places, names)
    refuse_twice([*(target.path for target in targets), *(film.path for film in films)])
    resumable = not (live or films or wish.track or STANDARD_INPUT in wish.sources)
    return replace(plan, targets=targets, films=films, journal=plan.journal if resumable else None)


def _check_resume(wish: VideoRequest, *, live: bool) -> None:
    if not wish.resume:
        return
    if live or STANDARD_INPUT in wish.sources:
        raise UsageError("--resume goes on with files: what a camera, a stream or a pipe gave will not come again")
    for flag, is_given in (("--save-video", wish.save_video), ("--track", wish.track)):
        if is_given:
            raise UsageError(f"--resume cannot go on with {flag}: start anew with --if-exists overwrite (or -y)")


def _each(target: ResultTarget, places: Sequence[str], names: Sequence[str]) -> list[ResultTarget]:
    """The target, or one for every source where its name asks for that."""
    if target.path is None or NAME not in str(target.path):
        return [target]
    return [
        replace(target, path=Path(str(target.path).replace(NAME, name)), of=place)
        for place, name in zip(places, names, strict=True)
    ]


def _films(path: Path | None, places: Sequence[str], names: Sequence[str]) -> tuple[VideoTarget, ...]:
    if path is None:
        return ()
    if str(path) == "-":
        raise UsageError("--save-video cannot write to standard output: name a file, such as out.mp4, or a folder")
    if not is_stream(path) and (path.is_dir() or not path.suffix):
        path = path / (NAME + _SUFFIX)
    if NAME not in str(path):
        if len(places) > 1:
            raise UsageError(
                f"{len(places)} sources cannot share '{path}': give --save-video a folder, or '{NAME}' in the name, "
                f"as in '{path.with_name(NAME + (path.suffix or _SUFFIX))}'"
            )
        return (VideoTarget(path, places[0]),)
    return tuple(
        VideoTarget(Path(str(path).replace(NAME, name)), place) for place, name in zip(places, names, strict=True)
    )
