"""What detcli.toml of the current folder may set: decided for every option, and refused for new ones."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from detcli.checkpoints.catalog import CATALOG
from detcli.cli.config.effective_values import leaf_contexts
from detcli.cli.framework.command import Context
from detcli.cli.framework.folder_rules import ANYTHING, OUTPUTS, SAFE_VALUES, refusal
from detcli.cli.framework.settings import keys_of_options
from detcli.cli.main import cli

# Every option that reads, sends, runs or replaces something, or chooses what is read: decided, and refused.
REFUSED = {
    "cache-dir", "calibrate", "cluster", "data", "files-from", "font", "gt", "images", "labels", "max-pixels", "recipe", "revision", "set-threshold",
    "val", "val-images",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inner = tmp_path / "folder"
    inner.mkdir()
    monkeypatch.chdir(inner)
    return inner


def test_every_option_of_every_command_is_decided() -> None:
    known = {
        key for _, leaf in leaf_contexts(Context(cli, info_name="detcli")) for key in keys_of_options(leaf.command)
    }
    assert known == ANYTHING | OUTPUTS | set(SAFE_VALUES) | {"model", "teacher"} | REFUSED


def test_the_lists_do_not_overlap() -> None:
    assert len(ANYTHING) + len(OUTPUTS) + len(SAFE_VALUES) == len(ANYTHING | OUTPUTS | set(SAFE_VALUES))
    assert not REFUSED & (ANYTHING | OUTPUTS | set(SAFE_VALUES))


@pytest.mark.parametrize("key", [*sorted(REFUSED), "an-option-of-tomorrow", "token", "endpoint"])
@pytest.mark.parametrize("value", ["x", 1, True, ["x"]])
def test_what_is_in_no_list_is_refused(key: str, value: Any) -> None:
    assert refusal(key, value) is not None


@pytest.mark.parametrize("key", sorted(ANYTHING))
def test_what_changes_only_results_is_allowed(key: str) -> None:
    assert refusal(key, 1) is None


@pytest.mark.parametrize(
    ("key", "safe", "unsafe"),
    [
        ("if-exists", "error", "overwrite"),
        ("if-exists", "skip", "replace"),
        ("yes", False, True),
        ("resume", False, True),
        ("offline", True, False),
        ("csv-safe", True, False),
        ("quiet", False, True),
        ("update", False, True),
        ("network", False, True),
        ("compile", False, True),
        ("clear", False, True),
    ],
)
def test_values_that_protect_are_allowed_and_others_are_not(key: str, safe: Any, unsafe: Any) -> None:
    assert refusal(key, safe) is None
    assert refusal(key, unsafe) is not None


@pytest.mark.parametrize("key", ["model", "teacher"])
def test_names_of_the_catalog_are_the_only_models(folder: Path, key: str) -> None:
    (folder / "mine").mkdir()
    assert all(refusal(key, name) is None for name in CATALOG)
    for name in ("mine", "./mine", "/models/x", "owner/model", "x.pth", "", "./dfine-s", "dfine-s/", *repositories()):
        assert refusal(key, name) is not None, name


def repositories() -> list[str]:
    return [entry.repository for entry in CATALOG.values() if entry.repository]


@pytest.mark.parametrize("key", sorted(OUTPUTS))
@pytest.mark.parametrize(
    "path", ["out.json", "a/b/out.json", "drawn/", "-", "{name}.mp4", "~/x", "rtmp:x", "…/ü.csv", "a\0b"]
)
def test_new_outputs_inside_the_folder_are_allowed(key: str, path: str) -> None:
    assert refusal(key, path) is None


@pytest.mark.parametrize("key", sorted(OUTPUTS))
@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../x", "a/../../x", "//host/share", "/dev/stdout", ".."])
def test_outputs_outside_the_folder_are_refused(key: str, path: str) -> None:
    assert refusal(key, path) is not None
    assert refusal(key, ["out.json", path]) is not None, "also within a list"


@pytest.mark.parametrize(
    "path", [".git/hooks/pre-commit", "a/.github/x.csv", ".envrc", "./.x.jsonl", ".config/{name}.csv", ".{name}"]
)
def test_hidden_outputs_are_refused(path: str) -> None:
    assert "hidden" in (refusal("output", path) or "")


@pytest.mark.skipif(sys.platform != "win32", reason="drives of Windows")
@pytest.mark.parametrize("path", ["C:\\x", "C:x", "\\x", "\\\\host\\share"])
def test_other_drives_and_hosts_are_refused(path: str) -> None:
    assert refusal("output", path) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize(
    ("link", "output"),
    [
        ("out.json", "out.json"),  # the file itself
        ("OUT.json", "out.json"),  # the same file on macOS
        ("drawn", "drawn"),
        ("drawn", "drawn/x.json"),  # a folder of the path
        ("a/drawn", "a/drawn/b/x.json"),
        ("drawn/sub", "drawn"),  # a folder below it, for images of sub/
        ("drawn/sub/deep", "drawn"),
        ("drawn/.hidden", "drawn"),
        ("out", "out.json"),  # its PNGs
        ("out.json.journal", "out.json"),
        ("clip.jsonl", "{name}.jsonl"),
        ("run-clip.jsonl", "run-{name}.jsonl"),
        ("clip/x", "{name}/x"),
        ("a/run-1", "a/run-{name}/b.csv"),
        ("anything", "."),
    ],
)
@pytest.mark.parametrize("target", ["file", "folder", "missing"])
def test_links_that_lead_out_are_refused(folder: Path, link: str, output: str, target: str) -> None:
    outside = folder.parent / "outside"
    if target == "file":
        outside.touch()
    elif target == "folder":
        outside.mkdir()
    place = folder / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    assert refusal("output", output) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_to_a_folder_with_a_link_is_refused(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner/x").symlink_to(folder.parent)
    (folder / "drawn").symlink_to("inner")
    assert refusal("save-images", "drawn") is not None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_of_others_do_not_matter(folder: Path) -> None:
    (folder / "images").symlink_to(folder.parent)
    (folder / "outer").symlink_to(folder.parent)
    (folder / "runs").mkdir()
    (folder / "results").symlink_to("runs")  # stays inside
    assert refusal("output", "out.json") is None
    assert refusal("output", "results/out.json") is None
    assert refusal("save-images", "drawn") is None


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs there")
def test_a_pipe_or_a_loop_in_place_of_an_output_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "out.json")
    (folder / "loop").symlink_to("loop")
    assert refusal("output", "out.json") is not None
    assert refusal("output", "loop") is not None
    assert refusal("output", "loop/x") is not None
