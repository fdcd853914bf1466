"""What a resumed run must have in common with the saved one: recipe, network and data."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detcli.datasets.dataset import Dataset
from detcli.errors import UsageError
from detcli.io.atomic_write import to_bytes
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_job import TrainingJob

# Fields that decide when something is written, without an effect on the result.
_IRRELEVANT_FIELDS = ("save_every_s",)
_IMAGE_LIST = "image_list"  # a hash of names and classes of images in their order


def run_identity(job: TrainingJob, config_json: Mapping[str, Any]) -> dict[str, Any]:
    """Recipe, network and data of a run, for JSON.

    config_json  of the network
    """
    return {
        "recipe": _compared_fields(job.recipe),
        "network": dict(config_json),
        "data": _facts(job.data),
        "val": _facts(job.val) if job.val is not None else None,
        "teacher": {"weights": job.teacher.fingerprint} if job.teacher is not None else None,
    }


def complete_identity(identity: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A saved identity with all fields, also those that an older version did not save.

    Those of a recipe are off, as they were then, and the list of images is that of now.
    """
    complete = dict(identity)
    if isinstance(recipe := identity.get("recipe"), Mapping):
        complete["recipe"] = {**_compared_fields(Recipe()), **recipe}
    for part in ("data", "val"):
        saved, own = identity.get(part), now.get(part)
        if isinstance(saved, Mapping) and isinstance(own, Mapping):
            complete[part] = {_IMAGE_LIST: own[_IMAGE_LIST], **saved}
    return complete


def require_same(saved: Mapping[str, Any], asked: Mapping[str, Any], path: Path) -> None:
    """Raise UsageError, saying what differs, if a resumed run is not the saved one."""
    for section, title in _TITLES.items():
        before, now = saved.get(section), asked.get(section)
        if before == now:
            continue
        raise UsageError(f"cannot `resume` the run in '{path}': it has {title}: {_difference(before, now)}")


def _compared_fields(recipe: Recipe) -> dict[str, Any]:
    return {name: value for name, value in recipe.as_mapping().items() if name not in _IRRELEVANT_FIELDS}


def _facts(data: Dataset) -> dict[str, Any]:
    """What identifies a dataset; not its name and folders, which may change."""
    images, is_annotated = hashlib.sha256(), bool(data.report.annotations)  # else images follow from their names
    for index in range(len(data)):
        images.update(to_bytes(Path(data.origin(index).file).name) + b"\n")
        images.update(data.box_classes(index).tobytes() if is_annotated else b"")
    return {
        "classes": list(data.labels.names),
        "category_ids": list(data.labels.category_ids),
        "images": len(data),
        "boxes": dict(data.report.boxes_of),
        _IMAGE_LIST: images.hexdigest()[:32],
    }


# In this order: other classes change the network too.
_TITLES = {
    "recipe": "another recipe",
    "data": "other data",
    "val": "other data to evaluate on",
    "network": "another network",
    "teacher": "another teacher",
}


def _difference(before: Any, now: Any) -> str:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if names == [_IMAGE_LIST]:
            return "its images have other names or classes, or another order, now"
        names = [name for name in names if name != _IMAGE_LIST]
        shown = [f"{name} was {_shown(before.get(name))} and is {_shown(now.get(name))} now" for name in names[:3]]
        return "; ".join(shown) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")
    return f"there was {'some' if before else 'none'}, and now there is {'some' if now else 'none'}"


def _shown(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
