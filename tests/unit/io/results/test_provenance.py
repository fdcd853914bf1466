"""The provenance that results carry is read from the start of the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.io.results.provenance import ResultsProvenance, read_provenance

RUN: dict[str, Any] = {"model": "dfine-s", "arguments": {"threshold": 0.3, "sources": ['in, "failed": x']}}
NOTHING = ResultsProvenance()


def provenance(folder: Path, text: str, format_name: str) -> ResultsProvenance:
    path = folder / "results"
    path.write_text(text)
    return read_provenance(path, format_name)


def test_the_header_of_json_lines_is_read(tmp_path: Path) -> None:
    text = json.dumps({"detcli": RUN}) + "\n" + json.dumps({"file": "a.jpg", "detections": []})
    assert provenance(tmp_path, text, "jsonl") == ResultsProvenance("dfine-s", 0.3)


def test_info_of_coco_is_read_whatever_failed(tmp_path: Path) -> None:
    start = json.dumps({"info": RUN}, separators=(",", ":")).removesuffix("}}")
    failed = ",".join(["{}"] * 600_000)
    assert provenance(tmp_path, start + ',"failed":[' + failed + "]}}", "coco") == ResultsProvenance("dfine-s", 0.3)


@pytest.mark.parametrize(
    "run",
    [{}, {"model": 3}, {"arguments": None}, {"arguments": {"threshold": "0.3"}}, {"arguments": {"threshold": True}}, 7],
)
@pytest.mark.parametrize("format_name", ["jsonl", "coco"])
def test_values_that_are_missing_or_of_a_wrong_type_are_none(tmp_path: Path, format_name: str, run: Any) -> None:
    text = json.dumps({"detcli": run}) if format_name == "jsonl" else f'{{"info":{json.dumps(run)[:-1]},"failed":[]}}}}'
    assert provenance(tmp_path, text, format_name) == NOTHING


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("", "jsonl"),
        ('{"detcli": {', "jsonl"),
        ("[]", "coco-results"),
        ("file,label\n", "csv"),
        ('{\n "info": {}}', "coco"),
        ("[" * 9999, "jsonl"),
    ],
)
def test_results_without_provenance_have_none(tmp_path: Path, text: str, format_name: str) -> None:
    assert provenance(tmp_path, text, format_name) == NOTHING


def test_a_folder_of_results_has_no_provenance(tmp_path: Path) -> None:
    assert read_provenance(tmp_path, "yolo") == NOTHING
