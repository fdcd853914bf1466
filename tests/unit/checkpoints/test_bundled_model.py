"""A bundled model: found without a cache or a network, neither downloaded nor removed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from detcli.checkpoints import catalog, catalog_entry
from detcli.checkpoints.hub import locate_model as hub
from detcli.checkpoints.hub.checksums import sha256_of_file
from detcli.errors import DamagedModelError, UsageError


@pytest.fixture
def installed_model(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model in the place of `shapes`; the cache is a folder that does not exist."""
    folder = tmp_path / "installed_model" / "shapes"
    shutil.copytree(tiny_checkpoint, folder)
    entry = replace(catalog.CATALOG["shapes"], sha256=sha256_of_file(folder / "model.safetensors"))
    monkeypatch.setattr(catalog_entry, "BUNDLED_MODELS", folder.parent)
    monkeypatch.setattr(catalog, "CATALOG", {**catalog.CATALOG, "shapes": entry})
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return folder


def test_it_is_found_offline_without_the_cache(installed_model: Path, tmp_path: Path) -> None:
    files = hub.locate("shapes", offline=True)
    assert (files.folder, files.repository, files.commit) == (installed_model, None, None)
    assert files.entry is not None
    assert files.entry.name == "shapes"
    assert hub.download("shapes") == hub.locate("shapes")
    assert not (tmp_path / "cache").exists()


def test_it_is_preferred_to_a_folder_of_its_name(
    installed_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shapes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert hub.locate("shapes").folder == installed_model
    with pytest.raises(DamagedModelError, match="is not a model folder"):
        hub.locate("./shapes")


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_file_that_an_installation_lost_is_named(installed_model: Path, name: str) -> None:
    (installed_model / name).unlink()
    with pytest.raises(
        DamagedModelError, match=rf"'shapes' is bundled with detcli, but '.*{name}' is missing: install detcli again"
    ):
        hub.locate("shapes")
    assert {check.name: check.state for check in hub.check_bundled_model("shapes")}[name] == "missing"


def test_a_changed_byte_is_found(installed_model: Path) -> None:
    assert [check.state for check in hub.check_bundled_model("shapes")] == ["ok"] * 3
    weights = installed_model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    (installed_model / "config.json").write_text("{")
    assert [check.state for check in hub.check_bundled_model("shapes")] == ["damaged", "ok", "damaged"]


def test_it_has_one_revision_and_stays(installed_model: Path) -> None:
    with pytest.raises(UsageError, match="'shapes' is a local model"):
        hub.locate("shapes", revision="v1.0")
    for refused in (lambda: hub.download("shapes", revision="v1.0"), lambda: hub.remove("shapes")):
        with pytest.raises(UsageError, match="'shapes' is bundled with detcli: it cannot be downloaded or removed"):
            refused()
    assert (installed_model / "model.safetensors").exists()
