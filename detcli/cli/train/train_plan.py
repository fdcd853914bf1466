"""What a run of training would do: its recipe, its data and where it begins, checked and put in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.checkpoints import catalog
from detcli.checkpoints.catalog import shipped
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import INDEX_SUFFIX, PREPROCESSOR
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import DownloadProgressBar
from detcli.cli.framework.text import counted, number
from detcli.cli.train.train_options import TrainRequest
from detcli.cli.train.train_recipe import requested_recipe
from detcli.datasets.dataset import Dataset, DatasetSummary, has_part, open_dataset
from detcli.errors import UsageError
from detcli.inference.preprocess import Preprocessing
from detcli.inference.read_model import describe_model
from detcli.inference.resize_rules import FixedSize, ShortestEdge
from detcli.models.family import FAMILIES, Family, family_of
from detcli.runtimes.torch_runtime import choose_device, choose_precision
from detcli.training.data.sampler import Sampler
from detcli.training.initialization import StartingPoint, resumed_point, starting_point
from detcli.training.recipes.recipe import Recipe, recipe_for, recipe_of, variant_of
from detcli.training.state.model_exporter import training_preprocessing
from detcli.training.training_job import TrainingJob

_CLASSES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """All of a run before it begins; `val` is None where nothing is evaluated."""

    recipe: Recipe
    data: Dataset
    val: Dataset | None
    start: StartingPoint
    device: str

    def job(self, wish: TrainRequest, run: Path) -> TrainingJob:
        """What the loop is asked for."""
        overwrite = wish.yes or wish.if_exists == "overwrite"
        return TrainingJob(
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


def prepare(console: Console, wish: TrainRequest) -> TrainPlan:
    """Make the recipe, open the data and find the model, in this order; what is found of the data is said at once.

    Raises UsageError, DataError, ModelError, HubError, AccessError or OutputError.
    """
    base = _base(console, wish)
    recipe = requested_recipe(base.recipe, wish)
    if recipe.mask_head and not base.learns_masks:
        base.family.with_mask_head(base.config)
    elif wish.masks and not wish.resume:
        raise UsageError(
            f"--masks gives a network its mask head, and '{wish.model}' has one, which learns with the rest: leave it out"
        )
    masks = recipe.mask_head or base.learns_masks
    device = choose_device(wish.device)
    choose_precision(recipe.precision, device)
    data = open_dataset(wish.data, part="train", images=wish.images, masks=masks)
    show_report(console, "data", data.report)
    val = _open_val(console, wish, data, masks=recipe.trains_masks_alone)
    start = _start(console, wish, recipe, data)
    training_preprocessing(start.preprocessor, start.family, recipe)
    return TrainPlan(recipe, data, val, start, str(device))


def _start(console: Console, wish: TrainRequest, recipe: Recipe, data: Dataset) -> StartingPoint:
    if wish.resume and wish.output is not None:
        return resumed_point(wish.output)
    progress = DownloadProgressBar(console)
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


def show_report(console: Console, what: str, report: DatasetSummary) -> None:
    """Say what was found in a dataset, and what is odd about it."""
    boxes = sorted(report.boxes_of.items(), key=lambda entry: -entry[1])
    classes = ", ".join(f"{name} {number(count)}" for name, count in boxes[:_CLASSES_SHOWN])
    more = f" and {len(boxes) - _CLASSES_SHOWN} more" if len(boxes) > _CLASSES_SHOWN else ""
    empty = f" ({number(report.empty)} without boxes)" if report.empty else ""
    crowd = f", {counted(report.crowd, 'crowd')}" if report.crowd else ""
    console.say(
        f"{what}: '{report.name}', {counted(report.images, 'image')}{empty}, "
        f"{counted(report.boxes, 'box', 'boxes')}{crowd}; "
        f"{counted(len(report.boxes_of), 'class', 'classes')}: {classes}{more}",
        images=report.images,
        boxes=report.boxes,
        empty=report.empty,
        crowd=report.crowd,
        boxes_of=dict(report.boxes_of),
    )
    for finding in report.issues:
        console.warning(f"{what}: {finding}")


def show_plan(console: Console, plan: TrainPlan) -> None:
    """Say where training begins and what the recipe comes to."""
    for note in plan.start.notes:
        console.say(note)
    recipe = plan.recipe
    steps = Sampler.of(recipe, len(plan.data)).steps
    parameters = sum(tensor.numel() for tensor in plan.start.state.values())
    size = f"{number(parameters)} parameters, " if parameters else ""
    console.say(
        f"plan: {size}{counted(recipe.epochs, 'epoch')} of {counted(steps, 'step')}, "
        f"{counted(recipe.batch, 'image')} {_sizes(recipe)} a step, lr {recipe.lr * _scale(recipe):.3g}, "
        f"of the backbone {recipe.backbone_lr * _scale(recipe):.3g}; on {plan.device} in {recipe.precision}",
        **_facts(recipe, steps, parameters),
    )


def _sizes(recipe: Recipe) -> str:
    if not recipe.shortest_edges:
        return "of {} x {}".format(*recipe.image_size)
    least, most = min(recipe.shortest_edges), max(recipe.shortest_edges)
    shorter = f"{most}" if least == most else f"{least} to {most}"
    return f"whose shorter side is {shorter} (the longer one {recipe.longest_edge} at most)"


def _scale(recipe: Recipe) -> float:
    return recipe.batch / recipe.base_batch


def _facts(recipe: Recipe, steps: int, parameters: int) -> Mapping[str, object]:
    return {"parameters": parameters or None, "steps_per_epoch": steps, "recipe": recipe.as_mapping()}


@dataclass(frozen=True, slots=True)
class _Base:
    """What file and flags change, and the network that it is for, before the data is known."""

    recipe: Recipe
    family: Family
    config: Any

    @property
    def learns_masks(self) -> bool:
        """Whether the network has a mask head already."""
        return self.family.has_masks(self.config)


def _base(console: Console, wish: TrainRequest) -> _Base:
    """The recipe of the run to continue with, else the one published for the model."""
    if wish.resume and wish.output is not None and (wish.output / "recipe.toml").is_file():
        start = resumed_point(wish.output)
        return _Base(Recipe.read_toml(wish.output / "recipe.toml"), start.family, start.config)
    entry = catalog.find(wish.model)
    if entry is not None and entry.repository is not None:
        family = FAMILIES[entry.family]
        recipe = recipe_for(entry.name, scratch=wish.scratch, masks=wish.masks)
        return _Base(recipe, family, family.published_config(variant_of(entry), ["any"]))
    path = Path(wish.model)
    if path.suffix == ".json" and not path.name.endswith(INDEX_SUFFIX) and not shipped(wish.model):
        beside = path.parent / PREPROCESSOR
        document, preprocessor = read_document(path), read_document(beside) if beside.is_file() else {}
    else:
        document, preprocessor = _described(console, wish)
    family = family_of(document)
    config = family.read_config(document)
    recipe = recipe_of(family, config, scratch=wish.scratch, masks=wish.masks)
    return _Base(_of_the_same_size(recipe, preprocessor, family), family, config)


def _described(console: Console, wish: TrainRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the files of a model say that the catalog does not describe; a repository of the Hub is fetched."""
    progress = DownloadProgressBar(console)
    try:
        files = locate(
            wish.model, revision=wish.revision, offline=wish.offline, cache_dir=wish.cache_dir, progress=progress
        )
    finally:
        progress.finish()
    return describe_model(files)


def _of_the_same_size(recipe: Recipe, preprocessor: Mapping[str, Any], family: Family) -> Recipe:
    """The recipe for images as large as a model on this machine takes them: it keeps that unless told otherwise."""
    if not preprocessor:
        return recipe
    sizing = Preprocessing.of(preprocessor, family, size_divisor=1).sizing
    if isinstance(sizing, ShortestEdge) and recipe.shortest_edges:
        return recipe.merged(recipe.resized(sizing.shortest, sizing.longest))
    if isinstance(sizing, FixedSize):
        return recipe.merged({"shortest_edges": [], "random_crop": 0, "image_size": sizing.size_hw})
    return recipe


def _open_val(console: Console, wish: TrainRequest, data: Dataset, *, masks: bool) -> Dataset | None:
    """What to evaluate by, its classes those of the data."""
    where = wish.val if wish.val is not None else wish.data if has_part(wish.data, "val") else None
    if where is None:
        console.warning("there is nothing to evaluate by, hence no best model: --val names images for it")
        return None
    images = wish.val_images or (wish.images if wish.val is None else None)
    val = open_dataset(where, part="val", images=images, classes=data.labels.names, masks=masks)
    show_report(console, "val", val.report)
    return val
