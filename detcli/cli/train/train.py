"""`detcli train`: plans a training run, starts it, and shows what happens."""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import model_options, run_options
from detcli.cli.train import train_options
from detcli.errors import UsageError

if TYPE_CHECKING:
    from detcli.engine.requests.training_request import TrainingPlan


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
            "check the data and the plan first; save the recipe", "detcli train --data d/ --dry-run > recipe.toml"
        ),
        UsageExample("find a learning rate for your data", "detcli train --data d/ --find-lr lr.png > recipe.toml"),
        UsageExample("see the augmented images with their boxes", "detcli train --data d/ --show-batch batch.jpg"),
        UsageExample("continue with a run that was interrupted", "detcli train --data d/ -o runs/first --resume"),
        UsageExample("four GPUs", "detcli train --data d/ --device 0,1,2,3 --precision bf16 -o runs/four"),
        UsageExample(
            "boxes and masks of things and stuff", "detcli train -m detr-r50-panoptic --data panoptic.json -o runs/p"
        ),
        UsageExample(
            "synthetic images, to try it out", "detcli train --data shapes:0:500 --val shapes:1:100 -o runs/shapes"
        ),
    ],
)
@train_options.data
@model_options.model
@train_options.scratch
@train_options.teacher
@model_options.model_location
@train_options.recipe
@train_options.speed
@train_options.output
@train_options.find_lr
@train_options.show_batch
@run_options.dry_run_option(description="Check the data, and show the plan and how long it takes, but do not train.")
@run_options.progress
@pass_console
def train(console: Console, /, **given: Any) -> int:
    """Fine-tune a model on annotated images.

    DATA is a COCO annotation file (boxes or panoptic), a folder with training and validation annotation files, a folder
    of YOLO, Pascal VOC or LabelMe, XML of CVAT, an export of Label Studio, a .tar of WebDataset, a .parquet file, or 'shapes': synthetic images.
    The classes are those of --data; weights of classes with the same names are kept.

    --output is the run folder; use RUN/best or RUN/last with --model. Ctrl-C saves the state, and --resume continues with
    the same final result. Each model has its published recipe; --recipe, the options and --set change it.
    """
    is_first = os.environ.get("RANK", "0") == "0"  # of several processes, torchrun's first
    if not is_first:
        console.quiet = True
    reading = f"reading data {', '.join(given['data'])}"
    console.status(reading)  # torch is imported next
    from detcli.cli.train.plan_view import PlanView
    from detcli.cli.train.train_request import training_request

    request = training_request(given)
    dry_run, plot, grid = given["dry_run"], given["find_lr"], given["show_batch"]
    _check_trials(given)
    if plot is not None:
        from detcli.engine.training.find_lr import prepare_plot

        if not prepare_plot(plot, if_exists=request.if_exists, argument="find_lr"):
            console.say(f"'{plot}' exists; skipped")
            return 0
    if grid is not None:
        from detcli.engine.training.show_batch import prepare_grid

        if not prepare_grid(grid, if_exists=request.if_exists, argument="show_batch"):
            console.say(f"'{grid}' exists; skipped")
            return 0
    if request.output is None and not dry_run and plot is None and grid is None:
        raise UsageError("missing `output`: the folder of the run")
    with PlanView(console, model=request.model_name, first=reading) as view:
        from detcli.engine.training.train import prepare_training

        plan = prepare_training(request, observer=view)
    if plan is None:
        return 0
    if plot is not None and not dry_run:
        from detcli.cli.train.rate_search_view import show_rate_search

        return show_rate_search(console, plan, plot)
    if grid is not None and not dry_run:
        from detcli.cli.train.batch_preview_view import show_preview

        return show_preview(console, plan, grid, images=given["show_images"], epoch=given["show_epoch"] or 1)
    if dry_run:
        from detcli.cli.train.plan_view import show_time

        if not console.quiet:
            show_time(console, plan)
        click.echo(plan.recipe.to_toml() if is_first else "", nl=False)
        return 0
    return _run(console, plan)


def _check_trials(given: Mapping[str, Any]) -> None:
    """Raise UsageError for options that do nothing without another one, or exclude each other."""
    if given["show_batch"] is None:
        for name in ("show_images", "show_epoch"):
            if given[name] is not None:
                raise UsageError(f"`{name}` is for `show_batch`, the image file to write")
    elif given["find_lr"] is not None:
        raise UsageError("`find_lr` and `show_batch` exclude each other: run them one after the other")
    if given["find_lr"] is not None and given["resume"]:
        raise UsageError("a learning rate is searched for a new run: leave out `resume`")


def _run(console: Console, plan: "TrainingPlan") -> int:
    """Train, show what happens, and print the summary."""
    from detcli.cli.framework.signals import stopping
    from detcli.cli.train.train_summary import summarize_training
    from detcli.cli.train.train_view import TrainView
    from detcli.engine.process import tune_process
    from detcli.engine.requests.run_settings import ComputeSettings
    from detcli.engine.training.train import run_plan
    from detcli.structures.stop_signal import StopSignal

    tune_process(ComputeSettings())  # before the first large tensor
    started, stop = time.monotonic(), StopSignal()
    with stopping(console, stop, action="finishing the current step and saving"), TrainView(console) as view:
        result = run_plan(plan, on_event=view, stop=stop)
    return summarize_training(console, result, seconds=time.monotonic() - started, has_masks=plan.has_masks)
