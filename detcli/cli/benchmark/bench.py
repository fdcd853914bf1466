"""`detcli bench`: measures speed, latency and memory, end to end and by stage."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detcli.cli.benchmark import bench_options
from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import DEFAULT_MODEL
from detcli.errors import UsageError
from detcli.io.outputs import IfExists

if TYPE_CHECKING:
    from detcli.engine.benchmark.benchmark_report import BenchmarkReport
    from detcli.engine.benchmark.benchmark_request import BenchmarkRequest


@click.command(
    "bench",
    cls=Command,
    examples=[
        UsageExample("how fast the default model is here, in every installed runtime", "detcli bench"),
        UsageExample("models on your own images", "detcli bench dfine-n dfine-s photos/"),
        UsageExample(
            "precisions and batch sizes of one runtime",
            "detcli bench dfine-s --runtime openvino --precision fp32,bf16 --batch 1,4",
        ),
        UsageExample(
            "what fewer queries and layers gain and cost",
            "detcli bench shapes --queries 40,20 --decoder-layers 3,2,1 --data shapes --plot speed.png",
        ),
        UsageExample("the fastest combination", "detcli bench --json | jq '.cases | max_by(.images_per_second)'"),
    ],
)
@bench_options.words
@bench_options.model
@bench_options.inputs
@bench_options.sweep
@bench_options.results
@bench_options.run
@options.progress
@pass_console
def bench(console: Console, /, **given: Any) -> int:
    """Measure how fast models are on this machine.

    MODEL is a name from 'detcli models list', a Hub repository, a folder or a file, also an exported one. SOURCES are
    images or folders of them; without any, synthetic images of common sizes are made. Lists of values are combined with
    each other.

    Each combination runs in a new process, in turn for --repeat rounds: start-up, a warm-up that does not count, all
    images end to end as 'detcli detect' processes them, then each stage alone. Ctrl-C ends the benchmark with what was
    measured so far.
    """
    from detcli.cli.benchmark.bench_view import BenchmarkView
    from detcli.engine.benchmark.run_benchmark import run_benchmark

    if given["as_json"] and given["format_name"] == "table":
        raise UsageError("--json cannot be combined with --format table")
    request = _request(given)
    outputs = _outputs(given)
    with BenchmarkView(console) as view:
        report = run_benchmark(request, observer=view, stop=view.stop)
    as_json = given["as_json"] or given["format_name"] == "json" or given["output"] == "-"
    return _finish(console, report, outputs, as_json=as_json)


def _request(given: dict[str, Any]) -> "BenchmarkRequest":
    from detcli.engine.benchmark.benchmark_inputs import split_models
    from detcli.engine.benchmark.benchmark_request import BenchmarkRequest
    from detcli.engine.benchmark.run_benchmark import installed_runtimes

    models, sources = split_models(given["words"])
    return BenchmarkRequest(
        models=(*models, *given["more_models"]) or (DEFAULT_MODEL,),
        sources=sources,
        runtimes=given["runtime"] or installed_runtimes(),
        precisions=given["precision"] or ("auto",),
        batch_sizes=given["batch"] or (None,),
        image_sizes=given["imgsz"] or (None,),
        queries=given["queries"] or (None,),
        decoder_layers=given["decoder_layers"] or (None,),
        images=given["limit"],
        repeat=given["repeat"],
        sinks=given["sinks"],
        data=given["data"],
        device=given["device"],
        workers=given["workers"],
        offline=given["offline"],
    )


def _outputs(given: dict[str, Any]) -> dict[str, Path]:
    """The files to write, each ready to be written. Raises OutputError and UsageError."""
    from detcli.io.outputs import prepare_output

    if_exists: IfExists = "overwrite" if given["yes"] else given["if_exists"]
    outputs = {name: Path(given[name]) for name in ("output", "plot") if given[name] not in (None, "-")}
    for name, suffix in (("output", ".json"), ("plot", ".png")):
        if name in outputs and outputs[name].suffix.lower() != suffix:
            raise UsageError(f"`{name}`: '{outputs[name]}' must end in {suffix}")
    return {name: path for name, path in outputs.items() if prepare_output(path, if_exists=if_exists, resumable=False)}


def _finish(console: Console, report: "BenchmarkReport", outputs: dict[str, Path], *, as_json: bool) -> int:
    from detcli.cli.benchmark.bench_table import print_report
    from detcli.engine.benchmark.benchmark_files import to_json, write_json, write_plot
    from detcli.engine.run import RunStats

    if as_json:
        click.echo(to_json(report), nl=False)
    else:
        print_report(console, report)
    if "output" in outputs:
        write_json(report, outputs["output"])
    if "plot" in outputs and report.measured:
        write_plot(report, outputs["plot"])
    for path in outputs.values():
        if path.exists():
            console.say(f"written: '{path}'")
    if report.interrupted is not None:
        return RunStats(interrupted=report.interrupted).exit_code
    return RunStats(images=len(report.measured)).exit_code
