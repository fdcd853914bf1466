"""The sentence at the end of a run: how much was done, how long it took, where the results are."""

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration
from detcli.engine.outputs import OutputPlan
from detcli.pipeline.run import RunStats


def closing(console: Console, tally: RunStats, plan: OutputPlan, *, seconds: float) -> None:
    """Say `412 images, 3 failed, 2,918 boxes in 21 s -> out/`; segments, where those were asked for."""
    total = tally.images + tally.failed
    parts = [counted(total, "image")]
    if tally.failed:
        parts.append(f"{tally.failed:,} failed")
    one, many = ("box", "boxes") if plan.task is None else ("segment", "segments")
    parts.append(counted(tally.boxes, one, many))
    places = [f"{path}/" if folder else str(path) for path, folder in places_of(plan)]
    sentence = f"{', '.join(parts)} in {duration(seconds)}" + (f" -> {', '.join(places)}" if places else "")
    if tally.interrupted is not None:
        sentence += f"; interrupted by {tally.interrupted}"
        sentence += ", --resume goes on" if plan.journal is not None and total else ""
    console.summary(
        sentence,
        images=total,
        failed=tally.failed,
        **{many: tally.boxes},
        seconds=round(seconds, 3),
        outputs=places,
        interrupted=tally.interrupted,
    )


def places_of(plan: OutputPlan) -> list[tuple[str, bool]]:
    """Files and folders that were written, and which of them are folders."""
    places = [(str(target.path), target.format == "yolo") for target in plan.targets if target.path is not None]
    places += [(str(film.path), False) for film in plan.films]
    places += [(str(folder), True) for folder in (*plan.beside, *plan.folders)]
    return places
