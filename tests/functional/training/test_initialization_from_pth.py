"""Training begins from a file of an original repository as from any other model."""

from dataclasses import replace
from pathlib import Path

import torch

from detcli.models.dfine import FAMILY
from detcli.structures.dataset_labels import COCO_80
from detcli.training.initialization import starting_point
from detcli.training.recipes.recipe import Recipe
from tests.helpers.dfine_samples import random_network, tiny
from tests.helpers.original_layouts import dfine


def test_classes_that_an_original_file_knows_keep_their_rows(tmp_path: Path) -> None:
    config = replace(tiny(num_queries=300), labels=COCO_80)
    state = dict(random_network(config).state_dict())
    tensors = dfine(FAMILY.write_weights(state, config), grid_hw=(320, 320), strides=(8, 16, 32))
    path = tmp_path / "dfine.pth"
    torch.save({"model": tensors}, path)
    start = starting_point(str(path), scratch=False, names=("dog", "house", "person"), recipe=Recipe())
    assert start.kept == (0, 2)
    assert start.preprocessor["size"] == {"height": 320, "width": 320}
    assert any("classes are those of COCO" in note for note in start.notes)
    name = "decoder.class_heads.0.weight"
    assert torch.equal(start.state[name][0], state[name][COCO_80.index("dog")])
    begun = starting_point(str(path), scratch=True, names=("dog",), recipe=Recipe())
    assert begun.config.encoder_hidden_dim == config.encoder_hidden_dim
    assert begun.kept == ()
