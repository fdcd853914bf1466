"""From the options of `train` to the request of a training run."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from detcli.engine.requests.run_settings import ModelSettings
from detcli.engine.requests.training_request import TrainingRequest
from detcli.errors import UsageError

# Option, by its name in click -> field of the recipe.
_RECIPE_FIELDS = {
    "epochs": "epochs",
    "batch_size": "batch",
    "accumulate": "accumulate",
    "lr": "lr",
    "imgsz": "image_size",
    "mosaic": "mosaic",
    "seed": "seed",
    "precision": "precision",
    "evaluate_every": "evaluate_every_epochs",
}


def training_request(options: Mapping[str, Any]) -> TrainingRequest:
    """The request; `options` are the values of the options by their names in click."""
    return TrainingRequest(
        data=options["data"],
        val=options["val"],
        images=options["images"],
        val_images=options["val_images"],
        model=ModelSettings(
            model=options["model"],
            revision=options["revision"],
            offline=options["offline"],
            cache_dir=options["cache_dir"],
        ),
        scratch=options["scratch"],
        masks=options["masks"],
        recipe=options["recipe"],
        changes=recipe_changes(options),
        output=options["output"],
        resume=options["resume"],
        if_exists="overwrite" if options["yes"] else options["if_exists"],
        device=options["device"],
        workers=options["workers"],
    )


def recipe_changes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Field of the recipe -> value, of every `--set` and every option that was given; options win."""
    changes: dict[str, Any] = {}
    for assignment in options["changes"]:
        _merge(changes, _parse_assignment(assignment))
    given = {field: options[name] for name, field in _RECIPE_FIELDS.items()}
    return changes | {field: value for field, value in given.items() if value not in (None, "auto")}


def _parse_assignment(assignment: str) -> dict[str, Any]:
    """`clip=0.5` as a field and its value: TOML, or a bare word for a text; `network.x=1` sets a field of a table."""
    name, sign, text = assignment.partition("=")
    name = name.strip().replace("-", "_")
    if not sign or not name.replace(".", "_").isidentifier():
        raise UsageError(f"--set '{assignment}': a field of the recipe is set as NAME=VALUE, such as clip=0.5")
    try:
        return tomllib.loads(f"{name} = {text}")
    except tomllib.TOMLDecodeError:
        pass
    try:
        return tomllib.loads(f"{name} = {json.dumps(text.strip())}")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--set '{assignment}': {error}") from error


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            into[name] = into[name] | value
        else:
            into[name] = value
