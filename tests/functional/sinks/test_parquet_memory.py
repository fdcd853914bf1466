"""20,000 images go through Parquet in memory that does not grow with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pq = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")

START = """
import json, sys
from pathlib import Path
import detcli
from detcli.io.results import read_results
from detcli.sinks.results.parquet import ParquetTable
from detcli.sinks.sink import SinkSettings
from detcli.structures.run_info import RunInfo
from tests.helpers.sink_fixtures import LABELS, frame_named, random_detections

def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def written(path, images, boxes, rows):
    info = RunInfo("m", None, None, "1", LABELS, "2025-01-01T00:00:00Z", {})
    sink = ParquetTable(Path(path), SinkSettings(info, rows=rows))
    found = [random_detections(seed, boxes) for seed in range(50)]
    for index in range(images):
        if index == images // 2:
            peaks.append(peak())
        sink.write(frame_named(f"{index:06d}.jpg", index), found[index % 50])
    sink.close(complete=True)
    peaks.append(peak())

peaks, rows, boxes = [], sys.argv[1], int(sys.argv[2])
"""
SINK_AND_READER = """
written("a.parquet", 20_000, boxes, rows)
count = sum(len(image.boxes) for image in read_results(Path("a.parquet")))
peaks.append(peak())
print(json.dumps([count, peaks]))
"""
CONVERSION = """
written("few.parquet", 2_000, boxes, rows)
written("many.parquet", 20_000, boxes, rows)
detcli.convert_results("few.parquet", "few.jsonl")
before = peak()
stats = detcli.convert_results("many.parquet", "many.jsonl")
print(json.dumps([stats.images, [before, peak()]]))
"""


def measured(script: str, rows: str, boxes: int, folder: Path) -> tuple[int, list[float]]:
    """What the script counted, and peaks of its memory in MB.

    boxes  of each image
    """
    command = [sys.executable, "-c", START + script, rows, str(boxes)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    count, peaks = json.loads(run.stdout)
    return count, peaks


@pytest.mark.parametrize(("rows", "boxes"), [("images", 20), ("boxes", 10)])
def test_writing_and_reading_take_memory_for_some_row_groups(rows: str, boxes: int, tmp_path: Path) -> None:
    """All boxes as objects would take some 1 KB each."""
    count, (half_written, written, read) = measured(SINK_AND_READER, rows, boxes, tmp_path)
    assert count == 20_000 * boxes
    assert written - half_written < 60
    assert read - half_written < 80
    footer = pq.read_metadata(tmp_path / "a.parquet")
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    assert len(sizes) > 1
    assert max(sizes) < (13_000 if rows == "images" else 180_000)


def test_a_conversion_takes_memory_for_some_images(tmp_path: Path) -> None:
    count, (before, after) = measured(CONVERSION, "images", 1, tmp_path)
    assert count == 20_000
    assert after - before < 30
    assert len((tmp_path / "many.jsonl").read_bytes().splitlines()) == 20_001
