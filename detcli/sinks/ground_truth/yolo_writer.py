"""YOLO: data.yaml, `images/PART/…` and `labels/PART/….txt` with boxes, or polygons where there are masks."""

from collections.abc import Sequence

import numpy as np
import yaml

from detcli.io.atomic_write import to_bytes
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.ground_truth.dataset_writer import WHOLE, LabeledImage, fractions, outlines
from detcli.sinks.results.yolo_dataset_files import unique_names
from detcli.structures.class_labels import ClassLabels
from detcli.structures.float_text import shortest


class YoloWriter:
    """Classes are numbered from 0 in the order of the labels; there are no crowds."""

    last = "data.yaml"
    keeps_crowds = False
    keeps_boxes = False
    unique_stems = True
    one_folder = False
    spaces = True

    def __init__(self, folder: OutputFolder, labels: ClassLabels, parts: Sequence[str]) -> None:
        self._folder, self._labels, self._parts = folder, labels, parts
        self.reduced = 0

    def image_folder(self, part: str) -> str:
        """The folder of the images of a part; that of a dataset without parts is "train"."""
        return f"images/{_part(part)}"

    def add(self, part: str, image: LabeledImage) -> None:
        """Write the label file of an image, an empty one for an image without objects."""
        truth = image.without_crowds()
        height, width = image.size_hw
        left, top, right, bottom = truth.boxes_xyxy.T
        boxes = np.stack(
            ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height),
            axis=1,
        )
        rows = []
        polygons, reduced = outlines(truth)
        self.reduced += reduced
        for class_id, box, points in zip(truth.class_ids.tolist(), boxes, polygons, strict=True):
            numbers = box if points is None else fractions(points, image.size_hw).reshape(-1)
            rows.append(" ".join(map(str, [class_id, *shortest(numbers)])))
        before, _, below = f"/{self.image_folder(part)}/{image.stem}".rpartition("/images/")  # as readers find it
        self._folder.write(f"{before}/labels/{below}.txt", to_bytes("".join(f"{row}\n" for row in rows)))

    def finish(self) -> None:
        """Write data.yaml."""
        document = {
            **{_part(part): f"images/{_part(part)}" for part in self._parts},
            "names": dict(enumerate(unique_names(self._labels.names))),
        }
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        self._folder.write(self.last, text.encode("utf-8", "replace"))


def _part(part: str) -> str:
    return "train" if part == WHOLE else part
