"""What a run would do, before it does anything: which recipe and which start follow from a model's name."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open

from tests.helpers.cli_runs import Run


def test_an_index_of_shards_is_a_model_and_no_configuration(
    detcli: Callable[..., Run], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sharded"
    shutil.copytree(tiny_checkpoint, folder)
    shard = (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    with safe_open(shard, framework="np") as file:
        index = {"metadata": {}, "weight_map": dict.fromkeys(file.keys(), shard.name)}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    run = detcli("train", "-m", path, "--data", "shapes:0:4", "--dry-run")
    assert run.code == 0, run.err
    assert tomllib.loads(run.out)["image_size"] == [64, 96]
