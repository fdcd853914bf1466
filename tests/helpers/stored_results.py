"""Stored results of made-up runs, in any format, and their conversion."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detcli.engine.observer import Observer
from detcli.engine.requests.run_request import OutputSettings
from detcli.engine.results.results_request import ResultsRequest, StoredInput
from detcli.engine.results.write_results import write_results
from detcli.io.results import FORMATS
from detcli.sinks.sink import SinkSettings, sink_class
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo


class Remarks(Observer):
    """Keeps the warnings of a run."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_warning(self, message: str) -> None:
        self.said.append(message)


def store(path: Path, results: Iterable[Result], info: RunInfo, format_name: str, **settings: Any) -> Path:
    """Results as a run writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = sink_class(format_name)(path, SinkSettings(info, **settings))
    for frame, detections in results:
        sink.write(frame, detections)
    sink.close(complete=True)
    return path


def convert(source: Path, target: Path, format_name: str | None = None, **given: Any) -> list[str]:
    """Convert results, and return what was said."""
    return rewrite([source], target, format_name, **given)


def rewrite(sources: Sequence[Path], target: Path, format_name: str | None = None, **given: Any) -> list[str]:
    """Write results again, and return what was said."""
    named = {name: given.pop(name) for name in ("images", "ground_truth", "results_format") if name in given}
    kept = {name: given.pop(name) for name in ("keep", "renumber") if name in given}
    output = OutputSettings(outputs=(str(target),), format=format_name, ground_truth=named.get("ground_truth"), **given)
    remarks = Remarks()
    request = ResultsRequest(input=StoredInput(results=tuple(map(str, sources)), **named), output=output, **kept)
    write_results(request, observer=remarks)
    return remarks.said


def content(path: Path) -> bytes | dict[str, bytes]:
    """The bytes of a file, or of the visible files of a folder by name."""
    if path.is_file():
        return path.read_bytes()
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def suffix_of(format_name: str) -> str:
    """The suffix of a format; empty for a folder."""
    return next(iter(FORMATS[format_name].suffixes), "")
