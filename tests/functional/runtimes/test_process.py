import os
import platform
import subprocess
import sys

import pytest

from detcli.runtimes import process
from detcli.runtimes.process import limit_camera_silence, limit_spinning


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(process.os, "cpu_count", lambda: 2)
    return monkeypatch


def test_threads_sleep_soon_on_machines_with_few_cpus(few: pytest.MonkeyPatch) -> None:
    limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"


def test_openmp_is_unchanged_on_machines_with_many_cpus(few: pytest.MonkeyPatch) -> None:
    few.setattr(process.os, "cpu_count", lambda: 16)
    limit_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_variables_of_the_user_are_kept(few: pytest.MonkeyPatch, name: str) -> None:
    few.setenv(name, "active")
    limit_spinning()
    assert os.environ[name] == "active"
    assert len({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()) == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="GNU OpenMP is Linux's")
def test_torch_imported_afterwards_reads_it() -> None:
    script = "import os; os.cpu_count = lambda: 2\nfrom detcli.runtimes.process import limit_spinning; limit_spinning()\nimport torch"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"}, capture_output=True, text=True)
    assert "GOMP_SPINCOUNT = '1000'" in said.stderr


def test_a_silent_camera_is_noticed_after_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name)
    limit_camera_silence()
    assert os.environ[name] == "5"
    monkeypatch.setenv(name, "60")
    limit_camera_silence()
    assert os.environ[name] == "60"


def test_openvino_is_imported_without_its_converter() -> None:
    script = """
import sys
from detcli.runtimes.process import skip_openvino_converter
finders = list(sys.meta_path)
skip_openvino_converter()
skip_openvino_converter()
import openvino
assert not [name for name in sys.modules if name.startswith(("openvino.tools.ovc", "openvino_telemetry"))]
assert openvino.Core().available_devices
assert sys.meta_path == finders
skip_openvino_converter()
assert sys.meta_path == finders, "it is imported already"
from openvino.tools.ovc import convert_model
"""
    subprocess.run([sys.executable, "-c", script], check=True)
