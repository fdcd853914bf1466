"""What a run of training would do: its recipe, its data and where it begins, checked and put in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detcli.checkpoints.catalog import CATALOG, entry_of_repository, shipped
from detcli.checkpoints.documents import read_document
from detcli.checkpoints.files import read_config
from detcli.checkpoints.hub import locate
from detcli.checkpoints.layout import INDEX_SUFFIX, PREPROCESSOR
from detcli.cli.console import Console
from detcli.cli.progress import DownloadProgress
from detcli.cli.train_options import TrainWish
from detcli.cli.train_recipe import wished_recipe
from detcli.cli.words import counted, number
from detcli.datasets.dataset import Dataset, Report, has_part, open_dataset
from detcli.inference.preprocess import Preprocessing
from detcli.models.family import family_of
from detcli.runtimes.eager import choose_device, choose_precision
from detcli.training.job import Job
from detcli.training.recipe import Recipe, recipe_for
from detcli.training.sampling import Sampler
from detcli.training.start import Start, resumed_point, starting_point

_CLASSES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """All of a run before it begins; `val` is None where nothing is judged."""

    recipe: Recipe
    data: Dataset
    val: Dataset | None
    start: Start
    device: str

    def job(self, wish: TrainWish, run: Path) -> Job:
        """What the loop is asked for."""
        overwrite = wish.yes or wish.if_exists == "overwrite"
        return Job(
            recipe=self.recipe,
            family=self.start.family,
            config=self.start.config,
            state=self.start.state,
            preprocessor=self.start.preprocessor,
            data=self.data,
            val=self.val,
            run=run,
            device=wish.device,
            resume=wish.resume,
            if_exists="overwrite" if overwrite else "error",
            workers=wish.workers,
        )


def prepare(console: Console, wish: TrainWish) -> TrainPlan:
    """Make the recipe, open the data and find the model, in this order; what is found of the data is said at once.

    Raises UsageError, DataError, ModelError, HubError, AccessError or OutputError.
    """
    recipe = wished_recipe(_base_recipe(console, wish), wish)
    device = choose_device(wish.device)
    choose_precision(recipe.precision, device)
    data = open_dataset(wish.data, part="train", images=wish.images)
    show_report(console, "data", data.report)
    val = _open_val(console, wish, data)
    start = _start(console, wish, recipe, data)
    divisor = start.family.size_divisor
    Preprocessing.from_json(start.preprocessor, size_divisor=divisor).with_size(recipe.image_size_hw, divisor)
    return TrainPlan(recipe, data, val, start, str(device))


def _start(console: Console, wish: TrainWish, recipe: Recipe, data: Dataset) -> Start:
    if wish.resume and wish.output is not None:
        return resumed_point(wish.output)
    progress = DownloadProgress(console)
    try:
        return starting_point(
            wish.model,
            scratch=wish.scratch,
            names=data.labels.names,
            revision=wish.revision,
            offline=wish.offline,
            cache_dir=wish.cache_dir,
            progress=progress,
            recipe=recipe,
        )
    finally:
        progress.finish()


def show_report(console: Console, what: str, report: Report) -> None:
    """Say what was found in a dataset, and what is odd about it."""
    boxes = sorted(report.boxes_of.items(), key=lambda entry: -entry[1])
    classes = ", ".join(f"{name} {number(count)}" for name, count in boxes[:_CLASSES_SHOWN])
    more = f" and {len(boxes) - _CLASSES_SHOWN} more" if len(boxes) > _CLASSES_SHOWN else ""
    empty = f" ({number(report.empty)} without boxes)" if report.empty else ""
    crowd = f", {counted(report.crowd, 'crowd')}" if report.crowd else ""
    console.say(
        f"{what}: '{report.name}', {counted(report.pictures, 'picture')}{empty}, "
        f"{counted(report.boxes, 'box', 'boxes')}{crowd}; "
        f"{counted(len(report.boxes_of), 'class', 'classes')}: {classes}{more}",
        pictures=report.pictures,
        boxes=report.boxes,
        empty=report.empty,
        crowd=report.crowd,
        boxes_of=dict(report.boxes_of),
    )
    for finding in report.findings:
        console.warning(f"{what}: {finding}")


def show_plan(console: Console, plan: TrainPlan) -> None:
    """Say where training begins and what the recipe comes to."""
    for note in plan.start.notes:
        console.say(note)
    recipe = plan.recipe
    steps = Sampler.of(recipe, len(plan.data)).steps
    parameters = sum(tensor.numel() for tensor in plan.start.state.values())
    size = f"{number(parameters)} parameters, " if parameters else ""
    height, width = recipe.image_size_hw
    console.say(
        f"plan: {size}{counted(recipe.epochs, 'epoch')} of {counted(steps, 'step')}, "
        f"{counted(recipe.batch, 'picture')} of {height} x {width} a step, lr {recipe.lr * _scale(recipe):.3g}, "
        f"of the backbone {recipe.backbone_lr * _scale(recipe):.3g}; on {plan.device} in {recipe.precision}",
        **_facts(recipe, steps, parameters),
    )


def _scale(recipe: Recipe) -> float:
    return recipe.batch / recipe.base_batch


def _facts(recipe: Recipe, steps: int, parameters: int) -> Mapping[str, object]:
    return {"parameters": parameters or None, "steps_per_epoch": steps, "recipe": recipe.as_mapping()}


def _base_recipe(console: Console, wish: TrainWish) -> Recipe:
    """What file and flags change: the recipe of the run to go on with, else the one published for the model."""
    if wish.resume and wish.output is not None and (wish.output / "recipe.toml").is_file():
        return Recipe.read_toml(wish.output / "recipe.toml")
    entry = CATALOG.get(wish.model) or entry_of_repository(wish.model)
    if entry is not None and entry.repository is not None:
        return recipe_for(entry.name, scratch=wish.scratch)
    path = Path(wish.model)
    if path.suffix == ".json" and not path.name.endswith(INDEX_SUFFIX) and not shipped(wish.model):
        config, folder = read_document(path), path.parent
    else:
        folder = _located(console, wish)
        config = read_config(folder)
    recipe = recipe_for(family_of(config).read_config(config), scratch=wish.scratch)
    return recipe.merged({"image_size_hw": _size_of(folder)}) if (folder / PREPROCESSOR).is_file() else recipe


def _located(console: Console, wish: TrainWish) -> Path:
    """The folder of a model that the catalogue does not describe; a repository of the Hub is fetched."""
    progress = DownloadProgress(console)
    try:
        files = locate(
            wish.model, revision=wish.revision, offline=wish.offline, cache_dir=wish.cache_dir, progress=progress
        )
    finally:
        progress.finish()
    return files.folder


def _size_of(folder: Path) -> tuple[int, int]:
    """The picture size of a model on this machine, which it keeps unless told otherwise."""
    preprocessor = read_document(folder / PREPROCESSOR)
    return Preprocessing.from_json(preprocessor, size_divisor=1).size_hw


def _open_val(console: Console, wish: TrainWish, data: Dataset) -> Dataset | None:
    """What to judge by, its classes those of the data."""
    where = wish.val if wish.val is not None else wish.data if has_part(wish.data, "val") else None
    if where is None:
        console.warning("there is nothing to judge by, hence no best model: --val names pictures for it")
        return None
    images = wish.val_images or (wish.images if wish.val is None else None)
    val = open_dataset(where, part="val", images=images, classes=data.labels.names)
    show_report(console, "val", val.report)
    return val
