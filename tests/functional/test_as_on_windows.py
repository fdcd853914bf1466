"""Without the modules and functions that Windows lacks, every module is imported, and images are detected."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.cli.setup.demo import BUNDLED_IMAGES
from tests.helpers.posix_names import POSIX_ATTRIBUTES, POSIX_MODULES
from tests.helpers.video_writer_samples import make_video

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the other tests run there")

# The libraries are imported first: their own modules for POSIX have to stay.
_AS_ON_WINDOWS = """
import importlib, os, pathlib, pkgutil, select, signal, socket, sys, time, types
import av, click, huggingface_hub, numpy, PIL.Image, pycocotools.mask, rich.console, safetensors.torch, torch
import huggingface_hub.file_download, huggingface_hub.hf_api, huggingface_hub.utils
import torch.utils.data, multiprocessing.pool, concurrent.futures.thread, concurrent.futures.process

HIDDEN, MISSING = {hidden!r}, {missing!r}


class Hide:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in HIDDEN:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


def refuse(*_, **__):
    raise OSError(10038, "an operation was attempted on something that is not a socket")


sys.meta_path.insert(0, Hide)
for name in HIDDEN:
    sys.modules.pop(name, None)
for module, attributes in MISSING.items():
    for name in attributes:
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
select.select = refuse
msvcrt = sys.modules["msvcrt"] = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK, msvcrt.locking = 2, lambda descriptor, mode, count: None
sys.platform = "win32"
"""
_IMPORT_ALL = """
import detcli
for found in pkgutil.walk_packages(detcli.__path__, "detcli."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""
_RUN = """
from detcli.cli.main import main
sys.argv = ["detcli", *{arguments!r}]
main()
"""
_KEPT = {"O_TMPFILE"}  # Python's own tempfile has decided to use it


def run_as_on_windows(script: str, folder: Path) -> None:
    missing = {module: sorted(POSIX_ATTRIBUTES[module] - _KEPT) for module in ("os", "signal", "time")}
    start = _AS_ON_WINDOWS.format(hidden=sorted(POSIX_MODULES - {"posix"}), missing=missing)
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", start + script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_every_module_is_imported_as_on_windows(tmp_path: Path) -> None:
    run_as_on_windows(_IMPORT_ALL, tmp_path)


def test_images_are_detected_as_on_windows(tmp_path: Path) -> None:
    detect = ["detect", str(BUNDLED_IMAGES), "-m", "shapes", "-o", "out.jsonl", "--save-images", "drawn", "-q"]
    run_as_on_windows(_RUN.format(arguments=detect), tmp_path)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(records) == len(list((tmp_path / "drawn").glob("*.jpg"))) == 6
    assert all(record["detections"] for record in records)


def test_the_demo_runs_as_on_windows(tmp_path: Path) -> None:
    run_as_on_windows(_RUN.format(arguments=["demo", "-q"]), tmp_path)
    assert json.loads((tmp_path / "detcli-demo" / "detections.json").read_text())["annotations"]
    assert len(list((tmp_path / "detcli-demo" / "annotated").glob("*.jpg"))) == 6


def test_a_video_is_annotated_as_on_windows(tmp_path: Path) -> None:
    clip = str(make_video(tmp_path / "clip.mp4", [0.0, 0.04, 0.08]))
    video = ["video", clip, "-m", "shapes", "-o", "out.jsonl", "--save-video", "drawn.mp4", "--track", "-q"]
    run_as_on_windows(_RUN.format(arguments=video), tmp_path)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / "drawn.mp4").stat().st_size > 0
