"""A cache of compiled networks that is full, read-only or shared never stops a detection."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.inference.load import load_detector
from detcli.runtimes import compiled_cache
from tests.helpers.processes import environment

_LIMIT_KIB = 3400  # between the exported network of the bundled model (3.1 MB) and what is compiled of it (3.9 MB)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "1.png"
    Image.fromarray(np.full((90, 120, 3), 120, np.uint8)).save(path)
    return path


def detect(photo: Path, cache: Path, *options: str, limit: str = "true") -> subprocess.CompletedProcess[str]:
    """Run `detcli -v detect` in a process with this cache, under a limit of the shell."""
    command = [sys.executable, "-m", "detcli", "-v", "detect", str(photo), "-m", "shapes", "-f", "jsonl", *options]
    return subprocess.run(
        ["bash", "-c", f'{limit}; exec "$@"', "bash", *command],
        capture_output=True, text=True, timeout=300, check=False,
        env=environment() | {compiled_cache.VARIABLE: str(cache)},
    )  # fmt: skip


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_a_disk_that_is_full_is_said_and_the_image_detected(photo: Path, tmp_path: Path, runtime: str) -> None:
    cache = tmp_path / "cache"
    done = detect(photo, cache, "--runtime", runtime, limit=f"ulimit -f {_LIMIT_KIB}")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "openvino on cpu" in done.stderr
    assert "the compiled network is not kept for later runs: cannot write " in done.stderr
    assert list(cache.iterdir()) == []  # nothing torn


def test_a_folder_that_cannot_be_made_leaves_the_model_to_torch(photo: Path) -> None:
    done = detect(photo, Path("/proc/detcli"))  # not even root can write there
    assert done.returncode == 0, done.stderr
    assert "torch on cpu" in done.stderr
    assert "torch runs 'shapes', not OpenVINO: cannot write '/proc/detcli/" in done.stderr


def test_a_read_only_folder_leaves_the_model_to_torch(photo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o500)
    if os.access(cache, os.W_OK):
        pytest.skip("root may write anywhere")
    done = detect(photo, cache)
    assert done.returncode == 0, done.stderr
    assert "torch runs 'shapes', not OpenVINO: cannot write" in done.stderr


def test_a_read_only_cache_with_an_entry_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv(compiled_cache.VARIABLE, str(cache))
    load_detector("shapes")
    (entry,) = cache.iterdir()
    content = entry.read_bytes()
    entry.chmod(0o400)
    cache.chmod(0o500)
    try:
        detector = load_detector("shapes")
        assert (detector.runtime.name, detector.notes) == ("openvino", ())
    finally:
        cache.chmod(0o700)
    assert [path.read_bytes() for path in cache.iterdir()] == [content]


def test_processes_that_start_together_share_one_entry(photo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: detect(photo, cache, "--threshold", "0.01"), range(2)))
    for done in both:
        assert done.returncode == 0, done.stderr
        assert "openvino on cpu" in done.stderr
        assert len(json.loads(done.stdout)["detections"]) > 10
    assert both[0].stdout == both[1].stdout
    assert len(list(cache.iterdir())) == 1  # and no half-written file
