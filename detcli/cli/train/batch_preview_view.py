"""`detcli train --show-batch`: writes the images of the first batches, and says what they are."""

from pathlib import Path

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted
from detcli.engine.requests.training_request import TrainingPlan
from detcli.engine.training.show_batch import write_grid


def show_preview(console: Console, plan: TrainingPlan, output: Path, *, images: int | None, epoch: int) -> int:
    """Read the images, write the grid and print a summary; returns the exit code."""
    console.status("reading the first batches")
    try:
        preview = plan.preview(images=images, epoch=epoch)
    finally:
        console.clear_status()
    for failure in preview.failures:
        console.warning(f"cannot read '{failure.file}': {failure.reason}; another image replaces it")
    write_grid(preview, output)
    sizes = sorted({image.pixels.shape[:2] for image in preview.images})
    size = " to ".join(f"{height} x {width}" for height, width in dict.fromkeys((sizes[0], sizes[-1])))
    console.summary(
        f"the first {counted(len(preview.images), 'image')} of epoch {preview.epoch} as the network gets them: {size}, "
        f"{counted(preview.boxes, 'box', 'boxes')} -> {output}",
        images=len(preview.images),
        epoch=preview.epoch,
        boxes=preview.boxes,
        files=[image.file for image in preview.images],
        output=str(output),
    )
    return 0
