"""Limits of the machine and broken installations end with a sentence and an exit code, never as a bug."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.cli_runs import image
from tests.helpers.processes import environment
from tests.helpers.video_writer_samples import make_video

pytestmark = [pytest.mark.functional, pytest.mark.skipif(os.name == "nt", reason="no such limits")]


def limited(limits: str, *arguments: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run detcli in a shell with these limits; `path` is searched for libraries before all others."""
    settings = environment()
    if path is not None:
        settings["PYTHONPATH"] = f"{path}{os.pathsep}{settings['PYTHONPATH']}"
    command = [
        "bash",
        "-c",
        f'{limits} exec "$@"',
        "bash",
        sys.executable,
        "-m",
        "detcli.cli.main",
        *map(str, arguments),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=settings)


def assert_told(run: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert run.returncode == code, run.stderr
    assert "bug" not in run.stderr
    assert "Traceback" not in run.stderr
    for part in parts:
        assert part in run.stderr


@pytest.mark.parametrize("kilobytes", [150_000, 300_000, 600_000])
@pytest.mark.parametrize("command", ["detect", "video", "segment", "models info"])
def test_too_little_memory_is_told_before_it_is_taken(kilobytes: int, command: str) -> None:
    words = [*command.split(), "shapes" if command == "models info" else "no-such-file"]
    run = limited(f"ulimit -v {kilobytes};", *words)
    assert_told(run, 9, f"may use {kilobytes * 1024 / 1e9:.1f} GB of memory (ulimit -v)")


def test_no_thread_is_told(tmp_path: Path) -> None:
    """A stack as large as the address space: no thread can have one."""
    run = limited("ulimit -s 6000000; ulimit -v 5000000;", "detect", image(tmp_path / "a.png"), "-m", "shapes")
    assert_told(run, 9, "no more processes or threads can be started (ulimit -u")


@pytest.mark.parametrize("files", [5, 6, 7, 8, 9])
def test_no_more_open_files_are_told(files: int, tmp_path: Path) -> None:
    run = limited(f"ulimit -n {files};", "detect", image(tmp_path / "a.png"), "-m", "shapes", "-o", tmp_path / "o.json")
    assert run.returncode in (0, 4, 5, 8, 9), run.stderr
    assert "bug" not in run.stderr


def broken_library(folder: Path, name: str) -> Path:
    """A folder in which a library cannot be loaded."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(
        "raise ImportError('libfoo.so.1: cannot open shared object file: No such file or directory')\n"
    )
    return folder


@pytest.mark.parametrize(
    ("module", "package", "command"),
    [
        ("torch", "torch", "detect"),
        ("numpy", "numpy", "detect"),
        ("PIL", "pillow", "detect"),
        ("safetensors", "safetensors", "detect"),
        ("pycocotools", "pycocotools", "detect"),
        ("av", "av", "video"),
        ("yaml", "pyyaml", "train"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_told_with_the_remedy(
    module: str, package: str, command: str, tmp_path: Path
) -> None:
    source = make_video(tmp_path / "a.mp4", [0.0, 0.04]) if command == "video" else image(tmp_path / "a.png")
    words: list[str | Path] = [command, source, "-m", "shapes"]
    if command == "train":
        (tmp_path / "data.yaml").write_text("names: [a]\ntrain: .\n")
        words = [command, "--data", tmp_path / "data.yaml", "-m", "shapes", "-o", tmp_path / "run"]
    run = limited("", *words, path=broken_library(tmp_path / "path", module))
    assert_told(run, 2, f"{package} cannot be loaded because the system library libfoo.so.1 is missing: install")


def test_doctor_names_every_library_that_cannot_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "path"
    for name in ("av", "pycocotools", "safetensors"):
        broken_library(path, name)
    run = limited("", "doctor", path=path)
    assert run.returncode == 1
    lines = [line for line in run.stdout.splitlines() if "libfoo.so.1" in line]
    assert {"av", "pycocotools", "safetensors"} <= {word for line in lines for word in line.split()}


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:99999", "http://[::1", "http://a:b", "ftp://a", "x", "http://127.0.0.1:0"]
)
def test_an_invalid_address_of_the_hub_is_told(value: str) -> None:
    run = limited(f"export HF_ENDPOINT='{value}';", "download", "someone/some-model")
    assert_told(run, 2, f"HF_ENDPOINT must be a URL such as https://huggingface.co, not '{value}'")


@pytest.mark.parametrize("setting", ["ALL_PROXY=nothing://x", "SSL_CERT_FILE=/no/such/file"])
def test_network_settings_that_cannot_be_used_are_told(setting: str, tmp_path: Path) -> None:
    name = setting.partition("=")[0]
    start = f"unset HTTPS_PROXY HTTP_PROXY https_proxy http_proxy; export {setting} HF_HUB_CACHE={tmp_path};"
    run = limited(start, "download", "someone/some-model")
    assert run.returncode in (2, 6), run.stderr
    assert "bug" not in run.stderr
    assert name in run.stderr or "certificate" in run.stderr
