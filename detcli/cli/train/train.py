"""`detcli train`: data and a model become a recipe, a plan, and a run that is told of while it goes.

Checks run from cheap to dear: flags, then the folder of the run, then the recipe, the data, and only then the model.
"""

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.train import train_options
from detcli.cli.train.train_options import TrainRequest
from detcli.errors import UsageError
from detcli.io.outputs import prepare_output

_LIBRARIES = ("scipy", "matplotlib")  # of the extra `train`


@click.command(
    cls=Command,
    examples=[
        UsageExample("a COCO folder with its train and val parts", "detcli train --data images/ -o runs/first"),
        UsageExample(
            "two annotation files, a larger model", "detcli train -m dfine-m --data a.json --val b.json -o runs/m"
        ),
        UsageExample(
            "shorter, and in little memory", "detcli train --data d/ --epochs 20 -b 16 --accumulate 4 -o runs/short"
        ),
        UsageExample(
            "look at the data and the plan first; keep the recipe", "detcli train --data d/ --dry-run > recipe.toml"
        ),
        UsageExample("continue with a run that was interrupted", "detcli train --data d/ -o runs/first --resume"),
        UsageExample(
            "four GPUs", "torchrun --nproc-per-node 4 -m detcli train --data d/ --precision bf16 -o runs/four"
        ),
        UsageExample(
            "boxes and masks of things and stuff", "detcli train -m detr-r50-panoptic --data panoptic.json -o runs/p"
        ),
        UsageExample(
            "drawn images, to see it work", "detcli train --data shapes:0:500 --val shapes:1:100 -o runs/shapes"
        ),
    ],
)
@train_options.data
@options.model
@train_options.scratch
@options.where_models_are
@train_options.recipe
@train_options.speed
@train_options.output
@options.option(
    "-n", "--dry-run", section=options.RUN, is_flag=True, help="Check the data, say what would be done, and do nothing."
)
@options.progress
@pass_console
def train(console: Console, /, **given: Any) -> int:
    """Fine-tune a model on annotated images.

    DATA is a COCO annotation file, of boxes or panoptic, a folder with train and val parts of them, a YOLO folder or its
    data.yaml, or 'shapes': drawn images. Classes are those of --data; what the model knows of classes with the same
    names is kept.

    The run is a folder: the models best and last in it are what --model takes. Ctrl-C saves the state, and --resume
    continues to the same end. The recipe of each model is the published one; --recipe, the flags and --set change it.
    """
    wish = TrainRequest(**given)
    if wish.output is None and not wish.dry_run:
        raise UsageError("where should the run go? -o names a folder for it")
    if wish.output == Path("-"):
        raise UsageError("a run is a folder, and standard output is none: -o names it")
    _check_libraries()
    if wish.output is not None and not _is_wanted(console, wish, wish.output):
        return 0
    speaks = os.environ.get("RANK", "0") == "0"  # of several processes, torchrun's first
    console.quiet = console.quiet or not speaks
    from detcli.cli.train.train_plan import prepare, show_plan

    plan = prepare(console, wish)
    show_plan(console, plan)
    if wish.dry_run or wish.output is None:
        click.echo(plan.recipe.to_toml() if speaks else "", nl=False)
        return 0
    from detcli.cli.framework.signals import stopping
    from detcli.cli.train.train_view import TrainView, train_closing
    from detcli.runtimes.process import keep_freed_memory
    from detcli.structures.stop_signal import StopSignal
    from detcli.training import training_loop as loop

    keep_freed_memory()  # before the first large tensor

    started, stop = time.monotonic(), StopSignal()
    with stopping(console, stop, what="finishing the step in hand and saving"), TrainView(console) as view:
        result = loop.train(plan.job(wish, wish.output), observer=view, stop=stop)
    segments = plan.start.family.has_masks(plan.start.config)
    return train_closing(console, result, seconds=time.monotonic() - started, segments=segments)


def _check_libraries() -> None:
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(
            f"training needs {' and '.join(missing)}, which {verb} not installed: pip install 'detcli[train]'"
        )


def _is_wanted(console: Console, wish: TrainRequest, run: Path) -> bool:
    """Whether to train. Raises UsageError or OutputError for a folder that the run cannot have."""
    read = (wish.data, wish.val, wish.images, wish.val_images, wish.model)
    if any(given is not None and _is_within(given, run) for given in read):
        raise UsageError(f"'{run}' holds what would be read, and is to be written to; write somewhere else")
    if wish.resume:
        return True
    if_exists = "overwrite" if wish.yes else wish.if_exists
    if run.is_dir() and _is_free(run):
        return True
    if if_exists == "skip" and run.is_dir():
        console.say(f"'{run}' exists; skipped")
        return False
    return prepare_output(run, if_exists=if_exists, folder=True)


def _is_free(run: Path) -> bool:
    from detcli.training.state.run_folder import RunFolder

    return RunFolder(run).is_free()


def _is_within(given: str | Path, folder: Path) -> bool:
    path = Path(given)
    try:
        return path.exists() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False
