"""A Hub on this machine, and models on disk, each as broken as a test wants it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.hub_fixtures import cache, environment, hub, model_files, weights

__all__ = ["cache", "environment", "hub", "model_files", "weights"]


@pytest.fixture
def write_model(tmp_path: Path, model_files: dict[str, bytes]) -> Callable[..., Path]:
    """Write a model's folder; keyword arguments by file name replace its files, None leaves one out."""

    def write(**changes: bytes | None) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        names = {"config": "config.json", "preprocessor": "preprocessor_config.json", "weights": "model.safetensors"}
        for name, data in {**model_files, **{names.get(key, key): data for key, data in changes.items()}}.items():
            if data is not None:
                (folder / name).write_bytes(data)
        return folder

    return write
