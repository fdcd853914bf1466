"""The last line of `detcli eval`."""

from detcli.cli.framework.text import counted, duration
from detcli.engine.requests.evaluation_request import EvaluationResult
from detcli.evaluation.comparison.comparison_report import ComparisonReport
from detcli.evaluation.report import EvaluationReport


def evaluation_summary(result: EvaluationResult) -> tuple[str, dict[str, object]]:
    """The sentence, such as `AP 0.512, AP50 0.701 on 40 images, 312 boxes in 2 s`, and its facts for JSON logs."""
    metrics = result.metrics
    outputs = [str(path) for path in result.outputs]
    written = f" -> {', '.join(outputs)}" if outputs else ""
    took = duration(result.seconds)
    report = result.report
    if isinstance(report, ComparisonReport):
        return _comparison(report, took, written, outputs)
    if not isinstance(report, EvaluationReport):
        images = report.metrics.accumulator.images
        sentence = (
            f"PQ {_shown(metrics['PQ'])} (things {_shown(metrics['PQ_things'])}, stuff {_shown(metrics['PQ_stuff'])}) "
            f"on {counted(images, 'image')} in {took}{written}"
        )
        return sentence, {**metrics, "images": images, "failed": result.failed, "outputs": outputs}
    images, boxes = report.metrics.images, sum(each.detections for each in report.metrics.classes)
    failed = f", {result.failed:,} failed" if result.failed else ""
    sentence = (
        f"AP {_shown(metrics['AP'])}, AP50 {_shown(metrics['AP50'])} on {counted(images, 'image')}{failed}, "
        f"{counted(boxes, 'box', 'boxes')} in {took}{written}"
    )
    facts: dict[str, object] = {
        **metrics,
        "images": images,
        "failed": result.failed,
        "boxes": boxes,
        "seconds": round(result.seconds, 3),
        "outputs": outputs,
    }
    return sentence, facts


def _comparison(report: ComparisonReport, took: str, written: str, outputs: list[str]) -> tuple[str, dict[str, object]]:
    ap = report.metrics["AP"]
    change = "" if ap.difference is None else f" ({ap.difference:+.3f})"
    sentence = (
        f"AP {_shown(ap.first)} -> {_shown(ap.second)}{change}; {counted(report.better, 'image')} better, {report.worse:,} "
        f"worse of {len(report.images):,} in {took}{written}"
    )
    facts: dict[str, object] = {name: value.to_dict() for name, value in report.metrics.items()}
    return sentence, {**facts, "better": report.better, "worse": report.worse, "outputs": outputs}


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
