"""`--dry-run`: which images would be read, with which model, on which device, where results would go, and how long it takes.

The paths go to standard output, as `--files-from` takes them; everything else to standard error. Nothing is written and
nothing is downloaded. A model on this machine processes the first images, to measure its speed.
"""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detcli.cli.detect.run_view import RunView, name_of_model
from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.detect.video.video_report import describe
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted, duration, rate
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import ImageRequest, RunRequest, VideoRequest
from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import open_output

if TYPE_CHECKING:
    from detcli.engine.inputs.preview import ModelPreview, RunPreview

_OBSTACLES = {
    "model": "the model is not on this machine",
    "live": "a source is live",
    "inputs": "the inputs are not files on this machine",
}


def dry_run_images(console: Console, request: ImageRequest, stdout: TerminalOutput) -> int:
    """List the images and show what would be done; returns the exit code."""
    from detcli.engine.inputs.preview import preview

    with (
        RunView(console, model=name_of_model(request.model), first="listing images") as view,
        preview(request, observer=view, stdout=stdout) as planned,
    ):
        if planned is None:
            return 0
        files = _print_files(planned, b"\0" if request.input.null_separated else b"\n")
        console.say(f"would process {counted(files.count, 'image')}", images=files.count)
        view.on_skipped_entries(planned.skipped)
        _show_plan(console, request, planned)
        _show_time(console, view, planned, files.count, "image", is_local=not files.has_addresses)
    return 0


def dry_run_videos(console: Console, request: VideoRequest, stdout: TerminalOutput, view: RunView) -> int:
    """List the videos and show what would be done; returns the exit code."""
    from detcli.engine.inputs.preview import preview

    with preview(request, observer=view, stdout=stdout) as planned:
        if planned is None:
            return 0
        _print_files(planned, b"\n")
        view.on_skipped_entries(planned.skipped)
        for video in planned.videos:
            if video.info is not None:
                console.say(f"would process '{video.file}': {describe(video, request)}")
        for video in planned.videos:
            if video.error is not None:
                console.failure(video.file, video.error.code, video.error.reason)
        _show_plan(console, request, planned)
        _show_time(console, view, planned, planned.count(), "frame")
    return 0


@dataclass(frozen=True, slots=True)
class _PrintedFiles:
    """How many paths were printed, and whether any of them is an address."""

    count: int
    has_addresses: bool


def _print_files(planned: "RunPreview", end: bytes) -> _PrintedFiles:
    """Print the paths to standard output, a line each on a terminal."""
    output = open_output(sys.stdout.buffer, in_place=True)
    on_screen = is_terminal(sys.stdout)
    count, has_addresses = 0, False
    for file in planned.files():
        output.write(to_bytes(escape(file) if on_screen else file) + (b"\n" if on_screen else end))
        count += 1
        has_addresses = has_addresses or "://" in file
    output.commit()
    return _PrintedFiles(count, has_addresses)


def _show_time(
    console: Console, view: RunView, planned: "RunPreview", count: int | None, unit: str, *, is_local: bool = True
) -> None:
    """Show how long the run may take, measured on its first images; or why it is not known."""
    if count == 0 or console.quiet:
        return
    obstacle = planned.obstacle or (None if is_local else "inputs")
    if obstacle is not None:
        console.say(f"time: not measured, since {_OBSTACLES[obstacle]}")
        return
    console.status("measuring the speed")
    speed = planned.measure(view)
    console.clear_status()
    if speed is None:
        console.say(f"time: not measured, since no {unit} can be read")
        return
    shown = f"{rate(speed.per_second, f'{unit}s')} on {speed.device}, measured on {counted(speed.images, unit)}"
    if count is None:
        console.say(f"time: {shown}", per_second=round(speed.per_second, 2))
        return
    seconds = count / speed.per_second
    facts = {"seconds": round(seconds, 1), "per_second": round(speed.per_second, 2)}
    console.say(
        f"time: about {duration(seconds)} for {counted(count, unit)}, at {shown} without writing results", **facts
    )


def _show_plan(console: Console, request: RunRequest, planned: "RunPreview") -> None:
    """Show model, device and outputs."""
    console.say(f"model: {_in_words(planned.model)}")
    console.say(f"device: {planned.device}")
    if request.compute.pad:
        console.say("batches: images of different sizes may share one, padded")
    _show_outputs(console, planned.plan)


def _show_outputs(console: Console, plan: OutputPlan) -> None:
    for target in plan.targets:
        console.say(f"output: {target.name} ({target.format})")
        if target.extra_folder is not None:
            console.say(f"output: {target.extra_folder}/ (PNGs with segment ids)")
    for table in plan.tables:
        console.say(f"output: {table.path} ({table.holds})")
    for kept in plan.kept_folders:
        console.say(f"output: {kept}/ (a part for each chunk)")
    for folder, what in ((plan.images, "annotated images"), (plan.crops, "crops"), (plan.masks, "label maps")):
        if folder is not None:
            console.say(f"output: {folder}/ ({what})")
    for video in plan.videos:
        console.say(f"output: {video.path} (annotated video)")


def _in_words(model: "ModelPreview") -> str:
    if model.repository is None:
        return f"'{model.name}' on this machine"
    where = f"at '{model.folder}'" if model.folder is not None else "not on this machine; it would be downloaded"
    return f"{model.name} ({model.repository}), {where}"
