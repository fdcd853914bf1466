"""An installed package adds a format and a source, which the command and Python use."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.plug_in_package import install
from tests.helpers.processes import PROJECT


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A Python process in the folder that finds the packages in `folder / "site"`."""
    path = os.pathsep.join([str(PROJECT), str(folder / "site")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def detcli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "detcli", *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path / "site")
    return tmp_path


def test_the_command_reads_its_source_and_writes_its_format(folder: Path) -> None:
    done = detcli(folder, "detect", "acme:3", "-m", "shapes", "-d", "cpu", "-o", "out.acme", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line for line in (folder / "out.acme").read_text().splitlines() if line.endswith("image")] == [
        "acme:0 image",
        "acme:1 image",
        "acme:2 image",
    ]
    records = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [(record["file"], record["height"], record["width"]) for record in records] == [
        (f"acme:{index}", 32, 48) for index in range(3)
    ]


def test_its_format_is_named_with_f_and_listed_in_the_help(folder: Path) -> None:
    done = detcli(folder, "detect", "acme:1", "-m", "shapes", "-d", "cpu", "-f", "acme")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("acme:0 image\n")
    page = " ".join(detcli(folder, "detect", "--help").stdout.split())
    assert re.search(r"csv, yolo, [a-z, -]*acme or table", page)
    assert ".acme or '-'" in page


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    done = detcli(tmp_path, "detect", "acme:1", "-m", "shapes", "-f", "acme")
    assert done.returncode == 2
    assert "'acme' is not one of 'jsonl'" in done.stderr


def test_its_source_is_not_mixed_with_other_sources(folder: Path) -> None:
    done = detcli(folder, "detect", "acme:1", "a.png", "-m", "shapes")
    assert done.returncode == 2
    assert "'acme:1' is of the source 'acme', and cannot be combined with 'a.png'" in done.stderr


def test_python_uses_its_source_writer_and_reader(folder: Path) -> None:
    code = """
from pathlib import Path
from detcli.io.results import format_of_output, format_of_results, read_results
from detcli.sinks.sink import SinkSettings, sink_class
from detcli.sources.source import SourceSettings, make_source
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.run_info import RunInfo
path = Path("out.acme")
assert format_of_output(path) == "acme"
info = RunInfo("m", None, None, "0", ClassLabels.from_names(["cat"]), "now")
sink = sink_class("acme")(path, SinkSettings(info))
for item in make_source(["acme:2"], SourceSettings()):
    sink.write(item(), Detections.empty())
sink.close(complete=True)
assert format_of_results(path) == "acme"
assert [image.file for image in read_results(path)] == ["acme:0", "acme:1"]
"""
    done = run(folder, "-c", code)
    assert done.returncode == 0, done.stderr


def test_a_broken_format_is_one_sentence_that_names_the_package(folder: Path) -> None:
    install(folder / "site", {"detcli.sinks": "broken = acme_detcli.gone:FORMAT"}, name="broken-detcli")
    done = detcli(folder, "detect", "acme:1", "-m", "shapes", "-f", "broken")
    assert done.returncode == 2
    assert "cannot load the format 'broken' of the package 'broken-detcli': ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
    assert detcli(folder, "detect", "acme:1", "-m", "shapes", "-d", "cpu", "-o", "out.csv").returncode == 0


def test_the_main_help_page_reads_no_entry_points(folder: Path) -> None:
    done = run(folder, "-X", "importtime", "-m", "detcli", "--help")
    assert done.returncode == 0
    assert "importlib.metadata" not in done.stderr
