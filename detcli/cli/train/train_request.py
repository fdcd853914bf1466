"""From the options of `train` to the request of a training run."""

from collections.abc import Mapping, Sequence
from typing import Any

from detcli.cli.framework.assignments import parse_assignments
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
    "patience": "patience",
    "freeze": "freeze",
}


def training_request(options: Mapping[str, Any]) -> TrainingRequest:
    """The request; `options` are the values of the options by their names in click."""
    return TrainingRequest(
        data=options["data"],
        val=options["val"],
        images=options["images"],
        renamed=_renamed(options["map_classes"]),
        kept=options["train_classes"],
        val_images=options["val_images"],
        model=ModelSettings(
            model=options["model"],
            variant=options["variant"],
            revision=options["revision"],
            offline=options["offline"],
            cache_dir=options["cache_dir"],
        ),
        teacher=options["teacher"],
        scratch=options["scratch"],
        masks=options["masks"],
        recipe=options["recipe"],
        changes=recipe_changes(options),
        output=options["output"],
        resume=options["resume"],
        if_exists="overwrite" if options["yes"] else options["if_exists"],
        device=options["device"],
        workers=options["workers"],
        max_hours=options["max_hours"],
        log_to=options["log_to"],
        auto_batch=options["batch_size"] == "auto",
    )


_SET = "a field of the recipe is set as NAME=VALUE, such as clip=0.5"


def recipe_changes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Field of the recipe -> value, of every `--set` and every option that was given; options win."""
    changes = parse_assignments("--set", options["changes"], _SET)
    given = {field: options[name] for name, field in _RECIPE_FIELDS.items()}
    return changes | {field: value for field, value in given.items() if value not in (None, "auto")}


def _renamed(pairs: Sequence[str]) -> dict[str, str]:
    """Old name -> new name, of every `--map OLD=NEW`."""
    made: dict[str, str] = {}
    for pair in pairs:
        old, sign, new = (part.strip() for part in pair.partition("="))
        if not old or not sign:
            raise UsageError(f"`map_classes` is '{pair}'; it must be OLD=NEW, such as Car=car")
        if made.get(old, new) != new:
            raise UsageError(f"`map_classes` gives the class '{old}' two names: '{made[old]}' and '{new}'")
        made[old] = new
    return made
