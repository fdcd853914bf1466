"""A dataset held in memory and a detector that knows its ground truth: what an evaluation needs, and no more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detcli.datasets.dataset import DatasetSummary
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth

SIZE_HW = (48, 64)
BOX = (4.0, 6.0, 30.0, 40.0)


@dataclass
class MemoryDataset:
    """Gray images, one box in each; classes take turns; image ids from 100."""

    labels: ClassLabels
    count: int = 6
    unreadable: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    reads: list[int] = field(default_factory=list)

    @property
    def report(self) -> DatasetSummary:
        return DatasetSummary("memory", self.count, self.count, {}, 0, 0, ())

    def __len__(self) -> int:
        return self.count

    def origin(self, index: int) -> Origin:
        return Origin(index, f"in/{index}.png", f"{index}.png", str(index))

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        self.reads.append(index)
        origin = self.origin(index)
        if index in self.unreadable:
            return FailedFrame(origin, "truncated", "truncated after 8 bytes")
        pixels = np.full((*SIZE_HW, 3), index % 200, np.uint8)
        if resize is not None:
            return Frame(origin, SIZE_HW, None, prepared=resize(Image.fromarray(pixels)))
        return Frame(origin, SIZE_HW, pixels)

    def stored_bytes(self, index: int) -> None:
        return None

    def size_hw(self, index: int) -> tuple[int, int]:
        return SIZE_HW

    def ground_truth(self, index: int) -> GroundTruth:
        return GroundTruth(np.array([BOX]), np.array([index % len(self.labels)]), np.array([False]))

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        return self.ground_truth(index).class_ids

    def image_id(self, index: int) -> int:
        return 100 + index

    def annotations(self) -> dict[str, Any]:
        left, top, right, bottom = BOX
        known = [i for i in range(self.count) if i not in self.left_out]
        return {
            "info": {},
            "images": [{"id": 100 + i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in known],
            "annotations": [
                {
                    "id": i + 1,
                    "image_id": 100 + i,
                    "category_id": self.labels.category_ids[i % len(self.labels)],
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                }
                for i in known
            ],
            "categories": [
                {"id": i, "name": name} for name, i in zip(self.labels.names, self.labels.category_ids, strict=True)
            ],
        }


@dataclass
class KnowingDetector:
    """Finds the box of each image of a dataset, of the class that its own labels call so, else of its last."""

    labels: ClassLabels
    dataset: MemoryDataset
    threshold: float = 0.0
    batch_size: int = 4
    deterministic: bool = False
    batches_in_flight: int = 1
    remarks: tuple[str, ...] = ()

    @property
    def look_ahead(self) -> int:
        return self.batch_size

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        return list(range(len(frames)))

    def resize(self, image: Image.Image) -> Any:
        return np.asarray(image.resize((8, 8)))

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        return frame

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        return [frame if isinstance(frame, FailedFrame) else self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> Detections:
        assert frame.prepared is not None
        index = frame.origin.index
        name = self.dataset.labels.names[index % len(self.dataset.labels)].casefold()
        mine = [own.casefold() for own in self.labels.names]
        class_id = mine.index(name) if name in mine else len(mine) - 1
        return Detections(np.array([BOX]), np.array([0.9], np.float32), np.array([class_id]))


@pytest.fixture
def dataset() -> Callable[..., MemoryDataset]:
    """Make a dataset of cats and dogs whose category ids have holes."""

    def make(**others: Any) -> MemoryDataset:
        return MemoryDataset(ClassLabels(("cat", "dog"), (17, 18)), **others)

    return make


@pytest.fixture
def detector() -> Callable[..., Any]:
    """Make a detector of given labels, in another order than the data's."""

    def make(dataset: MemoryDataset, names: tuple[str, ...] = ("person", "Dog", "CAT"), **others: Any) -> Any:
        return KnowingDetector(ClassLabels.from_names(names), dataset, **others)

    return make
