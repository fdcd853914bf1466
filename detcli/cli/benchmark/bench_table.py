"""The figures of a benchmark as human-readable tables."""

import sys
from collections.abc import Iterator, Sequence

import click
from rich.cells import cell_len, set_cell_size

from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.text import counted, duration, wrapped
from detcli.engine.benchmark.benchmark_files import case_name
from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult, duration_of_many

_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_GAP = "  "
_PIPE_WIDTH = 100  # columns where standard output is no terminal
_WIDEST_NAME = 44
_SPEED = ("images/s", "p50 ms", "p90 ms", "p99 ms", "start s", "MiB")
_SHORT = {
    "postprocess": "post",
    "coco-results": "results",
    "coco-panoptic": "panoptic",
}  # names of stages that are wider than their numbers


def print_report(console: Console, report: BenchmarkReport) -> None:
    """Print the tables on standard output, and what could not be measured."""
    width = console.width(sys.stdout) if is_terminal(sys.stdout) else _PIPE_WIDTH
    for line in report_lines(report, width=width, bold=console.uses_color(sys.stdout)):
        click.echo(line, color=True)
    for result in report.results:
        if result.error is not None:
            console.warning(f"{case_name(report, result)}: {result.error}")
    if report.interrupted is not None:
        missing = sum(1 for result in report.results if not result.runs and result.error is None)
        console.warning(f"interrupted by {report.interrupted}; {counted(missing, 'combination')} not measured")


def report_lines(report: BenchmarkReport, *, width: int, bold: bool) -> Iterator[str]:
    """Lines: speed, latency and memory of each case, then its stages, then how long many images would take.

    width  columns of the terminal
    bold   print headings in bold
    """
    measured = report.measured
    if not measured:
        return
    names = [escape(case_name(report, result)) for result in measured]
    yield from _table(
        names, (*_SPEED, report.metric), [_speed_cells(result) for result in measured], width=width, bold=bold
    )
    yield ""
    stages = tuple(measured[0].stages_ms)
    titles = (*(_SHORT.get(name, name) for name in stages), "slowest")
    rows = [
        (*(f"{result.stages_ms[name]:.1f}" for name in stages), _SHORT.get(result.bottleneck, result.bottleneck))
        for result in measured
    ]
    yield from _table(names, titles, rows, width=width, bold=bold, first="ms per image, each stage alone")
    yield ""
    for sentence in _sentences(report, names):
        yield from wrapped(sentence, width, indent="")


def _speed_cells(result: CaseResult) -> tuple[str, ...]:
    latency, start, peak = result.latency_ms, result.median("start_s"), result.median("peak_mib")
    return (
        f"{result.images_per_second:.1f}",
        *(f"{value:.0f}" for value in latency.values()),
        "-" if start is None else f"{start:.1f}",
        "-" if peak is None else f"{peak:,.0f}",
        "-" if result.ap is None else f"{result.ap:.3f}",
    )


def _table(
    names: Sequence[str],
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    bold: bool,
    first: str = "",
) -> Iterator[str]:
    """Lines of a table with a name before each row, or on a line of its own where there is no space."""
    widths = [max(len(title), *(len(row[column]) for row in rows)) for column, title in enumerate(titles)]
    numbers = sum(widths) + len(_GAP) * len(widths)
    longest = min(max(map(cell_len, (*names, first))), _WIDEST_NAME)
    stacked = numbers + longest > width
    gap = " " if stacked and numbers > width else _GAP
    head = _cells(titles, widths, gap)
    if stacked:
        if first:
            yield first
        yield f"{_BOLD}{head}{_RESET}" if bold else head
    else:
        head = set_cell_size(first, longest) + head
        yield f"{_BOLD}{head}{_RESET}" if bold else head
    for name, row in zip(names, rows, strict=True):
        if stacked:
            yield from wrapped(name, width, indent="")
            yield _cells(row, widths, gap)
        else:
            yield set_cell_size(name, longest) + _cells(row, widths, gap)


def _cells(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    return "".join(gap + cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _sentences(report: BenchmarkReport, names: Sequence[str]) -> Iterator[str]:
    measured, fastest = report.measured, report.fastest
    runs = max(len(result.runs) for result in measured)
    images = measured[0].runs[-1].images
    yield (
        f"Medians of {counted(runs, 'run')} of {counted(images, 'image')}; latency is of one batch at a time; "
        f"{report.metric} is measured or as published."
    )
    spread = max((max(result.rates) / min(result.rates) for result in measured), default=1.0)
    if runs > 1:
        yield f"Runs of one combination differ by up to {100 * (spread - 1):.0f} %."
    if fastest is not None:
        name = names[measured.index(fastest)]
        seconds = duration_of_many(fastest.images_per_second)
        yield f"10 million images would take {duration(seconds)} with {name}."
