"""A run that overwrites another one removes the files of that run only."""

import sys
from pathlib import Path

import pytest

from detcli.errors import OutputError
from detcli.io.output_paths import OUTPUT_TAG
from detcli.training.state.run_folder import RunFolder
from tests.helpers.training_jobs import quick_recipe

WRITTEN = (
    "state.safetensors", "restart.safetensors", "curves.png", "tensorboard/events.out.tfevents.1.host.1.0",
    *(f"{folder}/{name}" for folder in ("last", "best") for name in ("config.json", "preprocessor_config.json", "model.safetensors")),
)  # fmt: skip


def earlier_run(folder: Path) -> None:
    for name in WRITTEN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"old")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def begin(path: Path) -> None:
    folder = RunFolder(path)
    try:
        folder.begin(quick_recipe(), overwrite=True)
    finally:
        folder.close()


def test_files_of_the_earlier_run_are_removed(tmp_path: Path) -> None:
    earlier_run(tmp_path)
    begin(tmp_path)
    assert files(tmp_path) == [OUTPUT_TAG, "metrics.jsonl", "recipe.toml"]
    assert not (tmp_path / "last").exists()


@pytest.mark.parametrize("name", ["notes.txt", "best/notes.txt", "last/onnx/model.onnx", "tensorboard/own.txt"])
def test_files_of_others_stay(tmp_path: Path, name: str) -> None:
    earlier_run(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"own")
    begin(tmp_path)
    assert files(tmp_path) == sorted(["metrics.jsonl", "recipe.toml", name]), "and no tag"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("name", ["last", "best", "tensorboard"])
def test_files_behind_a_link_stay(tmp_path: Path, name: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in ("config.json", "model.safetensors", "events.out.tfevents.1.host.1.0"):
        (other / file).write_bytes(b"precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(other)
    with pytest.raises(OutputError, match=f"'.*{name}' is a link"):
        begin(tmp_path / "run")
    assert [path.read_bytes() for path in other.iterdir()] == [b"precious"] * 3
