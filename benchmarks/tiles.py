"""Compares `--tile` with SAHI (slicing aided hyper inference, Akyon et al. 2022): recall, precision and images per second.

    python benchmarks/tiles.py --sahi path/to/site-packages
    python benchmarks/tiles.py --size 12000x9000 --images 1 --tile 256

Drawn images are pasted side by side into large ones, so every object is known. Both programs use the same model and
runtime, tiles, overlap, threshold and whole-image pass, in one process, in turns for each image, another one first each time:

    detcli       tiles in batches of the detector, `merge_tiles`
    SAHI         `get_sliced_prediction` with its defaults: GREEDYNMM, IOS 0.5, one slice after the other
    SAHI, batch  the same with slices in batches of the same size

An object is found by a box of its class with an IoU above 0.5; each box finds one object. `--sahi` names a folder that is
searched for the package after all others, so that it needs no place in this environment; without the package, detcli is
measured alone.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from detcli.datasets.shapes import draw
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin, Pixels
from detcli.tracking.box_iou import pairwise_iou

CELL = 400  # pixels: no drawn image is larger
FOUND_IOU = 0.5


def paste(size_hw: tuple[int, int], seed: int, scale: float) -> tuple[Pixels, Detections]:
    """An image of drawn images, and the objects that are whole in it."""
    from PIL import Image

    canvas = np.full((*size_hw, 3), 128, np.uint8)
    step, boxes, classes, number = round(CELL * scale), [], [], 0
    for top in range(0, size_hw[0] - step + 1, step):
        for left in range(0, size_hw[1] - step + 1, step):
            pixels, truth = draw(seed, number)
            number += 1
            height, width = (min(round(side * scale), step) for side in pixels.shape[:2])
            small = np.asarray(Image.fromarray(pixels).resize((width, height)))
            canvas[top : top + height, left : left + width] = small
            across, down = width / pixels.shape[1], height / pixels.shape[0]
            inside = np.asarray(truth.boxes_xyxy) * (across, down, across, down)
            boxes.append(inside + np.array((left, top, left, top)))
            classes.append(np.asarray(truth.class_ids))
    found = np.concatenate(boxes)
    return canvas, Detections(found, np.ones(len(found), np.float32), np.concatenate(classes))


def count_found(truth: Detections, found: Detections) -> int:
    """How many objects are found: pairs of object and box, the best overlap first."""
    overlaps = pairwise_iou(truth.boxes_xyxy, found.boxes_xyxy)
    overlaps = np.where(truth.class_ids[:, None] == found.class_ids, overlaps, 0)
    objects, boxes = np.nonzero(overlaps > FOUND_IOU)
    order = np.argsort(-overlaps[objects, boxes], kind="stable")
    used_objects: set[int] = set()
    used_boxes: set[int] = set()
    for one, other in zip(objects[order].tolist(), boxes[order].tolist(), strict=True):
        if one not in used_objects and other not in used_boxes:
            used_objects.add(one)
            used_boxes.add(other)
    return len(used_objects)


def sahi_predictor(detector: Detector, tile: int, overlap: float, *, batch: int) -> Callable[[Pixels], Detections]:
    """SAHI around the network of a detector without tiles."""
    from sahi.models.base import DetectionModel
    from sahi.predict import get_sliced_prediction
    from sahi.prediction import ObjectPrediction

    class SameNetwork(DetectionModel):  # type: ignore[misc]  # untyped package
        """Passes slices to the detector."""

        def load_model(self) -> None:
            self.model = detector

        def perform_inference(self, image: npt.NDArray[np.uint8]) -> None:
            self.perform_batch_inference([image])

        def perform_batch_inference(self, images: list[npt.NDArray[np.uint8]]) -> None:
            origin = Origin(0, "", "", "")
            self._original_predictions = detector.detect_frames(
                [Frame(origin, image.shape[:2], image) for image in images]
            )

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Any = None, full_shape_list: Any = None
        ) -> None:
            shifts = shift_amount_list if isinstance(shift_amount_list[0], list) else [shift_amount_list]
            shapes = full_shape_list if isinstance(full_shape_list[0], list) else [full_shape_list]
            self._object_prediction_list_per_image = [
                [
                    ObjectPrediction(
                        bbox=list(one.xyxy),
                        category_id=one.class_id,
                        category_name=one.label,
                        score=one.score,
                        shift_amount=shift,
                        full_shape=shape,
                    )
                    for one in found
                ]
                for found, shift, shape in zip(self._original_predictions, shifts, shapes, strict=True)
            ]

    model = SameNetwork(confidence_threshold=detector.threshold, device="cpu")

    def predict(pixels: Pixels) -> Detections:
        result = get_sliced_prediction(
            pixels,
            model,
            slice_height=tile,
            slice_width=tile,
            overlap_height_ratio=overlap,
            overlap_width_ratio=overlap,
            batch_size=batch,
            verbose=0,
        ).object_prediction_list
        boxes = np.array([one.bbox.to_xyxy() for one in result], np.float64).reshape(-1, 4)
        ids = np.array([one.category.id for one in result], np.int64)
        return Detections(boxes, np.array([one.score.value for one in result], np.float32), ids)

    return predict


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2400x1600", help="width and height of the images")
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--model", default="shapes")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--overlap", type=float, default=0.2)
    parser.add_argument("--scale", type=float, default=0.5, help="of the drawn images")
    parser.add_argument("--threshold", type=float, default=0.4)
    parser.add_argument("--sahi", help="folder with the package sahi, where it is not installed")
    given = parser.parse_args()
    if given.sahi is not None:
        sys.path.append(given.sahi)
    width, height = map(int, given.size.split("x"))
    settings = {"threshold": given.threshold, "batch_size": given.batch, "device": given.device}
    plain = load_detector(given.model, runtime=given.runtime, **settings)
    tiles = {"tile": given.tile, "tile_overlap": given.overlap, "tile_and_full": True}
    tiled = load_detector(given.model, runtime=given.runtime, **settings, **tiles)
    programs: dict[str, Callable[[Pixels], Detections]] = {"detcli": tiled}
    if find_spec("sahi") is not None:
        for name, batch in (("SAHI", 1), ("SAHI, batch", plain.batch_size)):
            programs[name] = sahi_predictor(plain, given.tile, given.overlap, batch=batch)
    compare(programs, (height, width), given.images, given.scale)


def compare(
    programs: dict[str, Callable[[Pixels], Detections]], size_hw: tuple[int, int], images: int, scale: float
) -> None:
    """Print recall, precision and speed of each program, over the same images in turns."""
    for program in programs.values():
        program(paste((600, 900), 99, scale)[0])  # starts the runtime
    seconds, cpu = dict.fromkeys(programs, 0.0), dict.fromkeys(programs, 0.0)
    found, boxes, objects = dict.fromkeys(programs, 0), dict.fromkeys(programs, 0), 0
    for seed in range(images):
        pixels, truth = paste(size_hw, seed, scale)
        objects += len(truth)
        names = list(programs)
        for name in names[seed % len(names) :] + names[: seed % len(names)]:
            started, cpu_started = time.perf_counter(), time.process_time()
            result = programs[name](pixels)
            seconds[name] += time.perf_counter() - started
            cpu[name] += time.process_time() - cpu_started
            found[name] += count_found(truth, result)
            boxes[name] += len(result)
    print(f"{images} images of {size_hw[1]} x {size_hw[0]}, {objects:,} objects")
    print(f"{'':12} recall  precision  images/s  seconds / detcli's  CPU seconds / detcli's")
    for name in programs:
        print(
            f"{name:12} {found[name] / objects:6.3f}  {found[name] / max(1, boxes[name]):9.3f}"
            f"  {images / seconds[name]:8.3f}  {seconds[name] / seconds['detcli']:18.2f}  {cpu[name] / cpu['detcli']:22.2f}"
        )


if __name__ == "__main__":
    main()
