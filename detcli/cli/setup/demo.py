"""`detcli demo`: an offline run on synthetic images with the bundled model."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import output_options
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES, GROUND_TRUTH
from detcli.engine.observer import Observer
from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.outputs import IfExists, prepare_output

if TYPE_CHECKING:
    from detcli.engine.model_files.load_model import Detector
    from detcli.engine.requests.run_request import ImageRequest

MODEL = "shapes"
FOLDER = Path("detcli-demo")


@click.command(
    cls=Command,
    examples=[
        UsageExample("run the demo in detcli-demo/", "detcli demo"),
        UsageExample("use another folder, overwrite it", "detcli demo -o elsewhere -y"),
    ],
)
@output_options.output_option(
    folder=True, metavar="DIR", default=str(FOLDER), description="Folder of the images and results."
)
@output_options.replacing
@pass_console
def demo(console: Console, *, output: Path, if_exists: IfExists, yes: bool) -> int:
    """Run an offline demo on synthetic images.

    Needs no network and no download: the images and the model 'shapes' are bundled with detcli. The folder then
    contains the images with their ground truth, the annotated images, and the detections as COCO and as CSV.
    """
    if not _is_wanted(console, output, "overwrite" if yes else if_exists):
        return 0
    from detcli.cli.detect.run_images import ImageRunView
    from detcli.cli.detect.standard_output import TerminalOutput
    from detcli.engine.model_files.load_model import load_model
    from detcli.engine.process import tune_process
    from detcli.engine.requests.run_request import ComputeSettings, DetectionSettings, ModelSettings
    from detcli.engine.run import run

    compute = ComputeSettings(device="cpu")
    tune_process(compute)
    model = ModelSettings(model=MODEL, offline=True)
    detector = load_model(model, DetectionSettings(), compute, observer=_Loading(console))  # may be missing
    images = copy_images(output / "images")
    with ImageRunView(console) as view:
        stdout = TerminalOutput(console, default_format="table")
        stats = run(_request(detector, images, output), observer=view, stop=view.stop, stdout=stdout)
        view.show_summary()
    for line in _next(output):
        console.say(line)
    return stats.exit_code


class _Loading(Observer):
    """Says what the user waits for while the model is loaded."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_preparation(self, message: str) -> None:
        """Say it."""
        self._console.say(message)


def copy_images(folder: Path) -> list[Path]:
    """Write the bundled images and their ground truth, which is COCO annotations. Raises OutputError.

    Returns the paths of the images, in the order of their image ids from 1.
    """
    for bundled in sorted(BUNDLED_IMAGES.iterdir()):
        write_atomically(folder / bundled.name, bundled.read_bytes())
    images = json.loads((BUNDLED_IMAGES / GROUND_TRUTH).read_bytes())["images"]
    return [folder / image["file_name"] for image in images]


def _is_wanted(console: Console, folder: Path, if_exists: IfExists) -> bool:
    """Whether the demo runs. Raises OutputError for an existing folder, or a path that cannot be a folder."""
    with os_errors_as_output_errors(folder):
        there = folder.is_dir()
    if there and if_exists == "error":
        raise OutputError(f"'{folder}' already exists: use -y to overwrite it, or -o DIR for another folder")
    if there and if_exists == "skip":
        console.say(f"'{folder}' exists; skipped")
        return False
    return prepare_output(folder, if_exists="overwrite", folder=True)


def _request(detector: "Detector", images: list[Path], output: Path) -> "ImageRequest":
    """Detect in the images, and write a table, COCO, CSV and annotated images."""
    from detcli.engine.requests.run_request import ImageInputSettings, ImageRequest, ModelSettings, OutputSettings

    return ImageRequest(
        input=ImageInputSettings(sources=tuple(str(path) for path in images)),
        model=ModelSettings(model=detector),
        output=OutputSettings(
            outputs=("-", str(output / "detections.json"), str(output / "detections.csv")),
            save_images=output / "annotated",
            if_exists="overwrite",
        ),
    )


def _next(output: Path) -> list[str]:
    """What to try next, one command per line."""
    results, ground_truth = (shlex.quote(str(output / name)) for name in ("detections.json", f"images/{GROUND_TRUTH}"))
    return [
        f"evaluate the results:  detcli eval {results} --gt {ground_truth}",
        "use your own images:   detcli detect photos/ --save-images annotated/",
        "train your classes:    detcli train --data dataset/ -o runs/first",
    ]
