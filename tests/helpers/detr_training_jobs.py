"""Jobs that teach a tiny DETR to find drawn shapes, in images of many sizes; with masks where it has a mask head."""

from pathlib import Path
from typing import Any

from detcli.datasets.dataset import open_dataset
from detcli.models.family import family_of
from detcli.training.recipes.published_recipes import recipe_of
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_job import TrainingJob

SMALL = {"shortest_edges": [48, 56, 72], "longest_edge": 96, "crop_edges": [40, 50, 60], "crop_sides": [38, 60]}
QUICK = {
    **SMALL, "epochs": 3, "batch": 4, "base_batch": 4, "lr": 1e-3, "backbone_lr": 1e-3, "milestone_epochs": [2],
    "log_every_steps": 2,
}  # fmt: skip


def quick_recipe(model: str = "detr", **changes: Any) -> Recipe:
    """The published recipe in three epochs of small images, the rates lower in the last one."""
    family, config = network(model)
    return recipe_of(family, config, scratch=True).merged({**QUICK, **changes})


def network(model: str, **changes: Any) -> tuple[Any, Any]:
    """Family and record of a tiny network, for the drawn shapes.

    model  "detr", "detr-panoptic", "table-transformer" or "deformable-detr"
    """
    from detcli.datasets.shapes import CLASSES
    from tests.helpers import deformable_detr_samples as deformable_samples
    from tests.helpers import detr_samples

    names = {str(index): name for index, name in enumerate(CLASSES)}
    if model == "deformable-detr":
        document = deformable_samples.tiny_json(id2label=names, **changes)
    else:
        forms = {"detr-panoptic": detr_samples.SEGMENTING, "table-transformer": detr_samples.TABLE}
        own = forms.get(model, {})
        document = detr_samples.tiny_json(id2label=names, **own, **changes)
    family = family_of(document)
    return family, family.read_config(document)


def job(
    run: Path, recipe: Recipe | None = None, *, model: str = "detr", count: int = 12, val: int = 3, **more: Any
) -> TrainingJob:
    """A job for drawn images, the network's weights seeded."""
    import torch

    family, config = network(model)
    masks = family.has_masks(config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = family.build(config).state_dict()
    return TrainingJob(
        **{
            "recipe": recipe or quick_recipe(model), "family": family, "config": config, "state": state,
            "preprocessor": family.preprocessor, "data": open_dataset(f"shapes:0:{count}", masks=masks),
            "val": open_dataset(f"shapes:1:{val}", part="val") if val else None, "run": run, "device": "cpu",
            "workers": 2, **more,
        }
    )  # fmt: skip
