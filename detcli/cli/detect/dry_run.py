"""`--dry-run`: which images would be read, with which model, on which device, and where results would go.

The paths go to standard output, as `--files-from` takes them; everything else to standard error. Nothing is written, no
network is run and nothing is downloaded.
"""

import sys
from typing import TYPE_CHECKING

from detcli.cli.detect.run_view import RunView
from detcli.cli.detect.standard_output import TerminalOutput
from detcli.cli.detect.video.video_report import describe
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.requests.run_request import ImageRequest, RunRequest, VideoRequest
from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import open_output

if TYPE_CHECKING:
    from detcli.engine.preview import ModelPreview, RunPreview


def dry_run_images(console: Console, request: ImageRequest, stdout: TerminalOutput) -> int:
    """List the images and show what would be done; returns the exit code."""
    from detcli.engine.preview import preview

    with RunView(console, first="listing images") as view, preview(request, observer=view, stdout=stdout) as planned:
        if planned is None:
            return 0
        count = _print_files(planned, b"\0" if request.input.null_separated else b"\n")
        console.say(f"would process {counted(count, 'image')}", images=count)
        _show_plan(console, request, planned)
    return 0


def dry_run_videos(console: Console, request: VideoRequest, stdout: TerminalOutput, view: RunView) -> int:
    """List the videos and show what would be done; returns the exit code."""
    from detcli.engine.preview import preview

    with preview(request, observer=view, stdout=stdout) as planned:
        if planned is None:
            return 0
        _print_files(planned, b"\n")
        for video in planned.videos:
            if video.info is not None:
                console.say(f"would process '{video.file}': {describe(video, request)}")
        for video in planned.videos:
            if video.error is not None:
                console.failure(video.file, video.error.code, video.error.reason)
        _show_plan(console, request, planned)
    return 0


def _print_files(planned: "RunPreview", end: bytes) -> int:
    """Print the paths to standard output, a line each on a terminal; returns their number."""
    output = open_output(sys.stdout.buffer, in_place=True)
    on_screen = is_terminal(sys.stdout)
    count = 0
    for file in planned.files():
        output.write(to_bytes(escape(file) if on_screen else file) + (b"\n" if on_screen else end))
        count += 1
    output.commit()
    return count


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
