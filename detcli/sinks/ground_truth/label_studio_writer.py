"""Label Studio: a JSON list of tasks for each part, with annotations as people make them, and `images/PART/…`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from detcli.io.results.label_studio_names import BOX_TYPE, FROM_NAME, LOCAL_FILES, POLYGON_TYPE, TO_NAME
from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.ground_truth.dataset_writer import WHOLE, LabeledImage, fractions, outlines
from detcli.structures.class_labels import ClassLabels
from detcli.structures.float_text import shortest
from detcli.structures.json_records import json_line


class LabelStudioWriter:
    """Boxes and polygons in percent of the image; there are no crowds. The tasks of a part are kept in memory."""

    keeps_crowds = False
    keeps_boxes = False
    unique_stems = False
    one_folder = False
    spaces = True

    def __init__(self, folder: OutputFolder, labels: ClassLabels, parts: Sequence[str]) -> None:
        self._folder, self._names = folder, labels.names
        self.reduced = 0
        self._tasks: dict[str, list[bytes]] = {part: [] for part in parts}
        self.last = _file_of(parts[-1])

    def image_folder(self, part: str) -> str:
        """The folder of the images of a part."""
        return "images" if part == WHOLE else f"images/{part}"

    def add(self, part: str, image: LabeledImage) -> None:
        """Add the task of an image."""
        truth, (height, width) = image.without_crowds(), image.size_hw
        corners = truth.boxes_xyxy / np.array([width, height, width, height]) * 100
        percents = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
        results = []
        polygons, reduced = outlines(truth)
        self.reduced += reduced
        rows = zip(truth.class_ids.tolist(), percents, polygons, strict=True)
        for number, (class_id, box, points) in enumerate(rows, 1):
            kind = BOX_TYPE if points is None else POLYGON_TYPE
            if points is None:
                value: dict[str, Any] = dict(zip(("x", "y", "width", "height"), shortest(box), strict=True))
                value["rotation"] = 0
            else:
                flat = shortest(fractions(points, image.size_hw).reshape(-1) * 100)
                value = {"points": [flat[at : at + 2] for at in range(0, len(flat), 2)], "closed": True}
            results.append(
                {
                    "id": str(number),
                    "type": kind,
                    "from_name": FROM_NAME,
                    "to_name": TO_NAME,
                    "original_width": width,
                    "original_height": height,
                    "image_rotation": 0,
                    "value": value | {kind: [self._names[class_id]]},
                }
            )
        name = LOCAL_FILES + quote(f"{self.image_folder(part)}/{image.name}", errors="surrogateescape")
        data = {"image": name, "width": width, "height": height}
        self._tasks[part].append(json_line({"data": data, "annotations": [{"result": results}]}).rstrip())

    def finish(self) -> None:
        """Write the tasks of each part."""
        for part, tasks in self._tasks.items():
            self._folder.write(_file_of(part), b"[\n" + b",\n".join(tasks) + b"\n]\n")


def _file_of(part: str) -> str:
    return "tasks.json" if part == WHOLE else f"{part}.json"
