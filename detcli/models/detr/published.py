"""The published DETR and Table Transformer models: their configurations, and the recipes that they were trained by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from detcli.models.backbones.resnet import resnet_variant
from detcli.models.detr.config import USUAL_MAPS, DetrConfig
from detcli.models.detr_common.many_sizes import many_sizes_recipe
from detcli.models.family import TrainingStart
from detcli.structures.dataset_labels import DATASETS


@dataclass(frozen=True, slots=True)
class TableTask:
    """What Table Transformers were trained for.

    title            of the task, in sentences
    labels           class names
    queries          number of queries
    longest_edge     of the images, in pixels
    eos_coefficient  weight of "no object" in the class loss

    Source: the Table Transformer repository: the configuration files and transforms of src/.
    """

    title: str
    labels: tuple[str, ...]
    queries: int
    longest_edge: int
    eos_coefficient: float = 0.4

    @property
    def size(self) -> dict[str, int]:
        """`size` of preprocessor_config.json: transformers refuses a longest edge alone, and both edges give the same."""
        return {"shortest_edge": self.longest_edge, "longest_edge": self.longest_edge}


TABLE_TASKS: Mapping[str, TableTask] = MappingProxyType(
    {
        "table-detect": TableTask("table detection", DATASETS["pubtables-detection"].names, 15, 800),
        "table-structure": TableTask("table structure", DATASETS["pubtables-structure"].names, 125, 1000),
    }
)


def table_task(queries: int) -> TableTask | None:
    """What a Table Transformer with so many queries was trained for; None if no published one has as many."""
    return next((task for task in TABLE_TASKS.values() if task.queries == queries), None)


def published_config(variant: str, labels: Sequence[str]) -> DetrConfig:
    """One of the published configurations, with these class names.

    variant  what follows `detr-` in its name, "r101-dc5", say; or the complete name of a Table Transformer

    Without dilation, config.json has all fields of the backbone, so that transformers reads it without timm. Dropout is as
    in the authors' code; transformers' own configurations leave some of it out.
    Source: the DETR repository's hub file, and the configurations that transformers' conversion made of it.
    """
    if variant.startswith("table-"):
        return _table_config(variant, labels)
    size, *rest = variant.split("-")
    names = {"r50": "resnet50", "r101": "resnet101"}
    if size not in names or rest not in ([], ["dc5"], ["panoptic"], ["dc5", "panoptic"]):
        raise ValueError(f"detr-{variant} is not a published model")
    backbone = resnet_variant(names[size], USUAL_MAPS, dilation="dc5" in rest)
    return DetrConfig(
        labels=tuple(labels),
        backbone=backbone,
        has_masks="panoptic" in rest,
        attention_dropout=0.1,
        activation_dropout=0.1,
    )


def _table_config(name: str, labels: Sequence[str]) -> DetrConfig:
    """The configuration of a Table Transformer; the versions 1.1 differ in their training only."""
    task = next((task for known, task in TABLE_TASKS.items() if name.partition("-v1.1")[0] == known), None)
    if task is None:
        raise ValueError(f"{name} is not a published model")
    return DetrConfig(
        labels=tuple(labels),
        backbone=resnet_variant("resnet18", USUAL_MAPS),
        pre_norm=True,
        num_queries=task.queries,
        attention_dropout=0.1,
        activation_dropout=0.1,
        eos_coefficient=task.eos_coefficient,
    )


def published_recipe(config: DetrConfig, start: TrainingStart, *, masks: bool = False) -> dict[str, Any]:
    """From random weights: 300 epochs with a batch size of 64, as in the paper's comparisons (released weights: 500).

    For trained weights nothing is published: a tenth to a third of the epochs is usual, with the step of Deformable DETR,
    and a batch size of 16, as in the repository's command for one machine, with the same rates.
    Source: DETR (Carion et al. 2020), section 4, and its repository's README and main.py.
    """
    if config.pre_norm:
        return many_sizes_recipe(_table_recipe(config), start, mask_head=False)
    own: dict[str, Any] = {"lr": 1e-4, "backbone_lr": 1e-5}
    if start == "scratch":
        own |= {"epochs": 300, "milestone_epochs": (200,), "batch": 64}
    else:
        own |= {"epochs": 50, "milestone_epochs": (40,), "batch": 16}
    return many_sizes_recipe(own, start, mask_head=masks and not config.has_masks)


def _table_recipe(config: DetrConfig) -> dict[str, Any]:
    """Table Transformer's 20 epochs, whose rates fall by a tenth after each; images are neither flipped nor cropped.

    Images have one size, the validation's: the authors draw it within 10 % (tables) or 12 % (pages) of that, cut close to the
    tables and erase small parts, which detcli does not. They compute the losses of the last decoder layer only.
    Source: the configuration files, transforms and main.py of the Table Transformer repository.
    """
    structure = TABLE_TASKS["table-structure"]
    edge = (
        structure.longest_edge if config.num_queries >= structure.queries else TABLE_TASKS["table-detect"].longest_edge
    )
    return {
        "lr": 5e-5,
        "backbone_lr": 1e-5,
        "batch": 2,
        "epochs": 20,
        "gamma": 0.9,
        "milestone_epochs": tuple(range(1, 20)),
        "flip": 0.0,
        "random_crop": 0.0,
        "shortest_edges": (edge,),
        "longest_edge": edge,
    }
