"""Exports into one folder at the same time are safe, and a refused one leaves the folder as it was."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.cli.export.export_view import ExportView
from detcli.engine.model_files.bundled_images import BUNDLED_IMAGES
from detcli.inference.load import load_detector
from tests.helpers.cli_runs import Run
from tests.helpers.processes import environment

DetcliRun = Callable[..., Run]
IMAGES = sorted(BUNDLED_IMAGES.glob("*.jpg"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def together(*commands: list[str]) -> list[tuple[int, str]]:
    """Exit code and messages of processes that run at the same time."""
    start = [sys.executable, "-m", "detcli", "export", "shapes"]
    processes = [
        subprocess.Popen([*start, *command], stderr=subprocess.PIPE, text=True, env=environment())
        for command in commands
    ]
    said = [process.communicate(timeout=300)[1] for process in processes]
    return [(process.returncode, messages) for process, messages in zip(processes, said, strict=True)]


def test_two_formats_are_written_into_one_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    ended = together(["-o", str(folder), "--to", "onnx"], ["-o", str(folder), "--to", "openvino"])
    assert [code for code, _ in ended] == [0, 0], ended
    assert names(folder) == ["shapes.bin", "shapes.onnx", "shapes.xml"]
    found = [len(load_detector(folder / name)(IMAGES[0])) for name in ("shapes.onnx", "shapes.xml")]
    assert found[0] == found[1] > 3


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
def test_of_two_exports_of_one_file_one_is_complete(tmp_path: Path, format_name: str) -> None:
    command = ["-o", str(tmp_path / "x"), "--to", format_name, "-y"]
    ended = together(command, command)
    assert {code for code, _ in ended} <= {0, 8}, ended
    assert 0 in {code for code, _ in ended}
    assert names(tmp_path / "x") == {"onnx": ["shapes.onnx"], "openvino": ["shapes.bin", "shapes.xml"]}[format_name]
    assert len(load_detector(tmp_path / "x" / names(tmp_path / "x")[-1])(IMAGES[0])) > 3


def during(monkeypatch: pytest.MonkeyPatch, then: Callable[[Path], None]) -> None:
    """Call a function once a file is written under its temporary name, in the first export only."""
    waiting = [then]

    def on_written(self: ExportView, path: Path) -> None:
        if waiting:
            waiting.pop()(path)

    monkeypatch.setattr(ExportView, "on_written", on_written)


def test_a_file_that_another_export_writes_is_refused(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second: list[Run] = []
    during(monkeypatch, lambda path: second.append(detcli("export", "shapes", "-o", tmp_path / "x")))
    assert detcli("export", "shapes", "-o", tmp_path / "x").code == 0
    assert second[0].code == 8
    assert "shapes.onnx" in second[0].err
    assert names(tmp_path / "x") == ["shapes.onnx"]


def test_a_refused_export_keeps_the_file_of_another_one(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_another(path: Path) -> None:
        assert detcli("export", "shapes", "-o", tmp_path / "x" / "other.onnx").code == 0
        path.write_bytes(b"torn")

    during(monkeypatch, export_another)
    assert detcli("export", "shapes", "-o", tmp_path / "x").code == 10
    assert names(tmp_path / "x") == ["other.onnx"]


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
def test_a_refused_export_removes_only_the_folders_it_made(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_name: str
) -> None:
    monkeypatch.setattr(ExportView, "on_written", lambda self, path: path.write_bytes(b"torn"))
    (tmp_path / "kept").mkdir()
    for output in ("new", "new/deep/er", "kept", "kept/new"):
        run = detcli("export", "shapes", "-o", tmp_path / output, "--to", format_name)
        assert run.code == 10, run.err
        assert names(tmp_path) == ["kept"]
        assert names(tmp_path / "kept") == []


def test_an_interrupted_export_removes_its_folder(
    detcli: DetcliRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: ExportView, path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ExportView, "on_written", interrupt)
    assert detcli("export", "shapes", "-o", tmp_path / "x" / "y").code == 130
    assert names(tmp_path) == []
