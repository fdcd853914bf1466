"""Where a YOLO dataset of labels without scores is, seen from the output that the user named."""

import os
from pathlib import Path

LABELS, IMAGES = "labels", "images"
LINKED = ".detcli-links"  # in a folder of images that runs made


def dataset_root(output: Path) -> Path:
    """The folder of the dataset: the output, or its parent if the output is named `labels`."""
    return output.parent if output.name == LABELS else output


def linked_images(output: Path) -> Path | None:
    """The folder of images that a run makes or made; None if it is the user's."""
    images = dataset_root(output) / IMAGES
    return images if not os.path.lexists(images) or os.path.lexists(images / LINKED) else None
