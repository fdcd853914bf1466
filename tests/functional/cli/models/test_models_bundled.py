"""`detcli models`, `download` and `detect` with the bundled model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from detcli.checkpoints import catalog, catalog_entry
from detcli.checkpoints.hub.checksums import sha256_of_file
from tests.helpers.cli_runs import Run


@pytest.fixture
def installed_model(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model in the place of `shapes`; no network, and a cache that does not exist."""
    folder = tmp_path / "installed_model" / "shapes"
    shutil.copytree(model, folder)
    entry = replace(catalog.CATALOG["shapes"], sha256=sha256_of_file(folder / "model.safetensors"))
    monkeypatch.setattr(catalog_entry, "BUNDLED_MODELS", folder.parent)
    monkeypatch.setattr(catalog, "CATALOG", {**catalog.CATALOG, "shapes": entry})
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def test_it_stands_in_the_list_as_here(detcli: Callable[..., Run], installed_model: Path) -> None:
    rows = json.loads(detcli("models", "list", "--json").out)
    (row,) = [row for row in rows if row["name"] == "shapes"]
    assert (row["cached"], row["repository"], row["labels"]) == (True, None, "shapes")
    assert row["bytes"] == sum(path.stat().st_size for path in installed_model.iterdir())


def test_info_knows_its_classes_and_where_it_lies(detcli: Callable[..., Run], installed_model: Path) -> None:
    run = detcli("models", "info", "shapes")
    assert run.code == 0
    assert "bundled" in run.out
    assert str(installed_model) in run.out
    assert "3 classes: index, category id, name" in run.out
    assert run.err == ""


def test_path_is_its_folder(detcli: Callable[..., Run], installed_model: Path) -> None:
    assert detcli("models", "path", "shapes").out == f"{installed_model}\n"


def test_verify_looks_at_its_files(detcli: Callable[..., Run], installed_model: Path) -> None:
    run = detcli("models", "verify", "shapes")
    assert run.code == 0
    assert [line.split()[-1] for line in run.out.splitlines()] == ["ok"] * 3
    (installed_model / "model.safetensors").write_bytes(b"other")
    run = detcli("models", "verify", "shapes")
    assert run.code == 5
    assert "installing detcli again" in run.err


def test_download_says_that_it_is_here_and_remove_refuses(
    detcli: Callable[..., Run], installed_model: Path, tmp_path: Path
) -> None:
    run = detcli("download", "shapes")
    assert run.code == 0
    assert run.err.startswith("detcli: 'shapes' is downloaded and verified: ")
    run = detcli("models", "remove", "-y", "shapes")
    assert run.code == 2
    assert "'shapes' is bundled with detcli: it cannot be downloaded or removed" in run.err
    assert (installed_model / "model.safetensors").exists()
    assert not (tmp_path / "cache").exists()


def test_detect_uses_it_offline(detcli: Callable[..., Run], installed_model: Path, images: Path) -> None:
    run = detcli("detect", "in", "-m", "shapes", "-t", "0.01", "--max-det", "1", "--offline")
    assert run.code == 0
    assert len(run.out.splitlines()) == 5
    assert "'shapes' on this machine" in detcli("detect", "in", "-m", "shapes", "-n").err
