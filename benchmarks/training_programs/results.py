"""The lines, the table and the curves of `benchmarks/real_data.py`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.training_programs.run_log import Job
from detcli.datasets.dataset import open_dataset
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.evaluation.evaluate_model import ground_truth_annotations
from detcli.evaluation.plots.figures import line_style, new_figure, open_axes, own_style, to_png

FALSE_BOX_SCORE = 0.25
_IOU50 = 0  # index into the IoUs of matches
Line = Mapping[str, Any]
Json = Mapping[str, Any]


def result_lines(name: str, job: Job, report: Json) -> list[dict[str, Any]]:
    """A line for each budget of a run: its best model at that time, evaluated on the test part."""
    data = open_dataset(str(job.data_folder / "test.json"), images=job.data_folder / "images")
    truth = ground_truth_annotations(data, "bbox")
    lines: list[dict[str, Any]] = []
    for entry in report["marks"]:
        best, last = entry["best"], entry["last"]
        is_end = entry["mark_s"] == job.budget_s
        lines.append(
            {
                "program": name,
                "minutes": round(entry["mark_s"] / 60, 4),
                "run_minutes": round(job.budget_s / 60, 4),
                "wall_s": report["wall_s"] if is_end else last and last["seconds"],
                "cpu_s": last and last["cpu_seconds"],
                "epochs": last and last["epoch"],
                "planned_epochs": report["epochs"],
                "images_seen": last and last["images"],
                "best_epoch": best and best["epoch"],
                "val_ap": best and best["ap"],
                **(evaluated(truth, entry["results"]) if best else {"ap": None}),
                "early_end": report.get("early_end"),
                "data": job.data_folder.name,
                "size": job.size,
                "threads": job.threads,
                "seed": job.seed,
                "settings": report["settings"],
                "versions": report["versions"],
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "curve": report["curve"] if is_end else None,
            }
        )
    return lines


def evaluated(truth: Json, results: Sequence[Json]) -> dict[str, Any]:
    """COCO's metrics of results, and the boxes that are false at IoU 0.5 and a score of at least 0.25."""
    metrics = evaluate_coco(truth, results)
    matches = match_classes(truth, results)
    false = (matches.scores >= FALSE_BOX_SCORE) & ~matches.matched[:, _IOU50] & ~matches.ignored[:, _IOU50]
    return {
        "ap": metrics.by_name["AP"],
        "ap50": metrics.by_name["AP50"],
        "ap75": metrics.by_name["AP75"],
        "class_ap": {entry.name: entry.ap for entry in metrics.classes},
        "class_ap50": {entry.name: entry.ap50 for entry in metrics.classes},
        "false_boxes": int(false.sum()),
        "evaluator": metrics.evaluator,
    }


def table(lines: Sequence[Line]) -> str:
    """The table of all lines, by program and budget; of equal ones, the last line."""
    latest = {(line["program"], line["run_minutes"], line["minutes"]): line for line in lines}
    classes = list(dict.fromkeys(name for line in latest.values() for name in line.get("class_ap", ())))
    head = ["program", "minutes", "epochs", "images", "CPU s", "AP", "AP50", "AP75", "false"]
    head += [f"{name} {metric}" for name in classes for metric in ("AP", "AP50")]
    rows = [head]
    for (program, run_minutes, minutes), line in sorted(latest.items()):
        row = [program, f"{minutes:g}" + (f" of {run_minutes:g}" if run_minutes != minutes else "")]
        row += [_whole(line["epochs"]), _whole(line["images_seen"]), _whole(line["cpu_s"])]
        row += [_share(line.get(key)) for key in ("ap", "ap50", "ap75")]
        row.append(_whole(line.get("false_boxes")))
        for name in classes:
            row += [_share(line.get(key, {}).get(name)) for key in ("class_ap", "class_ap50")]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join([first.strip().ljust(widths[0]), *others])


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


@own_style
def plot_curves(lines: Sequence[Line], path: Path) -> None:
    """Draw AP on the validation images over minutes, as each program computes it, of the last run of each."""
    curves = {(line["program"], line["run_minutes"]): line["curve"] for line in lines if line["curve"]}
    figure = new_figure(8.0, 4.8)
    axes = figure.subplots()
    open_axes(axes)
    names = [name for name, _ in curves]
    for index, ((name, minutes), curve) in enumerate(sorted(curves.items())):
        label = name if names.count(name) == 1 else f"{name}, {minutes:g} minutes"
        times, values = [seconds / 60 for seconds, _ in curve], [ap for _, ap in curve]
        axes.plot(times, values, label=label, **line_style(index))
    axes.set(xlabel="minutes since the start of the program", ylabel="AP on the validation images", ylim=(0, None))
    axes.set_xlim(left=0)
    axes.legend(frameon=False)
    path.write_bytes(to_png(figure))
