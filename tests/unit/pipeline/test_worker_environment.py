"""The environment of the processes of several devices."""

import os
import subprocess
import sys

import pytest

from detcli.pipeline.devices.worker import process_environment

ASK = "import torch; print(torch.get_num_threads(), torch.__config__.parallel_info())"


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_a_process_has_its_threads_whatever_the_user_gave_to_libraries(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "3")
    assert os.environ | {"PYTHONPATH": ""} == process_environment(None) | {"PYTHONPATH": ""}
    given = process_environment(1)
    asked = subprocess.run([sys.executable, "-c", ASK], env=given, capture_output=True, text=True, check=True).stdout
    numbers = [line.rpartition(" ")[2] for line in asked.splitlines() if "max_threads" in line]
    assert asked.startswith("1 ")
    assert numbers, asked
    assert set(numbers) == {"1"}
