"""`detcli bench`: measures speed, latency and memory, end to end and by stage."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detcli.cli.benchmark import bench_options
from detcli.cli.detect.segment_options import DEFAULT_MODEL as SEGMENTATION_MODEL
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import run_options
from detcli.cli.framework.options.model_options import DEFAULT_MODEL
from detcli.errors import UsageError

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
        UsageExample(
            "panoptic segmentation, with label maps", "detcli bench --task panoptic --runtime torch --sinks jsonl,masks"
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
@run_options.progress
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
    from detcli.engine.benchmark.benchmark_files import prepare_files
    from detcli.engine.benchmark.run_benchmark import check_accuracy, run_benchmark

    if given["as_json"] and given["format_name"] == "table":
        raise UsageError("--json cannot be combined with --format table")
    request = _request(given)
    if given["plot"] is not None:
        check_accuracy(request)
    files = {name: Path(given[name]) if given[name] not in (None, "-") else None for name in ("output", "plot")}
    outputs = prepare_files(files, if_exists="overwrite" if given["yes"] else given["if_exists"])
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
        models=(*models, *given["more_models"]) or (DEFAULT_MODEL if given["task"] is None else SEGMENTATION_MODEL,),
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
        task=given["task"],
        data=given["data"],
        device=given["device"],
        workers=given["workers"],
        variant=given["variant"],
        revision=given["revision"],
        offline=given["offline"],
        cache_dir=given["cache_dir"],
    )


def _finish(console: Console, report: "BenchmarkReport", outputs: dict[str, Path], *, as_json: bool) -> int:
    from detcli.cli.benchmark.bench_table import print_report
    from detcli.engine.benchmark.benchmark_files import to_json, write_files
    from detcli.engine.run import RunStats

    if as_json:
        click.echo(to_json(report), nl=False)
    else:
        print_report(console, report)
    written = write_files(report, outputs)
    for path in written:
        console.say(f"written: '{path}'")
    if "plot" in outputs and outputs["plot"] not in written:
        console.warning(f"no plot: no {report.metric} is known for any combination that was measured")
    if report.interrupted is not None:
        return RunStats(interrupted=report.interrupted).exit_code
    return RunStats(images=len(report.measured)).exit_code
