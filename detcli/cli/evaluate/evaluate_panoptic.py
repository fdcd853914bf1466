"""`detcli eval --iou-type panoptic`: segments of results or of a model, evaluated by panoptic quality."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from detcli.cli.evaluate.evaluate_model import load_judged
from detcli.cli.evaluate.evaluate_options import EvaluateRequest
from detcli.cli.framework.console import Console, escape, is_terminal
from detcli.cli.framework.progress import RunProgressBar
from detcli.cli.framework.signals import stopping
from detcli.cli.framework.text import counted, duration
from detcli.datasets.dataset import open_dataset
from detcli.evaluation.panoptic.panoptic_metrics import PanopticMetrics, judge_panoptic, judge_segmenter
from detcli.evaluation.panoptic.panoptic_quality import SegmentCounts
from detcli.evaluation.report import to_json
from detcli.io.outputs import open_output
from detcli.pipeline.run import RunStats
from detcli.structures.clock import now
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from detcli.version import __version__

_DONE, _SOME_FAILED = 0, 3


def evaluate_panoptic(console: Console, wish: EvaluateRequest, outputs: list[Path]) -> int:
    """Evaluate, write the report, say what came out; returns the exit code."""
    started = time.monotonic()
    if wish.results is not None and wish.gt is not None:
        metrics: PanopticMetrics | int = judge_panoptic(wish.results, wish.gt)
    else:
        metrics = _judge_model(console, wish)
    if isinstance(metrics, int):
        return metrics
    for note in metrics.notes:
        console.warning(note)
    report = _report(wish, metrics)
    for output in outputs:
        file = open_output(output, in_place=False)
        try:
            file.write(to_json(report))
            file.commit()
        except BaseException:
            file.discard()
            raise
    _show(console, wish, metrics, report)
    figures = metrics.by_name
    places = [str(path) for path in outputs]
    console.summary(
        f"PQ {_shown(figures['PQ'])} (things {_shown(figures['PQ_things'])}, stuff {_shown(figures['PQ_stuff'])}) on "
        f"{counted(metrics.tally.images, 'image')} in {duration(time.monotonic() - started)}"
        + (f" -> {', '.join(places)}" if places else ""),
        **figures,
        images=metrics.tally.images,
        failed=len(metrics.unreadable),
        outputs=places,
    )
    return _SOME_FAILED if metrics.unreadable else _DONE


def _judge_model(console: Console, wish: EvaluateRequest) -> PanopticMetrics | int:
    if wish.data is None:
        raise ValueError("data is needed")
    dataset = open_dataset(wish.data, part="val", images=wish.images, masks=True)
    for finding in dataset.report.findings:
        console.warning(finding)
    detector = load_judged(console, wish)
    stop = StopSignal()
    with stopping(console, stop), RunProgressBar(console, count=lambda: len(dataset)) as progress:

        def on_result(frame: Frame | FailedFrame, detections: Any) -> None:
            failed = isinstance(detections, FailedFrame)
            progress.advance(failed=failed)
            if failed:
                console.failure(frame.origin.file, detections.code, detections.message)

        metrics = judge_segmenter(detector, dataset, workers=wish.workers, on_result=on_result, stop=stop)
    if metrics is None:
        console.summary(f"no figures: {stop.signal} came before the last image")
        return RunStats(interrupted=stop.signal).exit_code
    return metrics


def _report(wish: EvaluateRequest, metrics: PanopticMetrics) -> dict[str, Any]:
    asked = {"results": wish.results, "gt": wish.gt, "model": wish.model, "data": wish.data}
    return {
        "detcli": __version__,
        "iou_type": "panoptic",
        "created": now(),
        "settings": {name: str(value) for name, value in asked.items() if value is not None},
        "metrics": metrics.by_name,
        "counts": {"images": metrics.tally.images, "failed": len(metrics.unreadable)},
        "classes": [
            {"name": one.name, "category_id": one.category_id, "isthing": int(one.is_thing)}
            | _row(metrics.tally.counts.get(one.category_id, SegmentCounts()))
            for one in metrics.categories
        ],
        "failed": [
            {"file": failed.origin.file, "code": failed.code, "message": failed.message}
            for failed in metrics.unreadable
        ],
        "notes": list(metrics.notes),
    }


def _row(count: SegmentCounts) -> dict[str, Any]:
    quality = count.quality
    figures = dict.fromkeys(("PQ", "SQ", "RQ")) if quality is None else {
        "PQ": quality.pq, "SQ": quality.sq, "RQ": quality.rq
    }  # fmt: skip
    return {
        **figures,
        "true_positives": count.true_positives,
        "false_positives": count.false_positives,
        "false_negatives": count.false_negatives,
    }


def _show(console: Console, wish: EvaluateRequest, metrics: PanopticMetrics, report: dict[str, Any]) -> None:
    shows_table = is_terminal(sys.stdout) if wish.format_name is None else wish.format_name == "table"
    if not shows_table or wish.output == "-":
        click.echo(to_json(report), nl=False)
        return
    for line in _table(metrics, report):
        click.echo(line)


def _table(metrics: PanopticMetrics, report: dict[str, Any]) -> Iterator[str]:
    rows = [(name, one.pq, one.sq, one.rq, one.classes) for name, one in metrics.groups.items()]
    of_classes = [
        (escape(one["name"]), one["PQ"], one["SQ"], one["RQ"], one["true_positives"] + one["false_negatives"])
        for one in report["classes"]
        if one["PQ"] is not None
    ]
    width = max(len(row[0]) for row in (*rows, *of_classes))
    for heading, part in (("classes", rows), ("ground truth", of_classes)):
        yield f"{'':{width}}     PQ     SQ     RQ  {heading:>12}"
        for name, pq, sq, rq, count in part:
            yield f"{name:{width}}  {_shown(pq):>5}  {_shown(sq):>5}  {_shown(rq):>5}  {count:>12,}"
        if part is rows:
            yield ""


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
