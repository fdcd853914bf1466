"""`detcli detect --device cpu:2` as a process of its own: signals, the end of the parent, resume, what it says."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli_runs import broken, start
from tests.helpers.device_runs import assert_gone, device_processes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes as POSIX has them")
TIMEOUT = 120


def give(process: "subprocess.Popen[bytes]", *names: str) -> None:
    """Name some more images on standard input, and wait for their records on standard output."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("".join(f"{name}\n" for name in names).encode())
    process.stdin.flush()
    for name in names:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        assert json.loads(line)["file"] == name


def test_a_run_that_is_killed_and_stopped_resumes_to_the_same_bytes(command: list[str], images: Path) -> None:
    broken(images / "2.png")
    names = [f"in/{name}.png" for name in ("0", "1", "2", "sub/3", "sub/4")] + ["in/0.png", "missing.png"]
    how: list[Any] = ["-", "--deterministic", "-b", "1", "-o"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "0"}

    def outputs(folder: str) -> list[str]:
        return [f"{folder}/out.jsonl", "-o", f"{folder}/out.json", "-o", f"{folder}/labels"]

    alone = start(command, *how, *outputs("alone"), "-d", "cpu", env=environment)
    alone.communicate("\n".join(names).encode(), timeout=TIMEOUT)
    assert alone.returncode == 3

    several = [*how, *outputs("several"), "-d", "cpu:2", "-v"]
    killed = start(command, *several, "-o", "-", env=environment)
    give(killed, *names[:3])
    processes = device_processes(killed.pid)
    assert len(processes) == 2
    killed.kill()
    killed.communicate(timeout=TIMEOUT)
    assert_gone(processes)

    stopped = start(command, *several, "--resume", "-o", "-", env=environment)
    give(stopped, *names[:4])  # the results of the first run are written to it again
    processes = device_processes(stopped.pid)
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate(timeout=TIMEOUT)
    assert stopped.returncode == 130, err.decode()
    assert err.decode().splitlines()[-1].endswith("interrupted by SIGINT, --resume continues")
    assert_gone(processes)

    resumed = start(command, *several, "--resume", env=environment)
    _, err = resumed.communicate("\n".join(names).encode(), timeout=TIMEOUT)
    assert resumed.returncode == 3, err.decode()
    lines = err.decode().splitlines()
    assert lines[-1].startswith("7 images, 2 failed, 10 boxes in ")
    assert any("torch on cpu:2, fp32" in line for line in lines)
    shares = [line for line in lines if "process 1 of cpu:2: " in line and "process 2 of cpu:2: " in line]
    assert len(shares) == 1
    left, wanted = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("[!.]*.*")}
        for folder in ("several", "alone")
    )
    assert left.keys() == wanted.keys()
    assert {name for name in wanted if left[name] != wanted[name]} == set()


def test_an_image_on_standard_input_goes_to_a_device_as_bytes(command: list[str], images: Path) -> None:
    process = start(command, "-", "-d", "cpu:2", "-o", "-", "--log-format", "json", "-v")
    out, err = process.communicate((images / "0.png").read_bytes(), timeout=TIMEOUT)
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["file"] == "-"
    assert len(json.loads(out)["detections"]) == 2
    told = [json.loads(line) for line in err.decode().splitlines()]
    assert {"process 1 of cpu:2": 1, "process 2 of cpu:2": 0} in [each.get("devices") for each in told]


def test_training_processes_end_with_the_one_that_was_started(tmp_path: Path) -> None:
    options = ["--data", "shapes:0:16", "--imgsz", "64", "-b", "4", "--epochs", "1000", "-o", tmp_path / "run"]
    run = start([sys.executable, "-m", "detcli", "train"], *options, "-m", "shapes", "-d", "cpu:2", "--log-to", "none")
    assert run.stderr is not None
    while b"epoch 1 of 1000" not in (line := run.stderr.readline()):
        assert line, "it ended early"
    processes = device_processes(run.pid)
    assert len(processes) == 1
    run.kill()
    run.communicate(timeout=TIMEOUT)
    assert_gone(processes)
