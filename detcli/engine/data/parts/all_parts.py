"""The parts of a dataset that is rewritten as a whole: those that training uses, and a part for testing next to them."""

import os
import re
from pathlib import Path

from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.engine.data.data_parts import WantedPart, wanted_parts
from detcli.engine.data.data_request import DataRequest
from detcli.inspection.findings import DataPart

TEST = "test"
_FILES = (
    ("annotations", r"(instances|panoptic)_test\d*\.json|test\.json"),
    (".", r"(instances|panoptic)_test\d*\.json|test\.json"),
    ("test", r"_annotations\.coco\.json"),
    ("ImageSets/Main", r"test\.txt"),
)


def all_parts(data: str, images: Path | None, part: str | None) -> list[WantedPart]:
    """The parts to write: at least one. Raises NoDataError if there is no dataset."""
    request = DataRequest(data=data, images=images, part=part)  # type: ignore[arg-type]  # it is checked there
    parts = wanted_parts(request)
    test = None if part is not None else _annotations_of_test(data)
    if test is not None and parts[0].name != "data":
        parts.append(WantedPart(TEST, str(test), "val", images))
    return parts


def _annotations_of_test(data: str) -> Path | None:
    """The annotations of the part for testing of a folder, if they are a file that can be opened by itself."""
    for folder, name in _FILES:
        try:
            found = sorted(entry for entry in os.listdir(Path(data) / folder) if re.fullmatch(name, entry))  # noqa: PTH208
        except OSError:
            continue
        if found:
            return Path(data) / folder / found[0]
    return None


def usable_images(part: DataPart) -> list[int]:
    """Indices of the images of a known size that is that of their annotations."""
    dataset = part.dataset
    return [
        index
        for index in range(len(dataset))
        if dataset.size_hw(index) is not None
        and (not isinstance(dataset, AnnotatedImages) or dataset.is_of_annotated_size(index))
    ]
