"""A run over images, whatever is looked for in them: what the flags of `detect` and `segment` ask for becomes a source,
a detector and sinks, and the pipeline joins them.

Checks run from cheap to dear: flags, then outputs, then the input, and only then torch and the model.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.cli.framework.console import Console
from detcli.engine.request import ImageRequest
from detcli.errors import InputError, TooManyFailuresError, UsageError
from detcli.io.outputs import IfExists

if TYPE_CHECKING:
    from detcli.engine.listing import SourceListing
    from detcli.engine.outputs import OutputPlan


def look(console: Console, wish: ImageRequest) -> int:
    """Do what is wished for; returns the exit code.

    Raises DetcliError for what cannot be begun, or ends a run.
    """
    if not wish.sources and wish.files_from is None:
        raise UsageError("nothing to look at: name an image, a folder, a glob, an address or '-', or use --files-from")
    check_place()
    from detcli.engine.outputs import check_plan, make_plan

    plan = make_plan(
        wish.outputs,
        wish.format_name,
        images=wish.save_images,
        crops=wish.save_crops,
        masks=wish.save_masks,
        resume=wish.resume,
        task=wish.task,
    )
    if_exists: IfExists = "overwrite" if wish.yes else wish.if_exists
    read = (wish.files_from, wish.gt, wish.font, console.config)
    inputs = (*wish.sources, *(name for name in read if name is not None))
    plan = check_plan(plan, inputs, if_exists=if_exists, resume=wish.resume)
    for path in plan.skipped:
        console.say(f"'{path}' exists; skipped")
    if plan.is_empty:
        return 0
    source = _open(wish, plan)
    if wish.dry_run:
        from detcli.cli.detect.dry_run import dry_run

        return dry_run(console, wish, plan, source)
    return _run(console, wish, plan, source)


def check_place() -> None:
    """Raise UsageError where the folder we stand in was deleted: nothing has a full path then, nor finds its libraries."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(f"the folder this was started in cannot be found ({error.strerror}): cd to another") from error


def _open(wish: ImageRequest, plan: "OutputPlan") -> "SourceListing":
    from detcli.engine.listing import SourceListing
    from detcli.sources.source import DEFAULT_MAX_PIXELS, SourceSettings, open_source

    settings = SourceSettings(
        recursive=not wish.no_recursive,
        extensions=tuple(suffix.lower().lstrip(".") for suffix in wish.ext) if wish.ext else None,
        exclude=wish.exclude,
        outputs=plan.paths,
        files_from=wish.files_from,
        null_separated=wish.null_separated,
        limit=wish.limit,
        max_pixels=wish.max_pixels or DEFAULT_MAX_PIXELS,
    )
    source = SourceListing(open_source(wish.sources, settings))
    if source.is_empty():
        names = ", ".join(f"'{name}'" for name in (*wish.sources, *([wish.files_from] if wish.files_from else [])))
        raise InputError(f"there are no images in {names}; 'detcli video' takes videos")
    return source


def _run(console: Console, wish: ImageRequest, plan: "OutputPlan", source: "SourceListing") -> int:
    from detcli.checkpoints.hub.locate_model import repository_of

    repository_of(wish.model)  # a slip in the name is told before torch is imported
    from detcli.cli.detect.summary import closing
    from detcli.cli.framework.progress import RunProgressBar
    from detcli.cli.framework.signals import stopping
    from detcli.engine.load_model import load
    from detcli.engine.open_outputs import open_sinks
    from detcli.pipeline.run import FailurePolicy, RunStats, StopSignal, run
    from detcli.sinks.sink import remarks
    from detcli.structures.frame import FailedFrame, Frame

    detector = load(console, wish, plan)
    started = time.monotonic()
    tally, stop = RunStats(), StopSignal()
    with ExitStack() as stack:
        opened = stack.enter_context(open_sinks(console, wish, plan, detector))
        stack.enter_context(stopping(console, stop))
        done = opened.replay(source, tally)
        progress = stack.enter_context(RunProgressBar(console, done=done, count=source.count))

        def on_result(frame: Frame | FailedFrame, detections: Any) -> None:
            failed = isinstance(detections, FailedFrame)
            progress.advance(failed=failed)
            if failed:
                console.failure(frame.origin.file, detections.code, detections.message)

        try:
            run(
                source,
                detector,
                opened.sinks,
                workers=wish.workers,
                tally=tally,
                limits=FailurePolicy(wish.strict, wish.max_failures),
                stop=stop,
                on_result=on_result,
            )
        except TooManyFailuresError:
            closing(console, tally, plan, seconds=time.monotonic() - started)
            raise
    for remark in remarks(opened.sinks):
        console.warning(remark)
    closing(console, tally, plan, seconds=time.monotonic() - started)
    return tally.exit_code
