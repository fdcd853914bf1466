"""The dataset of synthetic images, with a training and a validation part."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.dataset import DatasetSummary, Part
from detcli.datasets.instance_masks import MaskUse
from detcli.datasets.shapes.render import paint, visible_masks
from detcli.datasets.shapes.scene_layout import CLASSES, VERSION, SceneLayout, lay_out
from detcli.errors import DataError, NoDataError, UsageError
from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations
from detcli.opencv import load_opencv
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed

_NEEDED_FOR = "the synthetic images (shapes) need"
_SEEDS: dict[Part, int] = {"train": 0, "val": 1}
_COUNTS: dict[Part, int] = {"train": 10_000, "val": 1_000}  # there is no part for testing
_MAX_COUNTED = 2_000  # layouts in a second or two


def draw(
    seed: int, index: int, *, part: Part = "val", size_hw: tuple[int, int] | None = None
) -> tuple[Pixels, GroundTruth]:
    """Image `index` of a seed, uint8 [H, W, 3] RGB, and its ground truth with class ids by `CLASSES`.

    size_hw  None: the size in the dataset; any other size changes layout and pixels

    Raises UsageError without OpenCV.
    """
    load_opencv(_NEEDED_FOR)
    layout = lay_out(derive_seed(seed, part), index, size_hw)
    return paint(layout), layout.ground_truth()


class ShapesDataset:
    """Synthetic images of one seed. An image depends only on seed, part and index.

    where    "shapes", "shapes:SEED" or "shapes:SEED:COUNT"; default SEED is 0 for training and 1 for validation,
             default COUNT 10,000 and 1,000
    part     "train" and "val" have no image in common, for any seeds
    images   must be None: there are no files
    classes  class names that the shapes are mapped to, in any order, possibly more
    masks    the ground truth has masks: the visible part of each shape

    Raises UsageError for an invalid `where`, for `images`, and without OpenCV; and DataError if `classes` lacks a shape.
    """

    def __init__(
        self,
        where: str = "shapes",
        *,
        part: Part = "train",
        images: Path | None = None,
        classes: tuple[str, ...] | None = None,
        masks: MaskUse = False,
    ) -> None:
        self.seed, self._count = _parse(where, part)
        load_opencv(_NEEDED_FOR)
        if images is not None:
            raise UsageError(f"'{where}' is synthetic and has no image folder; omit `images` ('{images}')")
        self._name = f"shapes:{self.seed}:{self._count}"
        self._part = part
        self._masks = bool(masks)
        self._key = derive_seed(self.seed, part)
        self._labels, self._class_ids = _map_classes(classes)

    @property
    def labels(self) -> ClassLabels:
        """Classes in the order of their index."""
        return self._labels

    @cached_property
    def report(self) -> DatasetSummary:
        """Counts of the first 2,000 images; for more images an estimate, which an issue reports."""
        counted = min(len(self), _MAX_COUNTED)
        counts = [
            np.bincount(self.ground_truth(index).class_ids, minlength=len(self.labels)) for index in range(counted)
        ]
        factor = len(self) / counted
        of_class = np.rint(np.sum(counts, axis=0) * factor).astype(int)
        estimated = f"boxes are estimated from the first {counted:,} images: all have the same distribution"
        return DatasetSummary(
            name=self._name,
            images=len(self),
            boxes=int(of_class.sum()),
            boxes_of=dict(zip(self.labels.names, of_class.tolist(), strict=True)),
            empty=round(sum(not count.any() for count in counts) * factor),
            crowd=0,
            issues=(estimated,) if factor > 1 else (),
        )

    def __len__(self) -> int:
        return self._count

    def origin(self, index: int) -> Origin:
        """The names of an image, which is in no file."""
        checked = self._checked(index)
        return Origin(checked, f"{self._name}#{checked}", f"{checked:06}.png", f"{checked:06}")

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """Render an image; with `resize`, the frame has only the resized pixels."""
        layout = lay_out(self._key, self._checked(index))
        pixels, origin = paint(layout), self.origin(index)
        if resize is not None:
            return Frame(origin, layout.size_hw, None, resize(Image.fromarray(pixels)))
        return Frame(origin, layout.size_hw, pixels)

    def stored_bytes(self, index: int) -> None:
        """None: images are rendered."""

    def size_hw(self, index: int) -> tuple[int, int]:
        """Height and width of the image."""
        return lay_out(self._key, self._checked(index)).size_hw

    def ground_truth(self, index: int) -> GroundTruth:
        """The boxes, and masks if requested, without rendering the image."""
        return self._ground_truth_of(lay_out(self._key, self._checked(index)))

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        """The class id of each box of an image."""
        return self._class_ids[lay_out(self._key, self._checked(index)).ground_truth().class_ids]

    def image_id(self, index: int) -> int:
        """The index + 1."""
        return index + 1

    def annotations(self) -> dict[str, Any]:
        """The ground truth of all images as COCO annotations; areas are those of masks, or of boxes without masks."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(len(self)):
            layout, image_id = lay_out(self._key, index), self.image_id(index)
            images.append(coco_image(image_id, self.origin(index).relative, size_hw=layout.size_hw))
            ground_truth = self._ground_truth_of(layout)
            areas = (
                None if ground_truth.masks is None else np.array([mask.area for mask in ground_truth.masks], np.float64)
            )
            annotations += ground_truth_annotations(
                ground_truth, self.labels, image_id=image_id, first_id=len(annotations) + 1, areas=areas
            )
        info = {"description": f"{self._name}, part {self._part}, version {VERSION} of the drawing"}
        categories = coco_categories(self.labels)
        return {"info": info, "images": images, "annotations": annotations, "categories": categories}

    def _ground_truth_of(self, layout: SceneLayout) -> GroundTruth:
        own = layout.ground_truth()
        masks = visible_masks(layout) if self._masks else None
        return GroundTruth(own.boxes_xyxy, self._class_ids[own.class_ids], own.crowd, masks)

    def _checked(self, index: int) -> int:
        if not 0 <= index < self._count:
            raise IndexError(f"image {index} of {self._count}")
        return index


def _parse(where: str, part: Part) -> tuple[int, int]:
    """Parse seed and number of images. Raises UsageError, and NoDataError for a part that there is not."""
    if part not in _SEEDS:
        raise NoDataError(f"'{where}' has no part '{part}': it has train and val")
    name, *numbers = where.split(":")
    well_formed = name == "shapes" and len(numbers) <= 2 and all(n.isascii() and n.isdigit() for n in numbers)
    if not well_formed or (numbers[1:] and int(numbers[1]) == 0):
        raise UsageError(
            f"'{where}' is not a synthetic dataset: use 'shapes', 'shapes:SEED' or 'shapes:SEED:COUNT' with integers and "
            "COUNT at least 1, such as 'shapes:1:1000'"
        )
    seed = int(numbers[0]) if numbers else _SEEDS[part]
    return seed, int(numbers[1]) if numbers[1:] else _COUNTS[part]


def _map_classes(classes: tuple[str, ...] | None) -> tuple[ClassLabels, np.ndarray[Any, np.dtype[np.int64]]]:
    """Labels in the order of `classes`, and the class id there of each shape."""
    names = CLASSES if classes is None else classes
    missing = [name for name in CLASSES if name not in names]
    if missing:
        raise DataError(
            f"the synthetic images have {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not among the "
            f"classes {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
        )
    return ClassLabels.from_names(names), np.array([names.index(name) for name in CLASSES], np.int64)
