"""The rule by which a model resizes images, from its files alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from detcli.checkpoints.hub.locate_model import bundled_model
from detcli.engine.model_files.input_sizing import input_sizing
from detcli.errors import ModelError, UsageError


def changed(folder: Path, **fields: Any) -> str:
    """The bundled model with other fields of its image processor; None removes one."""
    files = bundled_model("shapes")
    assert files is not None
    shutil.copytree(files.folder, folder)
    document = json.loads((folder / "preprocessor_config.json").read_text()) | fields
    kept = {key: value for key, value in document.items() if value is not None}
    (folder / "preprocessor_config.json").write_text(json.dumps(kept))
    return str(folder)


def test_a_bundled_model_stretches_to_its_own_size() -> None:
    sizing = input_sizing("shapes")
    assert sizing.resized_hw((100, 400)) == (256, 256)
    assert sizing.name == "images as 'shapes' gets them (256 x 256)"
    assert input_sizing("shapes", (128, 320)).resized_hw((100, 400)) == (128, 320)


def test_a_model_that_keeps_the_aspect_ratio_does_so(tmp_path: Path) -> None:
    size = {"max_height": 320, "max_width": 320}
    padded = {"size": size, "do_pad": True, "pad_size": {"height": 320, "width": 320}}
    for number, fields in enumerate((padded, {**padded, "pad_position": "center"})):
        sizing = input_sizing(changed(tmp_path / str(number), **fields))
        assert sizing.resized_hw((100, 400)) == (80, 320)
        assert sizing.name.endswith("gets them (320 x 320)")


@pytest.mark.parametrize(("model", "size"), [("no-such-model", None), ("shapes", (33, 64))])
def test_what_cannot_be_is_an_error(model: str, size: tuple[int, int] | None) -> None:
    with pytest.raises((ModelError, UsageError)):
        input_sizing(model, size)
