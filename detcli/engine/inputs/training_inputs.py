"""What a training run starts from: recipe, data and network of a request."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detcli.checkpoints import catalog
from detcli.checkpoints.checkpoint_files import PreprocessorDocument, read_preprocessor
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.json_files import read_document
from detcli.checkpoints.model_files import INDEX_SUFFIX, ModelFiles
from detcli.datasets.dataset import Dataset
from detcli.datasets.instance_masks import MaskUse
from detcli.engine.inputs.shared_training_images import shared_image_warnings
from detcli.engine.inputs.training_balance import balance_doubts, balance_notes
from detcli.engine.inputs.training_checks import check_normalization, check_trained_parameters, doubts
from detcli.engine.inputs.training_data import open_training_data, open_validation_data
from detcli.engine.model_files.load_model import DownloadReporter
from detcli.engine.observer import Observer
from detcli.engine.requests.training_request import TrainingObserver, TrainingPlan, TrainingRequest
from detcli.errors import UsageError
from detcli.inference.preprocessing.letterbox import is_letterboxed
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, LongestEdge, ShortestEdge
from detcli.inference.read_model import ModelDocuments, describe_model
from detcli.models.family import FAMILIES, Family, family_of
from detcli.runtimes.device_list import existing_devices
from detcli.runtimes.torch_runtime import choose_device, choose_precision
from detcli.training.data.class_weights import class_weights
from detcli.training.data.image_balance import image_balance
from detcli.training.data.sampler import Sampler
from detcli.training.initialization import StartingPoint, resumed_point, starting_point
from detcli.training.optimization.process_place import place_in_environment
from detcli.training.recipes.published_recipes import recipe_for, recipe_of, variant_of
from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.recipe_changes import requested_recipe
from detcli.training.recipes.small_data import fit_note, fitted_fields
from detcli.training.state.model_exporter import training_preprocessing
from detcli.training.teacher_model import TeacherModel, check_teacher, load_teacher


def plan_training(request: TrainingRequest, observer: TrainingObserver, *, is_first: bool = True) -> TrainingPlan:
    """Decide the recipe, open the data and find the model, in this order.

    is_first  False: in a further process of a run, whose first one has warned

    Raises UsageError, DataError, ModelError, HubError, AccessError or OutputError.
    """
    begun = time.monotonic()
    base = _base(request, observer)
    recipe = requested_recipe(base.recipe, _changes(request), file=request.recipe, resume=request.resume)
    if recipe.mask_head and not base.has_masks:
        base.family.with_mask_head(base.config)
    elif request.masks and not request.resume:
        raise UsageError(
            f"`masks` adds a mask head, but '{request.model_name}' has one already, which is trained with the rest: "
            "leave it out"
        )
    devices = existing_devices(request.device)
    _check_processes(request, len(devices))
    device = choose_device(devices[0])
    choose_precision(recipe.precision, device)
    data = open_training_data(request, masks=recipe.mask_head or base.has_masks or _masks_of_boxes(recipe))
    observer.on_dataset("data", data.report)
    class_weights(recipe, data)  # raises an error before a model is downloaded
    balance = image_balance(recipe, data)
    images = len(data) if balance is None else balance.images
    recipe, notes = _fitted(request, base.recipe, recipe, images)
    Sampler.of(recipe, len(data), size=len(devices))  # raises an error for a batch that cannot be divided
    val = open_validation_data(request, data, masks=recipe.trains_masks_alone)
    if val is None:
        observer.on_warning("no validation set, so no best model; add one with `val`")
    else:
        observer.on_dataset("val", val.report)
    if recipe.patience and val is None:
        raise UsageError(
            "`patience` ends training when the AP no longer rises, which needs validation data: name it with `val`"
        )
    start = _start(request, observer, recipe, data)
    preprocessing = training_preprocessing(start.preprocessor, start.family, recipe)
    teacher = _teacher(request, observer)
    if teacher is not None:
        check_teacher(
            teacher, family=start.family, config=start.config, labels=data.labels.names, preprocessing=preprocessing
        )
    shown_device = str(device) if len(devices) == 1 else request.device
    plan = TrainingPlan(request, recipe, data, val, start, shown_device, balance, teacher, begun)
    check_trained_parameters(plan, published=base.recipe.frozen)
    if request.auto_batch and not request.resume:
        recipe, notes = _with_fitting_batch(plan, base.recipe, images)
        plan = replace(plan, recipe=recipe)
    plan = replace(
        plan, start=replace(start, notes=(*start.notes, *notes, *_teacher_notes(teacher), *balance_notes(plan)))
    )
    check_normalization(plan)
    if is_first:
        for doubt in (*doubts(plan), *balance_doubts(plan), *shared_image_warnings(plan, observer)):
            observer.on_warning(doubt)
    return plan


def _masks_of_boxes(recipe: Recipe) -> MaskUse:
    """Which masks help to augment the data of a network that has none: those of objects that are pasted or rotated."""
    return "optional" if recipe.copy_paste or recipe.rotation else False


def _fitted(request: TrainingRequest, base: Recipe, recipe: Recipe, images: int) -> tuple[Recipe, tuple[str, ...]]:
    """The published recipe fitted to few images, below what the user asked for, and a note on it; a recipe file stays."""
    if request.resume or request.recipe is not None:
        return recipe, ()
    count = recipe.images_per_epoch or images
    given = {*request.changes, *(("batch",) if request.auto_batch else ())}
    processes = max(len(existing_devices(request.device)), place_in_environment().size)
    fields = fitted_fields(recipe, count, given=given, processes=processes)
    if not fields:
        return recipe, ()
    fitted = requested_recipe(base.merged(fields), _changes(request))
    return fitted, (fit_note(recipe, fitted, count),)


def _changes(request: TrainingRequest) -> dict[str, Any]:
    return {**request.changes, **({"mask_head": True} if request.masks else {})}


def _check_processes(request: TrainingRequest, count: int) -> None:
    """Raise UsageError if a run in several processes is impossible."""
    if count == 1:
        return
    if place_in_environment().size > 1:
        raise UsageError(f"torchrun has started the processes: leave out `device` {request.device}, or torchrun")
    if request.auto_batch:
        raise UsageError("`batch_size` 'auto' is measured on one device: with several, give a number")


def _with_fitting_batch(plan: TrainingPlan, base: Recipe, images: int) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe for the largest batch size that fits, as if it had been asked for, and notes on both."""
    found = plan.search_batch()
    sized = replace(plan.request, auto_batch=False, changes={**plan.request.changes, "batch": found.batch})
    recipe, notes = _fitted(sized, base, requested_recipe(base, _changes(sized), file=sized.recipe), images)
    note = (
        f"batch size {found.batch}: a step needs about {found.bytes / 1e9:.1f} GB, and {found.available / 1e9:.1f} GB are "
        "available"
    )
    return recipe, (*notes, note)


@dataclass(frozen=True, slots=True)
class _Base:
    """A network and its recipe, before the changes of the request and before the data is known."""

    recipe: Recipe
    family: Family
    config: Any

    @property
    def has_masks(self) -> bool:
        """Whether the network has a mask head already."""
        return self.family.has_masks(self.config)


def _base(request: TrainingRequest, observer: Observer) -> _Base:
    """The recipe of the run to resume, else the one published for the model."""
    if request.resume and request.output is not None and (request.output / "recipe.toml").is_file():
        start = resumed_point(request.output)
        return _Base(Recipe.read_toml(request.output / "recipe.toml"), start.family, start.config)
    model = request.model_name
    entry = catalog.find(model)
    if entry is not None and not entry.is_bundled:
        family = FAMILIES[entry.family]
        recipe = recipe_for(entry.name, scratch=request.scratch, masks=request.masks)
        return _Base(recipe, family, family.published_config(variant_of(entry), ["any"]))
    path = Path(model)
    if path.suffix == ".json" and not path.name.endswith(INDEX_SUFFIX) and not catalog.bundled_entry(model):
        documents = ModelDocuments(read_document(path), read_preprocessor(ModelFiles(model, path.parent)))
    else:
        documents = _described_model(request, observer)
    document = documents.config
    family = family_of(document)
    config = family.read_config(document)
    recipe = recipe_of(family, config, scratch=request.scratch, masks=request.masks)
    return _Base(_with_size_of_model(recipe, documents.preprocessor, family), family, config)


def _described_model(request: TrainingRequest, observer: Observer) -> ModelDocuments:
    """config.json and preprocessor_config.json of a model that the catalog does not have; it may be downloaded."""
    model, progress = request.model, DownloadReporter(observer)
    try:
        files = locate(
            request.model_name,
            revision=model.revision,
            offline=model.offline,
            cache_dir=model.cache_dir,
            progress=progress,
            variant=model.variant,
        )
    finally:
        progress.finish()
    return describe_model(files)


def _with_size_of_model(recipe: Recipe, preprocessor: PreprocessorDocument, family: Family) -> Recipe:
    """The recipe with the input size that the model has now."""
    if not preprocessor.fields:
        return recipe
    divisor = family.size_divisor if is_letterboxed(preprocessor.fields) else 1
    now = Preprocessing.of(preprocessor.fields, family, size_divisor=divisor, file=preprocessor.name)
    sizing = now.sizing
    if family.size_divisor > 1 and now.size_hw is not None:
        resize = "stretch" if isinstance(sizing, FixedSize) else "letterbox"
        return recipe.merged({"shortest_edges": [], "random_crop": 0, "image_size": now.size_hw, "resize": resize})
    if isinstance(sizing, ShortestEdge) and recipe.shortest_edges:
        return recipe.merged(recipe.resized(sizing.shortest, sizing.longest))
    if isinstance(sizing, LongestEdge) and recipe.shortest_edges:
        return recipe.merged(recipe.resized(sizing.longest, sizing.longest))
    if isinstance(sizing, FixedSize):
        return recipe.merged({"shortest_edges": [], "random_crop": 0, "image_size": sizing.size_hw})
    return recipe


def _teacher(request: TrainingRequest, observer: Observer) -> TeacherModel | None:
    if request.teacher is None:
        return None
    progress = DownloadReporter(observer)
    try:
        return load_teacher(
            request.teacher, offline=request.model.offline, cache_dir=request.model.cache_dir, progress=progress
        )
    finally:
        progress.finish()


def _teacher_notes(teacher: TeacherModel | None) -> tuple[str, ...]:
    if teacher is None:
        return ()
    return (f"the network also learns from '{teacher.name}' ({teacher.parameters:,} parameters)",)


def _start(request: TrainingRequest, observer: Observer, recipe: Recipe, data: Dataset) -> StartingPoint:
    if request.resume and request.output is not None:
        return resumed_point(request.output)
    model, progress = request.model, DownloadReporter(observer)
    try:
        return starting_point(
            request.model_name,
            scratch=request.scratch,
            names=data.labels.names,
            revision=model.revision,
            offline=model.offline,
            cache_dir=model.cache_dir,
            progress=progress,
            variant=model.variant,
            recipe=recipe,
        )
    finally:
        progress.finish()
