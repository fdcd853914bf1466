"""Category ids in config.json are those of the training data."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import UnsupportedModelError
from detcli.inference.load import load_detector


def with_ids(checkpoint: Path, folder: Path, ids: Any) -> str:
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"category_ids": ids}))
    return str(folder)


def test_the_ids_in_the_configuration_are_the_labels(tiny_checkpoint: Path, tmp_path: Path) -> None:
    labels = load_detector(with_ids(tiny_checkpoint, tmp_path / "model", [17, 0, 3])).labels
    assert (labels.names, labels.category_ids) == (("cat", "dog", "cow"), (17, 0, 3))


@pytest.mark.parametrize(
    "ids", [[1, 2], [1, 2, 3, 4], [1, 2, 2], [1, 2, -3], [1, 2, 3.0], [1, 2, True], [1, 2, "3"], {"0": 1}, "123", 5, [1, 2, 1 << 60]]
)  # fmt: skip
def test_invalid_ids_are_refused(tiny_checkpoint: Path, tmp_path: Path, ids: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="'category_ids' must be 3 different integers"):
        load_detector(with_ids(tiny_checkpoint, tmp_path / "model", ids))
