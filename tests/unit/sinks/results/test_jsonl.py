import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from detcli.sinks.results.jsonl import JsonLines
from detcli.sinks.sink import SinkSettings
from detcli.structures.json_records import Result, json_line, to_record


def test_each_result_is_one_line_of_json_that_keeps_the_exact_name(
    tmp_path: Path, settings: SinkSettings, results: list[Result]
) -> None:
    sink = JsonLines(tmp_path / "x.jsonl", settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    lines = (tmp_path / "x.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    files = [json.loads(line)["file"] for line in lines]
    assert files == [frame.origin.file for frame, _ in results]
    assert os.fsencode(files[-6]).endswith(b"\xff.jpg")


def test_a_failure_keeps_its_line(settings: SinkSettings, results: list[Result]) -> None:
    stream = io.BytesIO()
    sink = JsonLines(stream, settings)
    sink.write(*results[2])
    sink.close(complete=True)
    record = json.loads(stream.getvalue())
    assert record["detections"] is None
    assert record["error"]["code"] == "truncated"


def test_the_file_grows_by_complete_lines(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    path = tmp_path / "x.jsonl"
    sink = JsonLines(path, settings)
    expected = b""
    for frame, detections in results:
        sink.write(frame, detections)
        assert path.read_bytes() == expected
        sink.flush()
        expected += json_line(to_record(frame, detections, settings.info.labels))
        assert path.read_bytes() == expected
    sink.write(*results[0])
    sink.abort()
    sink.abort()
    assert path.read_bytes() == expected


def test_the_header_is_written_only_on_request(settings: SinkSettings) -> None:
    stream = io.BytesIO()
    JsonLines(stream, replace(settings, header=True)).close(complete=True)
    assert json.loads(stream.getvalue()) == {"detcli": settings.info.as_json()}


def test_nan_and_infinity_are_never_written(settings: SinkSettings, results: list[Result]) -> None:
    frame, detections = results[0]
    detections.scores[0] = float("nan")
    with pytest.raises(ValueError, match="JSON compliant"):
        JsonLines(io.BytesIO(), settings).write(frame, detections)
