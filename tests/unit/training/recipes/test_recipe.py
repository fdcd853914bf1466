"""A recipe is the published numbers, then a file's, then the user's; a slip in any of them is named."""

from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.models.dfine.published import published_config
from detcli.models.family import FAMILIES
from detcli.training.recipes.published_recipes import recipe_for, recipe_of
from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.recipe_bounds import BOUNDS

# lr, backbone lr, weight decay, epochs, stop, batch, repeat, restart decay: the D-FINE repository's *_custom files.
CUSTOM = {
    "dfine-n": (8e-4, 4e-4, 1e-4, 220, 200, 128, 0, 0.9999),
    "dfine-s": (4e-4, 2e-4, 1e-4, 220, 200, 64, 20, 0.9999),
    "dfine-m": (2.5e-4, 2.5e-5, 1.25e-4, 132, 120, 32, 6, 0.9999),
    "dfine-l": (2.5e-4, 1.25e-5, 1.25e-4, 80, 72, 32, 4, 0.9999),
    "dfine-x": (2.5e-4, 2.5e-6, 1.25e-4, 80, 72, 32, 3, 0.9998),
}


@pytest.mark.parametrize("name", CUSTOM)
def test_a_published_model_has_its_published_recipe(name: str) -> None:
    recipe = recipe_for(name)
    numbers = (
        recipe.lr, recipe.backbone_lr, recipe.weight_decay, recipe.epochs, recipe.stop_augmentation_epoch,
        recipe.batch, recipe.multi_scale_repeat, recipe.ema_restart_decay,
    )  # fmt: skip
    assert numbers == CUSTOM[name]
    assert recipe.base_batch == recipe.batch
    common = (recipe.betas, recipe.clip, recipe.warmup_steps, recipe.ema_decay, recipe.ema_warmup_steps)
    assert common == ((0.9, 0.999), 0.1, 500, 0.9999, 1000)
    frozen = name in ("dfine-l", "dfine-x")
    assert recipe.network == {"freeze_backbone_batch_norms": frozen}
    assert recipe.frozen == (("backbone.stem.",) if frozen else ())


@pytest.mark.parametrize("letter", "nsmlx")
def test_a_configuration_has_the_recipe_of_the_published_one_like_it(letter: str) -> None:
    assert recipe_of(FAMILIES["dfine"], published_config(letter, ["a", "b"])) == recipe_for(f"dfine-{letter}")  # type: ignore[arg-type]


def test_objects365_recipes_are_short_and_without_warm_up() -> None:
    recipe = recipe_for("dfine-m-obj2coco")
    assert (recipe.epochs, recipe.stop_augmentation_epoch, recipe.warmup_steps, recipe.ema_warmup_steps) == (
        56,
        48,
        0,
        0,
    )
    assert recipe_for("dfine-m-obj365") == recipe


def test_from_scratch_the_complete_backbone_is_trained() -> None:
    for letter in "nsmlx":
        recipe = recipe_for(f"dfine-{letter}", scratch=True)
        assert recipe.backbone_lr == recipe.lr
        assert recipe.frozen == ()
        assert recipe.network == {"freeze_backbone_batch_norms": False}


def test_a_recipe_written_down_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = recipe_for("dfine-x").merged(
        {"frozen": ['a "quoted" name\t', "ü"], "milestone_epochs": [3, 9], "lr": 1e-7}
    )
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.read_toml(path) == recipe
    assert recipe_for("dfine-n").merged_with_file(path).as_mapping() == recipe.as_mapping()


def test_a_recipe_of_an_older_version_has_the_new_augmentation_off(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    new = ("hue", "random_gamma", "gamma_range", "blur", "noise", "jpeg", "copy_paste", "mixup")
    lines = [line for line in recipe_for("dfine-s").to_toml().splitlines() if not line.startswith(new)]
    path.write_text("\n".join(lines))
    assert Recipe.read_toml(path) == recipe_for("dfine-s")
    for name in ("dfine-n", "rtdetr-r50", "detr-r50", "deformable-detr"):
        recipe = recipe_for(name)
        off = (recipe.hue, recipe.random_gamma, recipe.blur, recipe.noise, recipe.jpeg, recipe.copy_paste, recipe.mixup)
        assert off == (0,) * 7, name


def test_tables_of_class_weights_are_united_and_words_replace_them(tmp_path: Path) -> None:
    table = {"traffic light": 2, 'a "b"': 0.5, "naïve": 1, "x.y": 3, "": 4}
    recipe = Recipe().merged({"class_weights": table})
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.read_toml(path) == recipe
    assert Recipe().merged({"class_weights": "balanced"}).merged_with_file(path).class_weights == table
    assert recipe.merged({"class_weights": {"x.y": 5, "z": 6}}).class_weights == {**table, "x.y": 5, "z": 6}
    assert recipe.merged({"class_weights": "none"}).class_weights == "none"


def test_the_later_value_wins() -> None:
    recipe = recipe_for("dfine-s").merged({"lr": 1, "batch": 8}).merged({"lr": 0.5})
    assert (recipe.lr, recipe.batch, recipe.base_batch) == (0.5, 8, 64)


def test_the_end_of_augmentation_moves_with_the_number_of_epochs() -> None:
    assert recipe_for("dfine-s").merged({"epochs": 22}).stop_augmentation_epoch == 20
    assert recipe_for("dfine-s").merged({"epochs": 22, "stop_augmentation_epoch": 5}).stop_augmentation_epoch == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": 3}, "unknown field 'epoch'; did you mean 'epochs'"),
        ({"epochs": 1.5}, "epochs is 1.5; it must be an integer from 1"),
        ({"epochs": True}, "epochs is True"),
        ({"lr": "fast"}, "lr is 'fast'; it must be a number"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": -1}, "lr is -1"),
        ({"flip": 1.01}, "flip is 1.01; it must be a number from 0 to 1"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"betas": [0.9]}, "a list of 2 numbers"),
        ({"image_size": [64, "64"]}, "each item an integer"),
        ({"frozen": "backbone."}, "frozen is 'backbone.'; it must be a list"),
        ({"network": {"depths": [1]}}, "a table of numbers"),
        ({"batch": 9, "accumulate": 2}, "batch 9 cannot be divided"),
        ({"schedule": "step"}, "needs milestone_epochs"),
        ({"blur": 1.5}, "blur is 1.5; it must be a number from 0 to 1"),
        ({"mixup": -0.1}, "mixup is -0.1; it must be a number from 0 to 1"),
        ({"copy_paste": "often"}, "copy_paste is 'often'; it must be a number from 0 to 1"),
        ({"copypaste": 1.0}, "unknown field 'copypaste'; did you mean 'copy_paste'"),
        ({"jpeg_quality": [0, 90]}, "jpeg_quality is [0, 90]; it must be a list, each item an integer from 1 to 100"),
        ({"noise_sigma": 5}, "noise_sigma is 5; it must be a list of 2 numbers"),
        ({"gamma_range": [2, 0.5]}, "gamma_range is [2, 0.5]; the smallest value comes first"),
        ({"blur_sigma": [3, 1]}, "blur_sigma is [3, 1]; the smallest value comes first"),
        ({"resize": "letter"}, "resize is 'letter'; it must be one of stretch, letterbox; did you mean 'letterbox'"),
        ({"rotation": 0.5, "max_rotation": 0}, "rotation is 0.5, but max_rotation is 0"),
        ({"max_rotation": 181}, "max_rotation is 181; it must be a number from 0 to 180"),
        ({"vertical_flip": -0.1}, "vertical_flip is -0.1; it must be a number from 0 to 1"),
        ({"quarter_turns": 0.5}, "unknown field 'quarter_turns'; did you mean 'quarter_turn'"),
        ({"repeat_threshold": -0.1}, "repeat_threshold is -0.1; it must be a number from 0 to 1"),
        ({"max_empty_fraction": 20}, "max_empty_fraction is 20; it must be a number from 0 to 1"),
        (
            {"class_weights": "equal"},
            "class_weights is 'equal'; it must be none, balanced or a table of numbers from 0.001",
        ),
        ({"class_weights": {"car": 0}}, "class_weights is {'car': 0}; it must be none, balanced or a table"),
        ({"class_weights": {"car": float("nan")}}, "or a table of numbers from 0.001 to 1000"),
        ({"class_weights": {"car": True}}, "or a table of numbers"),
        ({"class_weights": [1, 2]}, "class_weights is [1, 2]; it must be none, balanced or a table"),
    ],
)
def test_a_mistake_is_named_with_file_and_field(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe().merged(changes, "'my.toml'")
    assert words in str(caught.value)
    assert "my.toml" in str(caught.value)


def test_a_file_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    for content in (b"lr = ", b"\xff\xfe", b"x" * (1 << 21)):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(UsageError, match=r"bad\.toml"):
            Recipe.read_toml(tmp_path / "bad.toml")
    with pytest.raises(UsageError, match=r"none\.toml"):
        Recipe.read_toml(tmp_path / "none.toml")


def test_every_number_has_bounds() -> None:
    numbers = {name for name, value in Recipe().as_mapping().items() if isinstance(value, int | float | list)}
    assert numbers - {"frozen", "mask_head", "fit_to_data"} == set(BOUNDS) - {"class_weights"}  # "none"
