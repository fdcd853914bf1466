"""Training begins from what a model knows of the data's classes, or from nothing."""

import json
from pathlib import Path

import pytest
import torch

from detcli.errors import UnknownModelError, UsageError
from detcli.training.initialization import resumed_point, starting_point
from detcli.training.recipes.published_recipes import recipe_for
from detcli.training.recipes.recipe import Recipe
from tests.helpers.dfine_samples import tiny_json


def test_classes_of_the_same_name_keep_their_rows(tiny_checkpoint: Path) -> None:
    start = starting_point(str(tiny_checkpoint), scratch=False, names=("Dog", "house", "cat"), recipe=Recipe())
    assert start.config.labels == ("Dog", "house", "cat")
    assert start.kept == (0, 2)
    assert any("2 of the 3 classes already ('Dog', 'cat')" in note for note in start.notes)
    assert start.preprocessor["size"] == {"height": 64, "width": 96}
    assert start.preprocessor["image_processor_type"] == "RTDetrImageProcessor", "transformers asks for it"
    start.family.build(start.config).load_state_dict(start.state, strict=True)


def test_new_weights_depend_on_the_seed(tiny_checkpoint: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        start = starting_point(str(tiny_checkpoint), scratch=False, names=("x", "y"), recipe=Recipe(seed=seed))
        return start.state["denoising_labels.weight"]

    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_recipe_changes_the_configuration(tiny_checkpoint: Path) -> None:
    recipe = Recipe(network={"freeze_backbone_batch_norms": False, "num_denoising": 7})
    start = starting_point(str(tiny_checkpoint), scratch=False, names=("cat",), recipe=recipe)
    assert start.config.num_denoising == 7
    assert any("backbone" in name and name.endswith("num_batches_tracked") for name in start.state)
    with pytest.raises(UsageError, match=r"\[network\] does not fit the model: .*num_denoising"):
        starting_point(
            str(tiny_checkpoint), scratch=False, names=("cat",), recipe=Recipe(network={"num_denoising": -1})
        )


def test_a_name_of_the_catalogue_from_scratch_needs_no_download(tmp_path: Path) -> None:
    recipe = recipe_for("dfine-n", scratch=True)
    start = starting_point("dfine-n", scratch=True, names=("a", "b"), offline=True, cache_dir=tmp_path, recipe=recipe)
    assert sum(tensor.numel() for tensor in start.state.values()) > 3_000_000
    assert start.config.labels == ("a", "b")
    assert not start.config.backbone.frozen
    assert start.kept == ()


def test_a_configuration_can_be_begun_from_scratch_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(tiny_json()))
    start = starting_point(str(path), scratch=True, names=("a", "b", "c"), recipe=Recipe(seed=4))
    again = starting_point(str(path), scratch=True, names=("a", "b", "c"), recipe=Recipe(seed=4))
    assert start.config.labels == ("a", "b", "c")
    assert start.config.d_model == 32
    assert all(torch.equal(tensor, again.state[name]) for name, tensor in start.state.items())
    with pytest.raises(UsageError, match="without weights; use `scratch`"):
        starting_point(str(path), scratch=False, names=("a",), recipe=Recipe())
    with pytest.raises(UsageError, match="does not exist"):
        starting_point(str(tmp_path / "none.json"), scratch=True, names=("a",), recipe=Recipe())


def test_a_folder_from_scratch_lends_its_configuration(tiny_checkpoint: Path) -> None:
    start = starting_point(str(tiny_checkpoint), scratch=True, names=("cat", "dog", "cow"), recipe=Recipe())
    assert start.config.num_queries == 20
    assert start.kept == ()


def test_an_unknown_model_is_refused() -> None:
    for scratch in (False, True):
        with pytest.raises(UnknownModelError, match="dfine-s"):
            starting_point("dfine-ss", scratch=scratch, names=("a",), recipe=Recipe())


def test_a_run_to_go_on_with_knows_its_network(tmp_path: Path) -> None:
    from detcli.training.training_loop import train
    from tests.helpers.training_jobs import job, quick_recipe

    asked = job(tmp_path / "run", quick_recipe(epochs=1), val=None)
    train(asked)
    start = resumed_point(tmp_path / "run")
    assert start.config == asked.config
    assert start.preprocessor["size"] == {"height": 64, "width": 64}
    with pytest.raises(UsageError, match="no run in"):
        resumed_point(tmp_path / "none")
