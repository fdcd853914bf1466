"""`detcli eval`: evaluates results or a model, prints the metrics, and checks the gate."""

import sys
from typing import Any

import click

from detcli.cli.evaluate import evaluate_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, is_terminal
from detcli.cli.framework.options import model_options, output_options, run_options, speed_options
from detcli.engine.requests.evaluation_request import EvaluationResult
from detcli.errors import GateError, TooManyFailuresError, UsageError


@click.command(
    "eval",
    cls=Command,
    examples=[
        UsageExample("evaluate results of any format", "detcli eval out.jsonl --gt instances_val2017.json"),
        UsageExample(
            "evaluate a model, with curves and its worst images",
            "detcli eval -m dfine-s --data coco/ -o report.json --save-plots plots/ --save-worst worst/",
        ),
        UsageExample(
            "the score threshold with the highest F1, for detect",
            "detcli eval -m runs/mine/best --data data.json --set-threshold runs/mine/best",
        ),
        UsageExample("a gate for CI", "detcli eval -m runs/mine/best --data data.json --min-map 0.5"),
        UsageExample(
            "panoptic quality of segments",
            "detcli eval out.json --gt panoptic_val2017.json --iou-type panoptic",
        ),
        UsageExample(
            "is the new model better, and where?",
            "detcli eval old.json new.json --gt instances_val2017.json --save-worst changed/",
        ),
        UsageExample("one metric", "detcli eval out.jsonl --gt gt.json --json | jq .metrics.AP50"),
        UsageExample(
            "results for evaluation keep every score",
            "detcli detect images/ -f coco-results --gt gt.json -o r.json && detcli eval r.json --gt gt.json",
        ),
    ],
)
@evaluate_options.results
@evaluate_options.against
@evaluate_options.ground_truth
@evaluate_options.model
@model_options.model_location
@evaluate_options.filtering
@speed_options.speed
@evaluate_options.report
@output_options.replacing
@evaluate_options.mistakes
@run_options.progress
@pass_console
def evaluate(console: Console, /, **given: Any) -> int:
    """Evaluate results or a model against ground truth.

    RESULTS are what 'detcli detect' wrote, in any of its formats, or COCO results of another program; --gt has the
    ground truth. With --data, a model processes the images first, and every score is kept. With OTHER, a second file of
    results, both are compared: differences with confidence intervals, and the images that got better or worse.

    The twelve COCO metrics, from 0 to 1, and those of each class go to standard output, as a table or with --json as one
    JSON document. Categories are matched by name, images by
    name or id; a mismatch that would make every metric 0 is an error.
    """
    from detcli.cli.evaluate.evaluate_request import evaluation_request
    from detcli.cli.evaluate.evaluation_view import EvaluationView
    from detcli.engine.run import RunStats

    min_map = given["min_map"]
    if given["as_json"] and given["format_name"] == "table":
        raise UsageError("--json cannot be combined with --format table")
    if min_map is not None and given["against"] is not None:
        raise UsageError("`min_map` is for one evaluation; it cannot be combined with a second file of results")
    if min_map is not None and given["iou_type"] == "panoptic":
        raise UsageError("`min_map` is for AP; it cannot be combined with `iou_type=panoptic`")
    request = evaluation_request(given)
    with EvaluationView(console, request) as view:
        from detcli.engine.evaluate import evaluate as run_evaluation

        result = run_evaluation(request, observer=view, stop=view.stop)
    if result is None:
        console.summary(f"no metrics: interrupted by {view.stop.signal} before the last image")
        return RunStats(interrupted=view.stop.signal).exit_code
    as_json = given["as_json"] or given["format_name"] == "json" or given["output"] == "-"
    _print_metrics(console, result, as_json=as_json)
    _summarize(console, result)
    _check_gate(result, min_map)
    return TooManyFailuresError.exit_code if result.failed else 0


def _print_metrics(console: Console, result: EvaluationResult, *, as_json: bool) -> None:
    if as_json:
        click.echo(result.to_json(), nl=False)
        return
    from detcli.cli.evaluate.comparison_table import comparison_table
    from detcli.cli.evaluate.metrics_table import metrics_table
    from detcli.cli.evaluate.panoptic_table import panoptic_table
    from detcli.evaluation.comparison.comparison_report import ComparisonReport
    from detcli.evaluation.report import EvaluationReport

    width = console.width(sys.stdout) if is_terminal(sys.stdout) else 100
    bold = console.uses_color(sys.stdout)
    if isinstance(result.report, EvaluationReport):
        lines = metrics_table(result.report, width=width, bold=bold)
    elif isinstance(result.report, ComparisonReport):
        lines = comparison_table(result.report, width=width, bold=bold)
    else:
        lines = panoptic_table(result.report, width=width)
    for line in lines:
        click.echo(line, color=True)


def _summarize(console: Console, result: EvaluationResult) -> None:
    from detcli.cli.evaluate.evaluation_summary import evaluation_summary

    sentence, facts = evaluation_summary(result)
    console.summary(sentence, **facts)


def _check_gate(result: EvaluationResult, min_map: float | None) -> None:
    if min_map is None:
        return
    average = result.metrics["AP"]
    if average is None or average < min_map:
        shown = "-" if average is None else f"{average:.4f}"
        raise GateError(f"AP is {shown}, less than `min_map={min_map:g}`")
