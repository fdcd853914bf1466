"""`--dry-run`: which images would be read, with which model, on which device, and where results would go.

The paths go to standard output, as `--files-from` takes them; all else to standard error. Nothing is written, no
network is run and nothing is fetched.
"""

import sys

from detcli.checkpoints.hub.locate_model import cached, repository_of
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted
from detcli.engine.listing import SourceListing
from detcli.engine.outputs import OutputPlan
from detcli.engine.request import DetectRequest, ImageRequest
from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import open_output


def dry_run(console: Console, wish: ImageRequest, plan: OutputPlan, source: SourceListing) -> int:
    """List the images and say what would be done; returns the exit code."""
    machine = machine_of(wish)  # what is wrong with them is told before any output
    output = open_output(sys.stdout.buffer, in_place=True)
    end = b"\0" if wish.null_separated else b"\n"
    on_screen = is_terminal(sys.stdout)
    count = 0
    for image in source:
        file = image.origin.file
        output.write(to_bytes(escape(file) if on_screen else file) + (b"\n" if on_screen else end))
        count += 1
    output.commit()
    console.say(f"would look at {counted(count, 'image')}", images=count)
    say_machine(console, machine)
    say_outputs(console, wish, plan)
    return 0


def say_outputs(console: Console, wish: DetectRequest, plan: OutputPlan) -> None:
    """Say where results would go."""
    if wish.pad:
        console.say("batches: images of different sizes may share one, padded")
    for target in plan.targets:
        console.say(f"output: {target.name} ({target.format})")
        if target.beside is not None:
            console.say(f"output: {target.beside}/ (images of ids)")
    drawn = "images with boxes" if plan.task is None else "images with segments"
    for folder, what in ((plan.images, drawn), (plan.crops, "crops"), (plan.masks, "label maps")):
        if folder is not None:
            console.say(f"output: {folder}/ ({what})")
    for film in plan.films:
        console.say(f"output: {film.path} (video with boxes)")


def machine_of(wish: DetectRequest) -> tuple[str, str]:
    """The model that would be run and the device, in words; nothing is fetched. Raises DetcliError for a wrong one."""
    return _model(wish), _device(wish)


def say_machine(console: Console, machine: tuple[str, str]) -> None:
    """Say what would run."""
    console.say(f"model: {machine[0]}")
    console.say(f"device: {machine[1]}")


def _model(wish: DetectRequest) -> str:
    repository = repository_of(wish.model)
    if repository is None:
        return f"'{wish.model}' on this machine"
    files = cached(wish.model, revision=wish.revision, cache_dir=wish.cache_dir)
    where = f"at '{files.folder}'" if files is not None else "not on this machine; it would be fetched"
    return f"{wish.model} ({repository}), {where}"


def _device(wish: DetectRequest) -> str:
    from detcli.runtimes.torch_runtime import choose_device

    return str(choose_device(wish.device))
