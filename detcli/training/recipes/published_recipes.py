"""The published recipes, by model or network."""

from typing import Any

from detcli.checkpoints import catalog
from detcli.checkpoints.catalog import CATALOG, CatalogEntry
from detcli.models.family import FAMILIES, Family, TrainingStart
from detcli.training.recipes.recipe import Recipe


def recipe_for(model: str, *, scratch: bool = False, masks: bool = False) -> Recipe:
    """The published recipe for a name of the catalog or a Hub repository in it; for any other model that of dfine-s.

    scratch  start from random weights
    masks    a detector is trained for masks
    """
    entry = catalog.find(model)
    if entry is None or entry.is_bundled:  # what comes with detcli has no published recipe
        entry = CATALOG["dfine-s"]
    start: TrainingStart = "scratch" if scratch else "objects365" if "obj" in entry.name else "custom"
    family = FAMILIES[entry.family]
    config = family.published_config(variant_of(entry), ["any"])
    return Recipe(**family.published_recipe(config, start, masks=masks))


def recipe_of(family: Family, config: Any, *, scratch: bool = False, masks: bool = False) -> Recipe:
    """The published recipe for a network of a family, and of its size if recipes differ by size."""
    return Recipe(**family.published_recipe(config, "scratch" if scratch else "custom", masks=masks))


def variant_of(entry: CatalogEntry) -> str:
    """The part of an entry's name after the family's name."""
    return entry.name.removeprefix(entry.family.replace("_", "-")).removeprefix("-")
