"""The last line of a run over images: how much was done, how long it took, where the results are."""

import os

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration, rate
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.run import RunStats
from detcli.io.remote.store_path import StorePath


def show_summary(console: Console, stats: RunStats, plan: OutputPlan, *, runtime: str | None = None) -> None:
    """Show `412 images, 3 failed, 2,918 boxes in 21 s (19.6 images/s with openvino) -> out/`; or segments instead of boxes.

    runtime  that ran the network; None: unknown
    """
    total = stats.images + stats.failed
    parts = [counted(total, "image")]
    if stats.failed:
        parts.append(f"{stats.failed:,} failed")
    one, many = ("box", "boxes") if plan.task is None else ("segment", "segments")
    parts.append(counted(stats.boxes, one, many))
    paths = [
        f"{path}/" if is_folder else str(path) for path, is_folder in plan.written(complete=stats.interrupted is None)
    ]
    done = max(0, total - stats.resumed)
    speed = speed_of(done, stats.seconds, "images", runtime)
    written = f" -> {', '.join(paths)}" if paths else ""
    sentence = f"{', '.join(parts)} in {duration(stats.seconds)}{speed}{written}"
    if stats.empty_shard:
        sentence += "; there is no image for this shard"
    if stats.interrupted is not None:
        sentence += f"; interrupted by {stats.interrupted}"
        sentence += ", --resume continues" if is_resumable(plan, stats) else ""
    console.summary(
        sentence,
        images=total,
        failed=stats.failed,
        **{many: stats.boxes},
        seconds=round(stats.seconds, 3),
        runtime=runtime,
        outputs=paths,
        interrupted=stats.interrupted,
    )


def speed_of(done: int, seconds: float, unit: str, runtime: str | None) -> str:
    """` (19.6 images/s with openvino)`; empty for a run that was so short that it says more about its start."""
    if not done or seconds < 1:
        return ""
    return f" ({rate(done / seconds, unit)}{f' with {runtime}' if runtime else ''})"


def is_resumable(plan: OutputPlan, stats: RunStats) -> bool:
    """Whether an interrupted run left results, and the journal or the parts that --resume needs."""
    if plan.state is None or not stats.images + stats.failed:
        return False
    return isinstance(plan.state, StorePath) or os.path.lexists(plan.state)
