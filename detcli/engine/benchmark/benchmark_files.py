"""The files of a benchmark: the report as JSON, and the plot."""

import json
from collections.abc import Mapping
from pathlib import Path

from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult
from detcli.errors import UsageError
from detcli.io.atomic_write import write_atomically
from detcli.io.outputs import IfExists, prepare_output
from detcli.text import counted

_SUFFIXES = {"output": ".json", "plot": ".png"}


def prepare_files(given: Mapping[str, Path | None], *, if_exists: IfExists) -> dict[str, Path]:
    """The files to write, "output" (the report) and "plot", without those that exist and are skipped.

    Raises UsageError for another suffix, and OutputError for a file that cannot be written.
    """
    files = {name: path for name, path in given.items() if path is not None}
    for name, path in files.items():
        if path.suffix.lower() != _SUFFIXES[name]:
            raise UsageError(f"`{name}`: '{path}' must end in {_SUFFIXES[name]}")
    return {name: path for name, path in files.items() if prepare_output(path, if_exists=if_exists, resumable=False)}


def write_files(report: BenchmarkReport, files: Mapping[str, Path]) -> tuple[Path, ...]:
    """Write the files, the plot only if a measured case has a known AP; returns those that were written."""
    written = dict(files)
    if "output" in files:
        write_json(report, files["output"])
    if "plot" in files and all(result.ap is None for result in report.measured):
        del written["plot"]
    elif "plot" in files:
        write_plot(report, files["plot"])
    return tuple(written.values())


def to_json(report: BenchmarkReport) -> str:
    """The report as JSON, with a line end."""
    return json.dumps(report.as_json(), indent=2, allow_nan=False) + "\n"


def write_json(report: BenchmarkReport, path: Path) -> None:
    """Write the report. Raises OutputError."""
    write_atomically(path, to_json(report).encode())


def write_plot(report: BenchmarkReport, path: Path) -> None:
    """Write the plot of speed against AP. Raises UsageError if no AP is known or matplotlib is missing, and OutputError."""
    from detcli.evaluation.plots import SpeedPoint, plot_pareto

    best = report.pareto()
    points = [
        SpeedPoint(case_name(report, result), result.case.model, result.images_per_second, ap, result in best)
        for result in report.measured
        if (ap := result.ap) is not None
    ]
    if not points:
        raise UsageError(f"no {report.metric} is known for any case: `data` measures it")
    title = f"speed on {report.machine['processor']}, {counted(len(points), 'case')}"
    write_atomically(path, plot_pareto(points, title, metric=report.metric))


def case_name(report: BenchmarkReport, result: CaseResult) -> str:
    """The model, and what is not the same in every case: "dfine-s, openvino, bf16, batch 4"."""
    cases = [each.case for each in report.results]
    case, run = result.case, result.runs[-1] if result.runs else None
    batch = run.batch_size if run is not None and case.batch_size is None else case.batch_size
    size = None if case.image_size is None else "x".join(map(str, case.image_size))
    parts = {
        "runtime": case.runtime,
        "precision": case.precision if run is None else run.precision,
        "batch_size": f"batch {batch}" if batch else "batch auto",
        "image_size": size or "its size",
        "queries": "all queries" if case.queries is None else counted(case.queries, "query", "queries"),
        "decoder_layers": "all layers" if case.decoder_layers is None else counted(case.decoder_layers, "layer"),
    }
    shown = [text for name, text in parts.items() if len({getattr(each, name) for each in cases}) > 1]
    return ", ".join([case.model, *shown])
