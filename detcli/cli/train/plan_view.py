"""What `detcli train` shows before the first step: datasets, starting point and plan."""

import os

from detcli.cli.data.dataset_view import show_dataset
from detcli.cli.detect.run_view import RunView
from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration, number
from detcli.datasets.dataset import DatasetSummary
from detcli.engine.requests.training_request import TrainingObserver, TrainingPlan
from detcli.training.recipes.recipe import Recipe


class PlanView(RunView, TrainingObserver):
    """Prints the datasets and the plan of a training run, downloads and warnings."""

    def on_dataset(self, part: str, report: DatasetSummary) -> None:
        """Describe a dataset and its issues."""
        show_dataset(self.console, part, report)
        self.show_loading()

    def on_image_comparison(self, images: int) -> None:
        """Say what takes a while."""
        self.console.status(f"comparing {counted(images, 'image')} of training and validation data")

    def on_training_plan(self, plan: TrainingPlan) -> None:
        """Say where training starts and what the recipe comes to."""
        for note in plan.start.notes:
            self.console.say(note)
        recipe, parameters, steps = plan.recipe, plan.parameters, plan.steps_per_epoch
        size = f"{number(parameters)} parameters, " if parameters else ""
        scale = recipe.rate_scale
        self.console.say(
            f"plan: {size}{counted(recipe.epochs, 'epoch')} of {counted(steps, 'step')}, batch size "
            f"{number(recipe.batch)}, {_sizes(recipe)}, lr {recipe.lr * scale:.3g}, backbone lr "
            f"{recipe.backbone_lr * scale:.3g}; on {plan.device} in {recipe.precision}",
            parameters=parameters or None,
            steps_per_epoch=steps,
            recipe=recipe.as_mapping(),
        )


def show_time(console: Console, plan: TrainingPlan) -> None:
    """Print how long the steps of a plan take, measured on a few images; or why it is not known."""
    obstacle = "of an interrupted run" if plan.request.resume else "of several processes" if _has_processes() else None
    if obstacle is not None:
        console.say(f"time: the steps {obstacle} are not measured")
        return
    console.status("measuring a step")
    try:
        step = plan.measure_step()
    finally:
        console.clear_status()
    epochs, steps = plan.recipe.epochs, plan.steps_per_epoch
    seconds = epochs * steps * step.seconds
    console.say(
        f"time: about {duration(seconds)} for {counted(epochs, 'epoch')}, at {step.seconds:.3g} s per step on "
        f"{plan.device}, measured on {counted(step.images, 'image')} without evaluation",
        seconds=round(seconds, 1),
        seconds_per_step=round(step.seconds, 4),
    )


def _has_processes() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _sizes(recipe: Recipe) -> str:
    if not recipe.shortest_edges:
        height, width = recipe.image_size
        return f"images of {height} x {width}" + ", letterboxed" * (recipe.resize == "letterbox")
    smallest, largest = min(recipe.shortest_edges), max(recipe.shortest_edges)
    shortest = f"{largest}" if smallest == largest else f"{smallest} to {largest}"
    return f"images with a shortest edge of {shortest} (longest edge at most {recipe.longest_edge})"
