"""The last line of a run over images: how much was done, how long it took, where the results are."""

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.run import RunStats


def show_summary(console: Console, stats: RunStats, plan: OutputPlan) -> None:
    """Show `412 images, 3 failed, 2,918 boxes in 21 s -> out/`; or segments, where those were asked for."""
    total = stats.images + stats.failed
    parts = [counted(total, "image")]
    if stats.failed:
        parts.append(f"{stats.failed:,} failed")
    one, many = ("box", "boxes") if plan.task is None else ("segment", "segments")
    parts.append(counted(stats.boxes, one, many))
    paths = [f"{path}/" if is_folder else str(path) for path, is_folder in plan.results]
    sentence = f"{', '.join(parts)} in {duration(stats.seconds)}" + (f" -> {', '.join(paths)}" if paths else "")
    if stats.interrupted is not None:
        sentence += f"; interrupted by {stats.interrupted}"
        sentence += ", --resume continues" if plan.journal is not None and total else ""
    console.summary(
        sentence,
        images=total,
        failed=stats.failed,
        **{many: stats.boxes},
        seconds=round(stats.seconds, 3),
        outputs=paths,
        interrupted=stats.interrupted,
    )
