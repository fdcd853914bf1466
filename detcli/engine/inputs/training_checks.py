"""Checks of a training plan as a whole, before the first step: what cannot work, and what is hardly meant."""

from collections.abc import Iterator, Sequence

from torch import nn

from detcli.datasets.transforms.multiscale import scales
from detcli.engine.requests.training_request import TrainingPlan
from detcli.errors import UsageError
from detcli.inference.preprocessing.preprocessor_checks import is_padded
from detcli.models.empty_weights import empty_weights
from detcli.training.optimization.freezing import check_freeze
from detcli.training.optimization.process_place import place_in_environment
from detcli.training.training_setup import trained_groups


def check_trained_parameters(plan: TrainingPlan, *, published: Sequence[str]) -> None:
    """Raise UsageError if the recipe freezes what the network does not have, or leaves nothing to train.

    published  what the published recipe freezes, which may be in some networks of a family only
    """
    family, recipe, freeze = plan.start.family, plan.recipe, plan.request.changes.get("freeze") or ()
    if not recipe.frozen:
        return
    with empty_weights():
        network = family.build(plan.start.config)
    names = [name for name, _ in network.named_parameters()]
    check_freeze(freeze, family, names)
    asked = [entry for entry in recipe.frozen if entry not in published]
    check_freeze(asked, family, names, where="the recipe field frozen")
    trained_groups(family, network, recipe)


def check_normalization(plan: TrainingPlan) -> None:
    """Raise UsageError if batch normalization would get a single value per channel in a step, which it cannot train on."""
    recipe, divisor = plan.recipe, plan.start.family.size_divisor
    processes = max(len(plan.devices), place_in_environment().size)
    images = recipe.batch // (recipe.accumulate * processes)
    if divisor == 1 or images > 1:
        return
    sizes = scales(recipe.image_size, recipe.multi_scale_repeat or None, divisor)
    too_small = [size for size in sizes if size[0] // divisor * (size[1] // divisor) <= 1]
    if not too_small or not _has_batch_norm(plan):
        return
    height, width = min(too_small)
    advice = "use a larger `batch_size` or `image_size`"
    if tuple(recipe.image_size) not in too_small:
        advice += ", or the recipe field multi_scale_repeat = 0"
    raise UsageError(
        f"training cannot work with one image at a time and images of {height} x {width}, as `image_size` "
        f"{recipe.image_size[0]} {recipe.image_size[1]} gives them: the last maps of the network have one cell, and batch "
        f"normalization needs more than one value; {advice}"
    )


def doubts(plan: TrainingPlan) -> Iterator[str]:
    """Yield sentences about what will work, but is hardly meant."""
    recipe, images = plan.recipe, len(plan.data)
    if recipe.batch > images > 0:
        yield (
            f"`batch_size` {recipe.batch} is larger than the data ({images:,} image{'s' * (images > 1)}): each step has "
            "images several times"
        )
    steps = plan.steps_per_epoch * recipe.epochs
    if steps < recipe.warmup_steps:
        yield (
            f"the run has {steps:,} steps, fewer than the warm-up of the recipe ({recipe.warmup_steps:,}): the learning "
            f"rate rises for {steps // 10:,} steps only; use more `epochs`"
        )
    request = plan.request
    if request.teacher == request.model_name and not request.scratch and not request.resume:
        yield f"`teacher` is '{request.teacher}', which the network starts from: it has little to teach; use a larger model"
    if recipe.patience >= recipe.epochs:
        yield (
            f"`patience` {recipe.patience} is not below `epochs` {recipe.epochs}: training ends at the last epoch in any case"
        )
    if recipe.random_crop and not recipe.shortest_edges:
        yield (
            f"random_crop = {recipe.random_crop:g} changes nothing: it is for images of many sizes, and this network takes "
            "images of one; iou_crop crops them"
        )
    if recipe.resize == "stretch" and not recipe.shortest_edges and is_padded(plan.start.preprocessor):
        yield "the model was trained on letterboxed images, and this training stretches them to `image_size`"


def _has_batch_norm(plan: TrainingPlan) -> bool:
    with empty_weights():
        network = plan.start.family.build(plan.start.config)
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
