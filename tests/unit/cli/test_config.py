"""`detcli config`: every setting and where it comes from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.docs.command_tree import read_tree
from detcli.cli.framework.settings import user_file
from detcli.cli.main import cli
from tests.helpers.cli_runs import Run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DETCLI_DETECT_DEVICE")
    return tmp_path


def values(detcli: Callable[..., Run], *arguments: str) -> dict[str, Any]:
    run = detcli("config", "show", "--json", *arguments)
    assert (run.code, run.err) == (0, "")
    commands: dict[str, Any] = json.loads(run.out)["commands"]
    return commands


def test_each_source_is_named(detcli: Callable[..., Run], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_file().parent.mkdir()
    user_file().write_text('[detect]\nmodel = "dfine-x"\nlimit = 3')
    (folder / "detcli.toml").write_text("[detect]\nmax-det = 7\nthreshold = 0.3\nimgsz = 640")
    (folder / "given.toml").write_text('[detect]\nclasses = ["dog"]\nmax-det = 8')
    monkeypatch.setenv("DETCLI_DETECT_MAX_DET", "9")
    shown = values(detcli, "detect", "--config", "given.toml")["detect"]
    assert shown["max-det"] == {"value": 9, "origin": "environment", "source": "DETCLI_DETECT_MAX_DET"}
    assert shown["classes"] == {"value": ["dog"], "origin": "config", "source": "given.toml"}
    assert shown["imgsz"] == {"value": [640, 640], "origin": "folder", "source": "detcli.toml"}
    assert shown["model"] == {"value": "dfine-x", "origin": "user", "source": str(user_file())}
    assert shown["revision"] == {"value": "main", "origin": "catalog", "source": "dfine-x"}
    assert shown["if-exists"] == {"value": "error", "origin": "default", "source": None}
    assert shown["output"]["value"] == []


def test_the_threshold_is_that_of_the_catalog(detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETCLI_DETECT_MODEL", "detr-r50")
    assert values(detcli, "detect")["detect"]["threshold"] == {
        "value": CATALOG["detr-r50"].threshold, "origin": "catalog", "source": "detr-r50",
    }  # fmt: skip
    assert values(detcli, "detect")["detect"]["nms"]["value"] is None
    monkeypatch.setenv("DETCLI_DETECT_MODEL", "shapes")
    assert values(detcli, "detect")["detect"]["nms"] == {"value": 0.7, "origin": "catalog", "source": "shapes"}
    monkeypatch.setenv("DETCLI_DETECT_MODEL", "my/own")
    assert values(detcli, "detect")["detect"]["threshold"]["origin"] == "default"


def test_variables_of_the_hub_and_of_all_commands_count(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/somewhere")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("DETCLI_COLOR", "never")
    shown = values(detcli, "train")["train"]
    assert shown["cache-dir"] == {"value": "/somewhere", "origin": "environment", "source": "HF_HUB_CACHE"}
    assert shown["offline"] == {"value": True, "origin": "environment", "source": "HF_HUB_OFFLINE"}
    assert shown["color"] == {"value": "never", "origin": "environment", "source": "DETCLI_COLOR"}


def test_a_command_may_have_its_own_file(
    detcli: Callable[..., Run], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.toml").write_text("[detect]\nlimit = 1")
    (folder / "b.toml").write_text("[detect]\nlimit = 2")
    monkeypatch.setenv("DETCLI_DETECT_CONFIG", "a.toml")
    assert values(detcli, "detect")["detect"]["limit"]["value"] == 1
    assert values(detcli, "detect", "--config", "b.toml")["detect"]["limit"]["value"] == 2


def test_every_option_of_every_command_is_shown(detcli: Callable[..., Run]) -> None:
    shown = values(detcli)
    leaves = [branch for branch in read_tree(cli, "detcli").walk() if not branch.children]
    assert {" ".join(leaf.path[1:]) for leaf in leaves} == set(shown)
    for leaf in leaves:
        keys = {max(flag.names, key=len).removeprefix("--") for flag in leaf.flags}
        known = set(shown[" ".join(leaf.path[1:])])
        assert {key.removeprefix("no-") for key in keys} - {"config", "help", "version"} == {
            key.removeprefix("no-") for key in known
        }


def test_the_page_names_files_values_and_origins(detcli: Callable[..., Run], folder: Path) -> None:
    (folder / "detcli.toml").write_text('[detect]\nmodel = "detr-r50"')
    lines = detcli("config", "show", "detect").out.splitlines()
    assert lines[0] == "# this folder detcli.toml"
    assert lines[1] == f"# user {user_file()} (does not exist)"
    assert "[detect]" in lines
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line and line[0].isalpha()}
    assert rows["model"].split() == ["detr-r50", "this", "folder", "detcli.toml"]
    assert rows["no-recursive"].split() == ["false", "default"]
    assert rows["limit"].split() == ["-", "default"]
    assert rows["workers"].startswith("one per core")


@pytest.mark.parametrize("name", ["models", "models list"])
def test_a_group_and_its_commands_can_be_named(detcli: Callable[..., Run], name: str) -> None:
    assert all(shown.startswith(name) for shown in values(detcli, *name.split()))


def test_slips_are_usage_errors(detcli: Callable[..., Run], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = detcli("config", "show", "detcet")
    assert (unknown.code, unknown.out) == (2, "")
    assert "unknown command 'detcet': did you mean 'detect'?" in unknown.err
    monkeypatch.setenv("DETCLI_DETECT_MAX_DET", "many")
    wrong = detcli("config", "show", "detect")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == "detcli: DETCLI_DETECT_MAX_DET: 'many' is not an integer from 1 to 100,000\n"
    (folder / "detcli.toml").write_text("[detect]\nmodle = 'x'")
    assert "detcli.toml: [detect] unknown key 'modle': did you mean 'model'?" in detcli("config", "show").err


def test_path_is_the_users_file(detcli: Callable[..., Run]) -> None:
    assert detcli("config", "path") == Run(0, f"{user_file()}\n", "")


def test_thresholds_of_classes_are_shown_as_they_are_typed(
    detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETCLI_DETECT_THRESHOLD", "0.4,traffic light=0.25")
    shown = values(detcli, "detect")["detect"]["threshold"]
    assert shown["value"] == {"*": 0.4, "traffic light": 0.25}
    assert "0.4,traffic light=0.25" in detcli("config", "show", "detect").out
