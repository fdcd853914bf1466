"""`detcli eval`: results, or what a model finds, evaluated as COCO does.

Checks run from cheap to dear: flags, then outputs, then the input, and only then torch and the model.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detcli.cli.evaluate import evaluate_options
from detcli.cli.evaluate.evaluate_options import EvaluateRequest
from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console, is_terminal
from detcli.cli.framework.text import counted, duration
from detcli.errors import GateError, UsageError
from detcli.io.outputs import is_stream, prepare_output

if TYPE_CHECKING:
    from detcli.cli.evaluate.evaluate_subject import EvaluationInput
    from detcli.evaluation.report import EvaluationReport

DONE, SOME_FAILED = 0, 3


@click.command(
    "eval",
    cls=Command,
    examples=[
        UsageExample("evaluate results of any format", "detcli eval out.jsonl --gt instances_val2017.json"),
        UsageExample(
            "evaluate a model, with curves and its worst images",
            "detcli eval -m dfine-s --data coco/ -o report.json --save-plots plots/ --save-worst worst/",
        ),
        UsageExample("a gate for CI", "detcli eval -m runs/mine/best --data data.json --min-map 0.5"),
        UsageExample(
            "panoptic segments, by their quality",
            "detcli eval out.json --gt panoptic_val2017.json --iou-type panoptic",
        ),
        UsageExample("one figure", "detcli eval out.jsonl --gt gt.json -f json | jq .metrics.AP50"),
        UsageExample(
            "results made for evaluating keep every score",
            "detcli detect images/ -f coco-results --gt gt.json -o r.json && detcli eval r.json --gt gt.json",
        ),
    ],
)
@evaluate_options.results
@evaluate_options.ground_truth
@evaluate_options.model
@options.where_models_are
@evaluate_options.kept
@options.speed
@evaluate_options.report
@options.replacing
@evaluate_options.mistakes
@options.progress
@pass_console
def evaluate(console: Console, /, **given: Any) -> int:
    """Evaluate results or a model against the ground truth.

    RESULTS are what 'detcli detect' wrote, in any of its formats, or COCO results of another program; --gt says what
    is true. With --data a model looks at the images itself, and every score is kept.

    The twelve figures of COCO and those of each class go to standard output. Categories meet by name, images by
    name or id; what would end in a silent zero is an error.
    """
    wish = EvaluateRequest(**given)
    _check(wish)
    outputs = _prepared(console, wish)
    started = time.monotonic()
    if wish.iou_type == "panoptic":
        from detcli.cli.evaluate.evaluate_panoptic import evaluate_panoptic

        return evaluate_panoptic(console, wish, outputs)
    if wish.results is not None:
        from detcli.cli.evaluate.evaluate_subject import judge_results

        subject = judge_results(wish)
    else:
        from detcli.checkpoints.hub.locate_model import repository_of

        repository_of(wish.model or options.DEFAULT_MODEL)  # a slip in the name is told before torch is imported
        from detcli.cli.evaluate.evaluate_model import judge_model

        judged = judge_model(console, wish)
        if isinstance(judged, int):
            return judged
        subject = judged
    for note in subject.notes:
        console.warning(note)
    document = _judged(wish, subject)
    outputs = [output for output in outputs if _write(console, wish, output, document, subject)]
    _show(console, wish, document)
    _close(console, document, outputs, seconds=time.monotonic() - started)
    _gate(wish, document)
    return SOME_FAILED if subject.unreadable else DONE


def _check(wish: EvaluateRequest) -> None:
    if wish.iou_type == "panoptic":
        _check_panoptic(wish)
    if wish.results is None and wish.data is None:
        raise UsageError("nothing to evaluate: give RESULTS with --gt, or --model with --data")
    if wish.results is None:
        if wish.gt is not None or wish.results_format is not None:
            name = "--gt" if wish.gt is not None else "--results-format"
            raise UsageError(f"{name} is for RESULTS, and none are given; --data names what a model is evaluated on")
        return
    if wish.data is not None or wish.model is not None:
        name = "--data" if wish.data is not None else "--model"
        raise UsageError(f"{name} is for evaluating a model, and RESULTS '{wish.results}' are given: one at a time")
    if wish.gt is None:
        raise UsageError(
            f"the ground truth? Name the annotations that '{wish.results}' are evaluated against with --gt"
        )


def _check_panoptic(wish: EvaluateRequest) -> None:
    for name, given in (
        ("--save-plots", wish.save_plots),
        ("--save-worst", wish.save_worst),
        ("--min-map", wish.min_map),
        ("--results-format", wish.results_format),
    ):
        if given is not None:
            raise UsageError(f"{name} is for AP; panoptic quality has none")


def _prepared(console: Console, wish: EvaluateRequest) -> list[Path]:
    """The files and folders to write, each free to be written. Raises OutputError or UsageError otherwise."""
    report = None if wish.output in (None, "-") else Path(str(wish.output))
    if report is not None and not is_stream(report) and report.suffix.lower() != ".json":
        raise UsageError(f"the report is JSON: end '{report}' in .json")
    wanted = [path for path in (report, wish.save_plots, wish.save_worst) if path is not None]
    for path in wanted:
        if wanted.count(path) > 1:
            raise UsageError(f"two outputs would go to '{path}'")
        if any(given is not None and _same(path, given) for given in (wish.results, wish.gt, wish.data)):
            raise UsageError(f"'{path}' is input and output at once; write somewhere else")
    if_exists = "overwrite" if wish.yes else wish.if_exists
    outputs = []
    for path in wanted:
        wants = prepare_output(path, if_exists=if_exists, folder=path != report, resumable=False)
        if wants and (if_exists != "skip" or path == report):
            outputs.append(path)
        else:
            console.say(f"'{path}' exists; skipped")
    return outputs


def _judged(wish: EvaluateRequest, subject: "EvaluationInput") -> "EvaluationReport":
    from detcli.evaluation.box_matching import IOU, compare
    from detcli.evaluation.confusion_matrix import confusion
    from detcli.evaluation.report import EvaluationReport
    from detcli.evaluation.worst_images import worst
    from detcli.structures.clock import now

    annotations = subject.ground_truth.annotations
    comparisons = list(compare(annotations, subject.results, score=wish.score))
    return EvaluationReport(
        metrics=subject.metrics,
        confusion=confusion(comparisons, subject.ground_truth.categories),
        score=wish.score,
        iou=IOU,
        worst=worst(comparisons, wish.worst),
        file_names={image["id"]: image["file_name"] for image in annotations["images"]},
        settings=subject.settings,
        created=now(),
        unreadable=subject.unreadable,
        notes=subject.notes,
    )


def _write(
    console: Console, wish: EvaluateRequest, output: Path, judged: "EvaluationReport", subject: "EvaluationInput"
) -> bool:
    """Write an output; whether it was."""
    if output == wish.save_plots:
        return _plot(console, output, judged)
    if output == wish.save_worst:
        from detcli.evaluation.worst_images import LEGEND, draw_worst

        drawn = draw_worst(judged.worst, output, judged.file_names, subject.ground_truth.categories, subject.read)
        legend = f"; {LEGEND}" if drawn else ""
        console.say(f"{counted(drawn, 'image')} drawn in '{output}'{legend}")
        if drawn < len(judged.worst):
            console.warning(f"{len(judged.worst) - drawn:,} of the worst images are not at hand")
    else:
        from detcli.evaluation.report import report, to_json
        from detcli.io.outputs import open_output

        file = open_output(output, in_place=False)
        try:
            file.write(to_json(report(judged)))
            file.commit()
        except BaseException:
            file.discard()
            raise
    return True


def _plot(console: Console, folder: Path, judged: "EvaluationReport") -> bool:
    from detcli.evaluation.plots import confusion_matrix, pr_curves
    from detcli.io.atomic_write import write_atomically

    try:
        curves = pr_curves(judged.metrics)
        matrix = confusion_matrix(judged.confusion, score=judged.score, iou=judged.iou)
    except UsageError as error:
        console.warning(f"no plots: {error}")
        return False
    write_atomically(folder / "pr_curves.png", curves)
    write_atomically(folder / "confusion.png", matrix)
    return True


def _show(console: Console, wish: EvaluateRequest, judged: "EvaluationReport") -> None:
    shows_table = is_terminal(sys.stdout) if wish.format_name is None else wish.format_name == "table"
    if wish.output == "-":
        shows_table = False
    if shows_table:
        from detcli.cli.evaluate.evaluate_view import table

        width = console.width(sys.stdout) if is_terminal(sys.stdout) else 100
        for line in table(judged, width=width, bold=console.uses_color(sys.stdout)):
            click.echo(line, color=True)
        return
    from detcli.evaluation.report import report, to_json

    click.echo(to_json(report(judged)), nl=False)


def _close(console: Console, judged: "EvaluationReport", outputs: list[Path], *, seconds: float) -> None:
    figures = judged.metrics.by_name
    shown = ", ".join(f"{name} {_figure(figures[name])}" for name in ("AP", "AP50"))
    images, boxes = judged.metrics.images, sum(one.detections for one in judged.metrics.classes)
    places = [str(path) for path in outputs]
    failed = f", {len(judged.unreadable):,} failed" if judged.unreadable else ""
    console.summary(
        f"{shown} on {counted(images, 'image')}{failed}, {counted(boxes, 'box', 'boxes')} in {duration(seconds)}"
        + (f" -> {', '.join(places)}" if places else ""),
        **figures,
        images=images,
        failed=len(judged.unreadable),
        boxes=boxes,
        seconds=round(seconds, 3),
        outputs=places,
    )


def _gate(wish: EvaluateRequest, judged: "EvaluationReport") -> None:
    average = judged.metrics.by_name["AP"]
    if wish.min_map is not None and (average is None or average < wish.min_map):
        raise GateError(f"AP is {_figure(average, 4)}, below the {wish.min_map:g} that --min-map asks for")


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _same(path: Path, given: str | Path) -> bool:
    try:
        return path.samefile(given)
    except (OSError, ValueError):
        return False
