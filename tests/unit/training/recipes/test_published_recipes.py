"""All families have their published recipes, whatever name or configuration they are asked for by."""

from dataclasses import replace

import pytest

from detcli.errors import UsageError
from detcli.models.family import FAMILIES
from detcli.training.optimization.optimizer import schedule_factor
from detcli.training.recipes.published_recipes import recipe_for, recipe_of
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_setup import trained_groups

DETR = ("detr-r50", "detr-r101-dc5", "detr-r50-panoptic")
DEFORMABLE = ("deformable-detr", "deformable-detr-single-scale-dc5", "deformable-detr-with-box-refine-two-stage")


def schedule(recipe: Recipe) -> tuple[object, ...]:
    return recipe.epochs, recipe.schedule, recipe.milestone_epochs, recipe.gamma


@pytest.mark.parametrize("name", [*DETR, *DEFORMABLE])
def test_both_families_share_what_was_published_of_both(name: str) -> None:
    recipe = recipe_for(name)
    assert (recipe.weight_decay, recipe.clip, recipe.warmup_steps, recipe.betas) == (1e-4, 0.1, 0, (0.9, 0.999))
    assert (recipe.ema_decay, recipe.stop_augmentation_epoch) == (0.0, 0)
    assert recipe.shortest_edges == (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
    assert (recipe.longest_edge, recipe.random_crop, recipe.flip) == (1333, 0.5, 0.5)
    assert (recipe.crop_edges, recipe.crop_sides) == ((400, 500, 600), (384, 600))
    assert (recipe.photometric, recipe.zoom_out, recipe.iou_crop, recipe.mosaic, recipe.multi_scale_repeat) == (0,) * 5
    assert recipe.base_batch == recipe.batch
    assert recipe.network == {}
    recipe.check()


@pytest.mark.parametrize("name", DETR)
def test_detr_recipes_are_the_published_ones(name: str) -> None:
    recipe = recipe_for(name, scratch=True)
    assert (recipe.lr, recipe.backbone_lr, recipe.batch) == (1e-4, 1e-4, 64)
    assert schedule(recipe) == (300, "step", (200,), 0.1)
    assert recipe.frozen == ()
    tuned = recipe_for(name)
    assert (tuned.lr, tuned.backbone_lr, tuned.batch) == (1e-4, 1e-5, 16)
    assert schedule(tuned) == (50, "step", (40,), 0.1)


@pytest.mark.parametrize("name", DEFORMABLE)
def test_deformable_detr_recipes_are_the_published_ones(name: str) -> None:
    recipe = recipe_for(name)
    assert (recipe.lr, recipe.backbone_lr, recipe.batch) == (2e-4, 2e-5, 32)
    assert schedule(recipe) == (50, "step", (40,), 0.1)
    assert schedule(recipe_for(name, scratch=True)) == schedule(recipe)


# Backbone's rate, epochs, epoch in which augmentation stops, weight of the middle size, and whether the stem is frozen.
RTDETR = {
    "rtdetr-r18vd": (1e-5, 72, 0, 3, False),
    "rtdetr-r34vd": (1e-5, 72, 0, 3, False),
    "rtdetr-r50vd": (1e-5, 72, 0, 3, True),
    "rtdetr-r101vd-coco-o365": (1e-6, 72, 0, 3, True),
    "rtdetr-v2-r18vd": (1e-4, 120, 117, 0, False),
    "rtdetr-v2-r34vd": (5e-5, 120, 117, 3, False),
    "rtdetr-v2-r50vd": (1e-5, 72, 71, 3, True),
    "rtdetr-v2-r101vd": (1e-6, 72, 71, 3, True),
    "docling-layout-heron": (1e-5, 72, 71, 3, True),
}


@pytest.mark.parametrize("name", RTDETR)
def test_rtdetr_recipes_are_the_published_ones(name: str) -> None:
    recipe = recipe_for(name)
    backbone_lr, epochs, stop, repeat, frozen = RTDETR[name]
    assert (recipe.lr, recipe.backbone_lr, recipe.weight_decay, recipe.batch) == (1e-4, backbone_lr, 1e-4, 16)
    assert (recipe.epochs, recipe.schedule, recipe.stop_augmentation_epoch) == (epochs, "constant", stop)
    assert (recipe.multi_scale_repeat, recipe.image_size, recipe.clip) == (repeat, (640, 640), 0.1)
    assert (recipe.ema_decay, recipe.ema_warmup_steps) == (0.9999, 2000)
    assert recipe.warmup_steps == (0 if name.startswith("rtdetr-r") else 2000)
    assert (recipe.photometric, recipe.zoom_out, recipe.iou_crop, recipe.flip) == (0.5, 0.5, 0.8, 0.5)
    assert recipe.frozen == (("backbone.stem.",) if frozen else ())
    assert recipe.network == {"freeze_backbone_batch_norms": frozen}
    scratch = recipe_for(name, scratch=True)
    assert (scratch.backbone_lr, scratch.frozen) == (1e-4, ())
    assert scratch.network == {"freeze_backbone_batch_norms": False}


@pytest.mark.parametrize("name", ["detr-r50", "detr-r101", "deformable-detr", "detr-r50-dc5-panoptic"])
def test_a_configuration_has_the_recipe_of_its_family(name: str) -> None:
    family = FAMILIES["deformable_detr" if name.startswith("deformable") else "detr"]
    variant = name.partition("detr")[2].removeprefix("-")
    assert recipe_of(family, family.published_config(variant, ["a", "b"])) == recipe_for(name)


def test_a_mask_head_is_trained_for_a_detector_that_stays_as_it_is() -> None:
    recipe = recipe_for("detr-r50", masks=True)
    assert recipe.mask_head
    assert schedule(recipe) == (25, "step", (15,), 0.1)
    from tests.helpers.detr_samples import SEGMENTING, tiny

    family = FAMILIES["detr"]
    learning = trained_groups(family, family.build(tiny(**SEGMENTING)), recipe)
    names = [name for group in learning for name in group.names]
    assert names
    assert all(name.startswith("mask_head.") for name in names)
    assert not recipe_for("detr-r50-panoptic", masks=True).mask_head, "it has one already: all of it learns"


@pytest.mark.parametrize("family", ["detr", "deformable_detr"])
def test_the_stem_and_the_first_stage_keep_what_imagenet_taught_them(family: str) -> None:
    from tests.helpers.deformable_detr_samples import tiny as tiny_deformable
    from tests.helpers.detr_samples import tiny as tiny_detr

    network = FAMILIES[family].build(tiny_detr() if family == "detr" else tiny_deformable())
    groups = FAMILIES[family].parameter_groups(network)
    of_all = {name for group in groups for name in group.names}
    assert of_all == {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    recipe = recipe_for("detr-r50" if family == "detr" else "deformable-detr")
    kept = of_all - {name for group in trained_groups(FAMILIES[family], network, recipe) for name in group.names}
    assert kept
    assert {".".join(name.split(".")[:3])[:17] for name in kept} <= {
        "backbone.stem.con",
        "backbone.stem.0.c",
        "backbone.stages.0",
    }


def test_sampling_offsets_train_at_a_tenth_of_the_rate() -> None:
    from tests.helpers.deformable_detr_samples import tiny

    family = FAMILIES["deformable_detr"]
    groups = family.parameter_groups(family.build(tiny()))
    slow = [group for group in groups if group.factor == 0.1]
    assert len(slow) == 1
    # Offsets of two encoder and two decoder layers, and the reference points: weight and bias each.
    assert len(slow[0].names) == 2 * (2 + 2 + 1)
    assert all(group.decay for group in groups)


def test_the_drop_moves_with_the_number_of_epochs() -> None:
    recipe = recipe_for("detr-r50").merged({"epochs": 10})
    assert recipe.milestone_epochs == (8,)
    assert recipe_for("detr-r50").merged({"epochs": 10, "milestone_epochs": [3]}).milestone_epochs == (3,)
    rates = [schedule_factor(recipe, step=epoch * 5, epoch=epoch, total_steps=50) for epoch in range(10)]
    assert rates == [1.0] * 8 + [0.1] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mosaic": 0.5}, "mosaic is 0.5, which is for images that are stretched to one size"),
        ({"zoom_out": 1}, "zoom_out is 1"),
        ({"resize": "letterbox"}, "resize is letterbox, which is for images of one size"),
        ({"multi_scale_repeat": 20}, "multi_scale_repeat is 20"),
        ({"longest_edge": 700}, "800 is above longest_edge = 700"),
        ({"crop_sides": [600, 384]}, "crop_sides with the smallest first"),
        ({"crop_edges": []}, "random_crop needs crop_edges"),
        ({"mask_head": 1}, "mask_head is 1; it must be true or false"),
        ({"shortest_edges": [0]}, "shortest_edges is [0]"),
    ],
)
def test_fields_that_do_not_go_together_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe_for("detr-r50").merged(changes, "'my.toml'")
    assert words in str(caught.value)
    assert "my.toml" in str(caught.value)


def test_smaller_images_keep_the_proportions_of_the_recipe() -> None:
    recipe = recipe_for("detr-r50")
    assert recipe.merged(recipe.resized(800, 1333)) == recipe
    half = recipe.merged(recipe.resized(400, 640))
    assert (half.shortest_edges[0], half.shortest_edges[-1], half.longest_edge) == (240, 400, 640)
    assert (half.crop_edges, half.crop_sides) == ((200, 250, 300), (192, 300))


def test_a_recipe_written_down_is_the_same_recipe(tmp_path) -> None:  # type: ignore[no-untyped-def]
    recipe = recipe_for("detr-r101", masks=True)
    (tmp_path / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.read_toml(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_its_own_published_recipe(name: str) -> None:
    family = FAMILIES[name]
    config = family.published_config(
        {"dfine": "s", "detr": "r50", "deformable_detr": "", "rtdetr": "r18vd"}[name], ["any"]
    )
    assert {"lr", "backbone_lr", "epochs", "batch", "frozen"} <= family.published_recipe(config, "custom").keys()
    assert "published_recipe" in vars(type(family))


def test_a_network_narrower_than_the_published_ones_has_higher_rates() -> None:
    family = FAMILIES["dfine"]
    published = family.published_config("n", ["any"])
    narrow = recipe_of(family, replace(published, d_model=64, encoder_hidden_dim=64))
    assert (narrow.lr, narrow.backbone_lr, narrow.schedule) == (1.4e-3, 1.4e-3, "cosine")
    assert recipe_of(family, replace(published, labels=("other",))).lr == 8e-4
