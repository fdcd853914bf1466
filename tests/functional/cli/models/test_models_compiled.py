"""`detcli models compiled` and `doctor`: which compiled networks are kept, where, and how they are removed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detcli.runtimes.compiled_cache import MAX_TOTAL_BYTES, VARIABLE, CompiledCache, CompiledEntry
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.structures.class_labels import ClassLabels
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]
FACTS = ExportedFacts(
    model="m",
    labels=ClassLabels.from_names(["cat"]),
    preprocessor={},
    size_divisor=32,
    scores="sigmoid",
    threshold=0.4,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two networks, and a file of another program."""
    folder = tmp_path / "compiled"
    monkeypatch.setenv(VARIABLE, str(folder))
    cache = CompiledCache(folder)
    for day, (name, size) in enumerate((("dfine-s-1234", 3_000_000), ("shapes-5678", 20_000))):
        cache.write(name, CompiledEntry(FACTS, None, (), (), (b"x" * size,)))
        os.utime(folder / f"{name}.compiled", (1e9 - day * 86400, 1e9 - day * 86400))
    (folder / "other.txt").write_bytes(b"mine")
    return folder


def doctors_findings(detcli: Detcli, tmp_path: Path) -> dict[str, dict[str, Any]]:
    run = detcli("doctor", "--json", "--cache-dir", tmp_path)
    return {finding["name"]: finding for finding in json.loads(run.out)["findings"]}


def test_the_networks_are_listed_with_size_and_last_use(detcli: Detcli, folder: Path) -> None:
    run = detcli("models", "compiled")
    assert run.code == 0
    first, second = run.out.splitlines()
    assert first.split() == ["dfine-s-1234", "3.0", "MB", "used", "2001-09-09"]
    name, size, unit = second.split()[:3]
    assert (name, unit) == ("shapes-5678", "kB")
    assert 20 < float(size) < 22  # with a header, whose length depends on the version
    assert run.err == f"detcli: {folder}: 2 compiled networks, 3.0 MB\n"


def test_scripts_get_the_folder_and_the_limit(detcli: Detcli, folder: Path) -> None:
    document = json.loads(detcli("models", "compiled", "--json").out)
    assert (document["folder"], document["max_bytes"]) == (str(folder), MAX_TOTAL_BYTES)
    assert [entry["name"] for entry in document["entries"]] == ["dfine-s-1234", "shapes-5678"]
    assert document["entries"][0]["bytes"] == (folder / "dfine-s-1234.compiled").stat().st_size


def test_clearing_frees_the_space_and_keeps_other_files(detcli: Detcli, folder: Path) -> None:
    run = detcli("models", "compiled", "--clear")
    assert (run.code, run.out) == (0, "")
    assert run.err == "detcli: removed 2 compiled networks: 3.0 MB freed\n"
    assert [path.name for path in folder.iterdir()] == ["other.txt"]
    assert "removed 0 compiled networks" in detcli("models", "compiled", "--clear").err


def test_without_a_cache_both_commands_say_so(detcli: Detcli) -> None:
    for arguments in (("models", "compiled"), ("models", "compiled", "--clear")):
        assert detcli(*arguments, env={VARIABLE: ""}).code == 0
    assert f"not kept: {VARIABLE} is empty" in detcli("models", "compiled", env={VARIABLE: ""}).err
    assert json.loads(detcli("models", "compiled", "--json", env={VARIABLE: ""}).out)["folder"] is None


def test_clearing_and_listing_are_not_combined(detcli: Detcli, folder: Path) -> None:
    run = detcli("models", "compiled", "--clear", "--json")
    assert run.code == 2
    assert "--json cannot be combined with --clear" in run.err
    assert len(list(folder.glob("*.compiled"))) == 2


def test_doctor_shows_folder_count_size_and_remedy(detcli: Detcli, folder: Path, tmp_path: Path) -> None:
    found = doctors_findings(detcli, tmp_path)["compiled"]
    assert found["value"] == (
        f"{folder}: 2 networks of OpenVINO, 3.0 MB of at most 4.3 GB; 'detcli models compiled --clear' removes them"
    )
    assert found["state"] == "good"


def test_doctor_warns_of_a_folder_that_cannot_be_written(
    detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    found = doctors_findings(detcli, tmp_path)["compiled"]
    assert (found["state"], found["value"]) == ("warning", f"'{tmp_path / 'file'}' is not writable")
    assert VARIABLE in found["advice"]


@pytest.mark.parametrize(("given", "runtime"), [(None, "openvino"), ("", "torch")])
def test_doctor_says_which_runtime_auto_takes(
    given: str | None, runtime: str, detcli: Detcli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert doctors_findings(detcli, tmp_path)["runtime"]["value"].startswith(f"auto takes {runtime}, because ")
