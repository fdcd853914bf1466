"""`detcli models convert`: convert an original checkpoint to a folder that detcli and transformers load."""

import os
from collections import Counter
from pathlib import Path

import click

from detcli.checkpoints.model_files import Variant
from detcli.cli.framework.assignments import parse_assignments
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import model_options, output_options
from detcli.cli.framework.options.help_sections import option
from detcli.cli.framework.text import counted, megabytes
from detcli.errors import UnknownModelError
from detcli.io.outputs import IfExists, prepare_output

_MISSING = "Missing metadata"
_OWN_FIELDS = ("head_activation_function", "lqe_activation_function")  # of config.json; transformers ignores them
_FIELD = "a field of config.json is set as NAME=VALUE, such as num_queries=500"


@click.command(
    cls=Command,
    examples=[
        UsageExample("a released D-FINE checkpoint", "detcli models convert dfine_s_coco.pth -o dfine-s/"),
        UsageExample(
            "a model trained on your own classes",
            "detcli models convert best_stg2.pth -o mine/ --labels cat,dog,traffic-light",
        ),
        UsageExample(
            "class names from an annotation file", "detcli models convert best_stg2.pth -o mine/ --labels train.json"
        ),
        UsageExample(
            "a DETR whose file does not tell whether it is DC5", "detcli models convert detr.pth -o detr/ --no-dc5"
        ),
        UsageExample(
            "a Table Transformer for the structure of tables", "detcli models convert TATR-v1.1-All-msft.pth -o tables/"
        ),
        UsageExample(
            "a D-FINE that was trained with 500 queries",
            "detcli models convert best_stg2.pth -o mine/ --field num_queries=500",
        ),
        UsageExample("a DEIM-D-FINE", "detcli models convert deim_dfine_n.pth -o deim-n/ --variant deim"),
        UsageExample("use the model", "detcli detect images/ -m mine/"),
    ],
)
@click.argument("weights", type=click.Path(path_type=Path))
@output_options.output_option(
    folder=True, required=True, metavar="FOLDER", description="Folder of the converted model."
)
@output_options.replacing
@option(
    "--labels",
    section=_MISSING,
    metavar="LIST|FILE",
    standard="COCO or Objects365, by the number of classes",
    help="Class names by index: a comma-separated list, or a file (one name per line, JSON, COCO annotations).",
)
@option(
    "--dc5/--no-dc5",
    section=_MISSING,
    default=None,
    standard="as the checkpoint says",
    help="Whether the backbone of a DETR or Deformable DETR is dilated (DC5).",
)
@model_options.imgsz_option(
    section=_MISSING,
    standard="as the checkpoint says",
    description="Input size that the model was trained with: 640, HxW or H W.",
)
@option(
    "--field",
    "fields",
    section=_MISSING,
    multiple=True,
    metavar="NAME=VALUE",
    help="A field of config.json that the checkpoint does not tell, such as num_queries=500; repeatable.",
)
@option(
    "--variant",
    section=_MISSING,
    type=model_options.VARIANT,
    metavar="NAME",
    standard="dfine, unless the file tells",
    help=model_options.VARIANT_HELP,
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
    fields: tuple[str, ...],
    variant: Variant | None,
) -> None:
    """Convert a checkpoint (.pth) of the original D-FINE, DEIM, RT-DETR, DETR, Table Transformer or Deformable DETR.

    The model is recognized by the names and shapes of its tensors, never by the file name; but a name with deim or rtv4
    asks for --variant, since those have D-FINE's tensors. Of a training checkpoint the EMA weights are used, else the
    model's. What the file does not tell is assumed to be as published, printed, and kept as `assumed` in config.json. The
    file is read in a separate process, and no code in it is run. The folder contains config.json,
    preprocessor_config.json and model.safetensors, which transformers loads too.
    Results are converted by 'detcli convert'.
    """
    policy = "overwrite" if yes else if_exists
    if policy == "skip" and output.is_dir() and any(not entry.name.startswith(".") for entry in output.iterdir()):
        console.say(f"'{output}' exists; skipped")
        return
    prepare_output(output, if_exists=policy, folder=True, resumable=False)
    if not weights.exists():
        raise UnknownModelError(f"no such file: '{weights}'")
    names = _names(labels)
    for name in _repeated(names or ()):
        console.warning(f"--labels: '{name}' is the name of several classes; results do not distinguish them by name")
    from detcli.engine.model_files.local_checkpoints import ConversionHints, convert_original

    given = parse_assignments("--field", fields, _FIELD)
    hints = ConversionHints(labels=names, dilation=dc5, image_size_hw=imgsz, fields=given, variant=variant)
    model = convert_original(weights, output, hints)
    checkpoint = model.checkpoint
    for note in checkpoint.notes:
        console.say(note)
    if any(checkpoint.config.get(field, "relu") != "relu" for field in _OWN_FIELDS):
        console.say(
            f"'{output}': transformers has no field for the activations of the decoder's heads, and computes them with ReLU: "
            "its results differ"
        )
    size = (output / "model.safetensors").stat().st_size
    first, last = model.labels.names[0], model.labels.names[-1]
    classes = counted(len(model.labels), "class", "classes")
    shown = f"'{first}'" if len(model.labels) == 1 else f"'{first}' to '{last}'"
    console.say(
        f"'{output}': model with {classes} ({shown}), {megabytes(size)}",
        folder=str(output),
        family=model.family.name,
        classes=len(model.labels),
        sha256_of_original=checkpoint.sha256,
    )


def _repeated(names: tuple[str, ...]) -> list[str]:
    """Names that occur more than once, except the placeholder for unused indices."""
    return [name for name, count in Counter(names).items() if count > 1 and name != "N/A"]


def _names(labels: str | None) -> tuple[str, ...] | None:
    """Class names of --labels: those in the file, or the comma-separated list."""
    if labels is None:
        return None
    path = Path(labels)
    # A list of names may be longer than any file name, for which pathlib raises.
    if os.path.lexists(labels) and not os.path.isdir(labels):  # noqa: PTH112
        from detcli.io.documents.class_names import read_class_names

        return read_class_names(path)
    names = tuple(name.strip() for name in labels.split(","))
    if not all(names) or ("," not in labels and path.suffix in (".txt", ".json", ".names")):
        raise click.BadParameter(f"{labels[:80]!r} is neither a file nor a comma-separated list of names")
    return names
