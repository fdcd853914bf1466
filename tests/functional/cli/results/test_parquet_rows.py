"""Parquet from stored results: rows of images or boxes, into pipes, and never onto a terminal."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from detcli.structures.run_info import RunInfo
from tests.helpers.cli_runs import Run
from tests.helpers.sink_fixtures import info, seeded_results
from tests.helpers.stored_results import content, store

__all__ = ["info"]

pq = pytest.importorskip("pyarrow.parquet")
Detcli = Callable[..., Run]
COMMAND = (sys.executable, "-m", "detcli.cli.main")


@pytest.fixture(autouse=True)
def lines(tmp_path: Path, info: RunInfo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of 12 images in `a.jsonl`, where the test stands."""
    monkeypatch.chdir(tmp_path)
    return store(Path("a.jsonl"), seeded_results(12), info, "jsonl", header=True)


@pytest.mark.parametrize("command", [("convert",), ("merge",), ("filter", "-t", "0.1")])
def test_every_command_writes_rows_of_boxes(command: tuple[str, ...], detcli: Detcli) -> None:
    done = detcli(command[0], "a.jsonl", *command[1:], "-o", "images.parquet")
    assert (done.code, "does not hold" in done.err) == (0, False), done.err
    done = detcli(command[0], "a.jsonl", *command[1:], "-o", "boxes.parquet", "--rows", "boxes")
    assert done.code == 0, done.err
    lost = "Parquet with rows of boxes does not hold failed images and images without detections"
    assert f"{lost}: 'boxes.parquet' is without" in done.err
    images, boxes = (pq.read_table(f"{name}.parquet").to_pylist() for name in ("images", "boxes"))
    assert len(images) == 12
    in_images = [(row["index"], box["score"]) for row in images for box in row["detections"] or ()]
    assert [(row["index"], row["score"]) for row in boxes] == in_images


def test_python_takes_rows_too(detcli: Detcli) -> None:
    assert detcli("convert", "a.jsonl", "-o", "a.parquet", "--rows", "boxes").code == 0
    package.convert_results("a.jsonl", "b.parquet", rows="boxes")
    package.merge_results(["a.jsonl"], "c.parquet", rows="boxes")
    package.filter_results("a.jsonl", "d.parquet", classes=["cat", "dog", "traffic light"], rows="boxes")
    assert content(Path("a.parquet")) == content(Path("b.parquet")) == content(Path("c.parquet"))
    assert pq.read_metadata("d.parquet").num_rows == pq.read_metadata("a.parquet").num_rows
    with pytest.raises(package.UsageError, match="`rows`"):
        package.convert_results("a.jsonl", "e.parquet", rows="cells")  # type: ignore[arg-type]


def test_rows_of_another_format_are_refused(detcli: Detcli) -> None:
    for options, message in (
        (("-o", "b.csv", "--rows", "boxes"), "--rows boxes is for the format parquet"),
        (("-o", "b.parquet", "--rows", "box"), "did you mean 'boxes'"),
    ):
        done = detcli("convert", "a.jsonl", *options)
        assert (done.code, message in done.err) == (2, True), done.err
    assert not Path("b.csv").exists()


@pytest.mark.parametrize("rows", ["images", "boxes"])
def test_a_pipe_gets_the_whole_file(rows: str, detcli: Detcli) -> None:
    assert detcli("convert", "a.jsonl", "-o", "a.parquet", "--rows", rows).code == 0
    command = [*COMMAND, "convert", "a.jsonl", "-f", "parquet", "--rows", rows]
    piped = subprocess.run(command, capture_output=True, check=True)
    assert piped.stdout == Path("a.parquet").read_bytes()
    assert pq.read_table(io.BytesIO(piped.stdout)).num_rows > 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize("arguments", [("convert", "a.jsonl"), ("detect", "in", "-m", "no-such-model"), ("video", "0")])
def test_a_terminal_gets_a_sentence_and_no_binary_data(arguments: tuple[str, ...]) -> None:
    ours, theirs = os.openpty()
    command = [*COMMAND, *arguments, "-f", "parquet"]
    run = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    try:
        shown = os.read(ours, 100)
    except OSError:  # the other end is closed, and nothing was written
        shown = b""
    os.close(ours)
    assert shown == b""
    assert run.returncode == 2
    assert b"the format is binary, and standard output is a terminal: name a file in --output" in run.stderr


def test_rows_of_boxes_that_are_not_together_are_refused(detcli: Detcli) -> None:
    assert detcli("convert", "a.jsonl", "-o", "a.csv").code == 0
    first, *rows = Path("a.csv").read_bytes().splitlines(keepends=True)
    Path("mixed.csv").write_bytes(first + b"".join(rows[::2] + rows[1::2]))
    done = detcli("convert", "mixed.csv", "-o", "b.jsonl")
    assert done.code == 4
    assert "'mixed.csv': the rows of 'in/2.jpg' are not together: sort them by file and frame" in done.err
    assert not Path("b.jsonl").exists()
