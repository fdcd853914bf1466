"""The last line of a run over images: how much was done, how long it took, where the results are."""

import os

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration, rate
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.run import RunStats


def show_summary(console: Console, stats: RunStats, plan: OutputPlan) -> None:
    """Show `412 images, 3 failed, 2,918 boxes in 21 s (19.6 images/s) -> out/`; or segments, where those were asked for."""
    total = stats.images + stats.failed
    parts = [counted(total, "image")]
    if stats.failed:
        parts.append(f"{stats.failed:,} failed")
    one, many = ("box", "boxes") if plan.task is None else ("segment", "segments")
    parts.append(counted(stats.boxes, one, many))
    paths = [f"{path}/" if is_folder else str(path) for path, is_folder in plan.results]
    done = max(0, total - stats.resumed)
    # A shorter run says more about its start than about its speed.
    speed = f" ({rate(done / stats.seconds, 'images')})" if done and stats.seconds >= 1 else ""
    written = f" -> {', '.join(paths)}" if paths else ""
    sentence = f"{', '.join(parts)} in {duration(stats.seconds)}{speed}{written}"
    if stats.interrupted is not None:
        sentence += f"; interrupted by {stats.interrupted}"
        sentence += ", --resume continues" if is_resumable(plan, stats) else ""
    console.summary(
        sentence,
        images=total,
        failed=stats.failed,
        **{many: stats.boxes},
        seconds=round(stats.seconds, 3),
        outputs=paths,
        interrupted=stats.interrupted,
    )


def is_resumable(plan: OutputPlan, stats: RunStats) -> bool:
    """Whether an interrupted run left results, and the journal that --resume needs."""
    return stats.images + stats.failed > 0 and plan.journal is not None and os.path.lexists(plan.journal)
