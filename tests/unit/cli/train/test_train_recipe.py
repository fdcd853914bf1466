"""Flags of `detcli train` become a recipe: published numbers, then the file's, then the command line's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.cli.train.train_request import recipe_changes
from detcli.errors import UsageError
from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.recipe_changes import requested_recipe

NOTHING: dict[str, Any] = {
    "epochs": None, "batch_size": None, "accumulate": None, "lr": None, "imgsz": None, "mosaic": None, "seed": None,
    "precision": "auto", "evaluate_every": None, "patience": None, "freeze": None, "changes": (),
}  # fmt: skip
PUBLISHED = Recipe(lr=4e-4, backbone_lr=2e-4, epochs=220, stop_augmentation_epoch=200)


def requested(base: Recipe, *, recipe: Path | None = None, resume: bool = False, **options: Any) -> Recipe:
    return requested_recipe(base, recipe_changes({**NOTHING, **options}), file=recipe, resume=resume)


def test_nothing_said_is_the_published_recipe() -> None:
    assert requested(PUBLISHED) == PUBLISHED


def test_every_flag_is_a_field() -> None:
    recipe = requested(
        PUBLISHED,
        epochs=22, batch_size=8, accumulate=2, imgsz=(320, 416), mosaic=0.5, seed=7, precision="bf16",
        evaluate_every=3, patience=4,
    )  # fmt: skip
    assert recipe == replace(
        PUBLISHED, epochs=22, stop_augmentation_epoch=20, batch=8, accumulate=2, image_size=(320, 416), mosaic=0.5,
        seed=7, precision="bf16", evaluate_every_epochs=3, patience=4,
    )  # fmt: skip


def test_the_backbones_rate_moves_along_unless_it_is_given() -> None:
    assert requested(PUBLISHED, lr=1e-4).backbone_lr == pytest.approx(5e-5)
    recipe = requested(PUBLISHED, lr=1e-4, changes=("backbone_lr=1e-6",))
    assert (recipe.lr, recipe.backbone_lr) == (1e-4, 1e-6)


def test_frozen_parts_add_to_those_of_the_recipe() -> None:
    base = replace(PUBLISHED, frozen=("backbone.stem.",))
    assert requested(base, freeze=("encoder", "backbone.stem.")).frozen == ("backbone.stem.", "encoder")
    again = requested(base, freeze=("encoder",))
    assert requested(again, resume=True, freeze=("encoder",)) == again
    assert requested(base, freeze=("encoder",), changes=("frozen=[]",)).frozen == ("encoder",)


@pytest.mark.parametrize("freeze", ["backbone", [3], [""], 7])
def test_frozen_parts_are_a_list_of_names(freeze: object) -> None:
    with pytest.raises(UsageError, match=r"`freeze` is .* it must be a list"):
        requested_recipe(PUBLISHED, {"freeze": freeze})


def test_a_file_comes_before_the_flags(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text("epochs = 5\nclip = 0.5\n")
    recipe = requested(PUBLISHED, recipe=file, epochs=9)
    assert (recipe.epochs, recipe.clip, recipe.lr) == (9, 0.5, 4e-4)


@pytest.mark.parametrize("rates", [(4e-4, 2e-4), (2.5e-4, 2.5e-5), (2.5e-4, 1.25e-5)])
@pytest.mark.parametrize("file", [None, "lr = 1e-3\nepochs = 60", "lr = 1e-3\nbackbone_lr = 3e-5\nepochs = 60"])
@pytest.mark.parametrize(
    "given",
    [{}, {"lr": 3e-4}, {"lr": 3e-4, "changes": ("backbone_lr=1e-6",)}, {"epochs": 7}, {"lr": 7e-5, "epochs": 90}],
)
def test_the_original_settings_change_nothing_in_a_resumed_run(
    rates: tuple[float, float], file: str | None, given: dict[str, Any], tmp_path: Path
) -> None:
    if file is not None:
        (tmp_path / "recipe.toml").write_text(file)
        given = {**given, "recipe": tmp_path / "recipe.toml"}
    own = requested(replace(PUBLISHED, lr=rates[0], backbone_lr=rates[1]), **given)
    assert requested(own, **given, resume=True) == own


def test_other_settings_of_a_resumed_run_are_applied(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text("stop_augmentation_epoch = 3\n")
    own = requested(PUBLISHED, lr=3e-4)
    assert requested(own, lr=2e-4, resume=True).lr == 2e-4
    assert requested(own, recipe=file, resume=True).stop_augmentation_epoch == 3


@pytest.mark.parametrize(
    ("assignment", "field", "value"),
    [
        ("clip=0.5", "clip", 0.5),
        ("schedule=cosine", "schedule", "cosine"),
        ('schedule="cosine"', "schedule", "cosine"),
        ("warmup-steps = 0", "warmup_steps", 0),
        ("betas=[0.8, 0.9]", "betas", (0.8, 0.9)),
        ('frozen=["backbone."]', "frozen", ("backbone.",)),
        ("network.freeze_backbone_batch_norms=true", "network", {"freeze_backbone_batch_norms": True}),
    ],
)
def test_set_reaches_every_field(assignment: str, field: str, value: object) -> None:
    assert getattr(requested(PUBLISHED, changes=(assignment,)), field) == value


def test_two_sets_of_one_table_come_together() -> None:
    recipe = requested(PUBLISHED, changes=("network.a=1", "network.b=2", "network.a=3"))
    assert recipe.network == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("clip", "--set 'clip': a field of the recipe is set as NAME=VALUE"),
        ("=3", "--set '=3': a field"),
        ("clip..x=3", "--set 'clip..x=3': "),
        ("clp=3", "the training settings: unknown field 'clp'; did you mean 'clip'"),
        ("clip=much", "the training settings: clip is 'much'; it must be a number"),
        ("network=3", "the training settings: network is 3; it must be a table"),
    ],
)
def test_a_mistake_is_named(assignment: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        requested(PUBLISHED, changes=(assignment,))
    assert said in str(raised.value)


def test_a_rate_that_is_given_is_that_of_the_batch_at_hand() -> None:
    recipe = requested(replace(PUBLISHED, batch=64, base_batch=64), lr=1e-4, batch_size=8)
    assert (recipe.lr, recipe.batch, recipe.base_batch) == (1e-4, 8, 8)
    published = requested(replace(PUBLISHED, batch=64, base_batch=64), batch_size=8)
    assert (published.lr, published.base_batch) == (4e-4, 64), "the published rate scales with the batch"
