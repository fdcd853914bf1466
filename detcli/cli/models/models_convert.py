"""`detcli models convert`: weights of an original repository as a folder that detcli and transformers read."""

from collections import Counter
from pathlib import Path

import click

from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, megabytes
from detcli.errors import UnknownModelError
from detcli.io.outputs import IfExists, prepare_output

_TOLD = "What the file does not tell"


@click.command(
    cls=Command,
    examples=[
        UsageExample("a D-FINE as it was released", "detcli models convert dfine_s_coco.pth -o dfine-s/"),
        UsageExample(
            "one trained on data of your own",
            "detcli models convert best_stg2.pth -o mine/ --labels cat,dog,traffic-light",
        ),
        UsageExample(
            "its names from the annotations", "detcli models convert best_stg2.pth -o mine/ --labels train.json"
        ),
        UsageExample("a DETR, whose file does not say what it is", "detcli models convert detr.pth -o detr/ --no-dc5"),
        UsageExample("use it", "detcli detect images/ -m mine/"),
    ],
)
@click.argument("weights", type=click.Path(path_type=Path))
@options.option(
    "-o",
    "--output",
    section=options.OUTPUT,
    required=True,
    type=options.NEW_FOLDER,
    metavar="FOLDER",
    help="Where it goes.",
)
@options.replacing
@options.option(
    "--labels",
    section=_TOLD,
    metavar="LIST|FILE",
    standard="those of COCO or Objects365, by their number",
    help="Names of the classes, by index: with commas between them, or a file (a name a line, JSON, COCO annotations).",
)
@options.option(
    "--dc5/--no-dc5",
    section=_TOLD,
    default=None,
    standard="as its training run says",
    help="The backbone of a DETR or Deformable DETR is dilated (DC5).",
)
@options.option(
    "--imgsz",
    section=_TOLD,
    nargs=2,
    type=options.PositiveIntType(min=1),
    metavar="H W",
    standard="as it was trained",
    help="Size of the images it was trained on.",
)
@pass_console
def convert(
    console: Console,
    *,
    weights: Path,
    output: Path,
    if_exists: IfExists,
    yes: bool,
    labels: str | None,
    dc5: bool | None,
    imgsz: tuple[int, int] | None,
) -> None:
    """Make a model of weights (.pth) of the original D-FINE, DETR or Deformable DETR.

    What they are is recognised by their names and shapes, never by the file's name. Of a training run the moving
    average is taken, else the model. The file is read in a process of its own, and nothing in it is ever run. The folder
    holds config.json, preprocessor_config.json and model.safetensors, which transformers reads too.
    """
    policy = "overwrite" if yes else if_exists
    if policy == "skip" and output.is_dir() and any(not entry.name.startswith(".") for entry in output.iterdir()):
        console.say(f"'{output}' is left as it is")
        return
    prepare_output(output, if_exists=policy, folder=True, resumable=False)
    if not weights.exists():
        raise UnknownModelError(f"there is no file '{weights}'")
    names = _names(labels)
    for name in _repeated(names or ()):
        console.warning(f"--labels: '{name}' names more than one class, and results will not tell them apart by name")
    from detcli.engine.model_files import ConversionHints, convert_original

    read = convert_original(weights, output, ConversionHints(labels=names, dilation=dc5, image_size_hw=imgsz))
    made = read.checkpoint
    for note in made.notes:
        console.say(note)
    size = (output / "model.safetensors").stat().st_size
    first, last = read.labels.names[0], read.labels.names[-1]
    classes = counted(len(read.labels), "class", "classes")
    shown = f"'{first}'" if len(read.labels) == 1 else f"'{first}' to '{last}'"
    console.say(
        f"'{output}' is a model of {classes} ({shown}): {megabytes(size)}",
        folder=str(output),
        family=read.family.name,
        classes=len(read.labels),
        sha256_of_original=made.sha256,
    )


def _repeated(names: tuple[str, ...]) -> list[str]:
    """Names that stand twice, but for that of numbers that no class has."""
    return [name for name, count in Counter(names).items() if count > 1 and name != "N/A"]


def _names(labels: str | None) -> tuple[str, ...] | None:
    """What --labels gives: the names in a file of that name, else the words between its commas."""
    if labels is None:
        return None
    path = Path(labels)
    if path.is_file():
        from detcli.io.class_names import read_class_names

        return read_class_names(path)
    names = tuple(name.strip() for name in labels.split(","))
    if not all(names) or ("," not in labels and path.suffix in (".txt", ".json", ".names")):
        raise click.BadParameter(f"{labels[:80]!r} is neither a file nor names with commas between them")
    return names
