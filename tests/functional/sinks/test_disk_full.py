"""Wherever the disk ends, what stands under a final name is whole (a limit on file size plays the full disk)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.processes import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")

WRITER = """
import resource, sys
from pathlib import Path
from detcli.errors import OutputError
from detcli.io.journal import Journal
from detcli.io.results.formats import FORMATS
from detcli.sinks.sink import SinkSettings, sink_class
from detcli.structures.run_info import RunInfo
from tests.helpers import sink_fixtures

folder = Path(sys.argv[1])
settings = SinkSettings(RunInfo("m", None, None, "0", sink_fixtures.LABELS, "now"))
results = list(sink_fixtures.seeded_results(30))
segments = [(sink_fixtures.frame_named(f"{i}.jpg", i, size_hw=(48, 64)), sink_fixtures.random_segments(i, i)) for i in range(30)]
for limit in range(0, 12_001, 400):
    for name in (*FORMATS, "journal"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        path = folder / (f"{limit}-{name}" + (".json" if name == "coco-panoptic" else ""))
        sink = None
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            sink = Journal.open(path, {}, labels=sink_fixtures.LABELS) if name == "journal" else sink_class(name)(path, settings)
            for result in segments if name == "coco-panoptic" else results:
                sink.write(*result)
                sink.flush()
            sink.close(complete=False)
        except OutputError as error:
            assert "is larger" in str(error), error
            if sink is not None:
                sink.abort()
                sink.abort()
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    run = subprocess.run(
        [sys.executable, "-c", WRITER, str(folder)],
        capture_output=True, text=True, check=False, timeout=120, env=environment(),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


def test_no_temporary_file_remains(written: Path) -> None:
    assert not [path for path in written.rglob(".*") if path.is_file()]


def test_lines_are_complete(written: Path) -> None:
    for path in written.glob("*-jsonl"):
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\n")
        assert [json.loads(line)["index"] for line in data.splitlines()] == list(range(data.count(b"\n")))


def test_rows_are_complete(written: Path) -> None:
    for path in written.glob("*-csv"):
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\r\n")
        assert all(row.count(b",") == 11 for row in data.splitlines())


def test_coco_files_are_complete_or_missing(written: Path) -> None:
    there = [*written.glob("*-coco"), *written.glob("*-coco-results")]
    assert 0 < len(there) < 2 * 31
    for path in there:
        json.loads(path.read_bytes())


def test_panoptic_images_are_complete_even_without_a_document(written: Path) -> None:
    images = list(written.glob("*-coco-panoptic/*.png"))
    assert images
    for path in images:
        Image.open(path).load()
    for path in written.glob("*-coco-panoptic.json"):
        json.loads(path.read_bytes())


def test_label_files_are_complete(written: Path) -> None:
    for path in written.glob("*-yolo/[0-9]*.txt"):
        assert all(len(line.split()) == 6 for line in path.read_text().splitlines())


def test_journals_can_be_resumed(written: Path) -> None:
    for path in written.glob("*-journal"):
        lines = path.read_bytes().split(b"\n")
        assert [json.loads(line)["index"] for line in lines[1:-1]] == list(range(len(lines[1:-1])))
