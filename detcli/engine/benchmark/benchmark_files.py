"""The files of a benchmark: the report as JSON, and the plot."""

import json
from pathlib import Path

from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult
from detcli.errors import UsageError
from detcli.io.atomic_write import write_atomically
from detcli.text import counted


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
        raise UsageError("no AP is known for any case: `data` measures it")
    write_atomically(path, plot_pareto(points, f"speed on {report.machine['processor']}, {len(points)} cases"))


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
        "queries": "all queries" if case.queries is None else counted(case.queries, "query"),
        "decoder_layers": "all layers" if case.decoder_layers is None else counted(case.decoder_layers, "layer"),
    }
    shown = [text for name, text in parts.items() if len({getattr(each, name) for each in cases}) > 1]
    return ", ".join([case.model, *shown])
