"""Writes the images of the first training batches, as the network gets them, into one image file."""

from pathlib import Path
from typing import TYPE_CHECKING

from detcli.argument_checks import check_int
from detcli.engine.requests.training_request import TrainingObserver, TrainingRequest
from detcli.engine.training.train import prepare_training
from detcli.errors import OutputError, UsageError
from detcli.io.atomic_write import write_atomically
from detcli.io.outputs import IfExists, prepare_output
from detcli.sinks.images.encode_image import FORMATS, encode

if TYPE_CHECKING:
    from detcli.training.trials.batch_preview import BatchPreview

MAX_IMAGES = 100
_SHOWN_FORMATS = (".jpg", ".png", ".webp")


def show_batch(
    request: TrainingRequest,
    *,
    output: Path | None,
    images: int | None = None,
    epoch: int = 1,
    observer: TrainingObserver | None = None,
) -> "BatchPreview | None":
    """Prepare a training run and return the first images of an epoch; nothing is trained.

    output  image file for all of them with their boxes, masks and class names; None: nothing is written
    images  how many, at most 100; None: 16
    epoch   counted from 1

    Returns None if the output exists and the request says "skip". Raises what `train` raises.
    """
    if images is not None:
        check_int("show_images", images, at_least=1, at_most=MAX_IMAGES)
    check_int("show_epoch", epoch, at_least=1)
    if output is not None and not prepare_grid(output, if_exists=request.if_exists, argument="save"):
        return None
    plan = prepare_training(request, observer=observer)
    if plan is None:
        return None
    preview = plan.preview(images=images, epoch=epoch)
    if output is not None:
        write_grid(preview, output)
    return preview


def prepare_grid(output: Path, *, if_exists: IfExists, argument: str) -> bool:
    """Whether to write the image file; False to skip it.

    argument  that names the file

    Raises UsageError or OutputError for a file that cannot be written.
    """
    if output.suffix.lower() not in FORMATS:
        known = ", ".join(_SHOWN_FORMATS)
        raise UsageError(f"`{argument}` is '{output}'; it must be an image file, such as {known}")
    return prepare_output(output, if_exists=if_exists, folder=False)


def write_grid(preview: "BatchPreview", output: Path) -> None:
    """Write all images of a preview side by side. Raises OutputError."""
    data = encode(preview.grid(), FORMATS[output.suffix.lower()])
    if data is None:
        raise OutputError(f"'{output}' cannot be encoded: show fewer images, or choose .png")
    write_atomically(output, data)
