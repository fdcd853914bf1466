"""Small images of colored rectangles with their ground truth, and jobs to learn them; runs in a process of its own too.

python training_jobs.py FOLDER '{"recipe": {…}, "resume": true, "kill_at": 5}'
"""

import itertools
import json
import os
import signal
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.dataset import DatasetSummary
from detcli.models.family import family_of
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_events import Event, TrainingStep
from detcli.training.training_job import TrainingJob

COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}
LABELS = ClassLabels(tuple(COLORS), (1, 2, 3))


class Rectangles:
    """Each image has one or two rectangles, whose color is their class, on gray noise."""

    def __init__(
        self,
        count: int,
        *,
        seed: int = 0,
        size_hw: tuple[int, int] = (64, 64),
        broken: Collection[int] = (),
        empty: Collection[int] = (),
        labels: ClassLabels = LABELS,
        backwards: bool = False,
    ) -> None:
        self.labels, self._broken = labels, broken
        random = np.random.default_rng(seed)
        self._pixels, self._ground_truth = [], []
        for index in range(count):
            pixels, ground_truth = _image(random, size_hw)
            self._pixels.append(pixels)
            self._ground_truth.append(GroundTruth.empty() if index in empty else ground_truth)
        self._names = [f"{index}.png" for index in range(count)]
        if backwards:
            self._pixels.reverse()
            self._ground_truth.reverse()
            self._names.reverse()

    def replace(self, index: int, by: int) -> None:
        """Make one image a copy of another."""
        self._pixels[index], self._ground_truth[index] = self._pixels[by], self._ground_truth[by]

    @property
    def report(self) -> DatasetSummary:
        ids = np.concatenate([ground_truth.class_ids for ground_truth in self._ground_truth])
        boxes_of = {name: int((ids == index).sum()) for index, name in enumerate(self.labels.names)}
        return DatasetSummary("rectangles", len(self), len(ids), boxes_of, 0, 0, ())

    def __len__(self) -> int:
        return len(self._pixels)

    def origin(self, index: int) -> Origin:
        return Origin(index, self._names[index], self._names[index], str(index))

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        from PIL import Image

        origin = self.origin(index)
        if index in self._broken:
            return FailedFrame(origin, "truncated", "truncated after 3 bytes")
        pixels = self._pixels[index]
        frame = Frame(origin, pixels.shape[:2], pixels)
        if resize is None:
            return frame
        return replace(frame, pixels=None, prepared=resize(Image.fromarray(pixels)))

    def stored_bytes(self, index: int) -> None:
        return None

    def size_hw(self, index: int) -> tuple[int, int]:
        height, width = self._pixels[index].shape[:2]
        return height, width

    def ground_truth(self, index: int) -> GroundTruth:
        return self._ground_truth[index]

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        return self._ground_truth[index].class_ids

    def image_id(self, index: int) -> int:
        return index + 1

    def annotations(self) -> dict[str, Any]:
        images = [
            {"id": i + 1, "file_name": f"{i}.png", "height": p.shape[0], "width": p.shape[1]}
            for i, p in enumerate(self._pixels)
        ]
        boxes = [
            (index + 1, self.labels.category_ids[class_id], box)
            for index, ground_truth in enumerate(self._ground_truth)
            for class_id, box in zip(ground_truth.class_ids.tolist(), ground_truth.boxes_xyxy.tolist(), strict=True)
        ]
        annotations = [
            {
                "id": number + 1, "image_id": image, "category_id": category, "iscrowd": 0,
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
            }
            for number, (image, category, (x1, y1, x2, y2)) in enumerate(boxes)
        ]  # fmt: skip
        categories = [
            {"id": i, "name": name} for i, name in zip(self.labels.category_ids, self.labels.names, strict=True)
        ]
        return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def _image(random: np.random.Generator, size_hw: tuple[int, int]) -> tuple[np.ndarray, GroundTruth]:
    height, width = size_hw
    pixels = random.integers(90, 130, (height, width, 3)).astype(np.uint8)
    boxes, class_ids = [], []
    halves = [(0, width // 2), (width // 2, width)]
    for left, right in halves[: int(random.integers(1, 3))]:
        x1, y1 = int(random.integers(left, left + 6)), int(random.integers(0, height // 3))
        x2, y2 = int(random.integers(right - 8, right)), int(random.integers(height // 2, height))
        class_id = int(random.integers(3))
        pixels[y1:y2, x1:x2] = list(COLORS.values())[class_id]
        boxes.append([x1, y1, x2, y2])
        class_ids.append(class_id)
    count = len(boxes)
    return pixels, GroundTruth(np.array(boxes, np.float64), np.array(class_ids, np.int64), np.zeros(count, np.bool_))


PREPROCESSOR = {
    "image_processor_type": "RTDetrImageProcessor", "do_resize": True, "size": {"height": 640, "width": 640},
    "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": False, "do_pad": False,
}  # fmt: skip

QUICK = {
    "epochs": 3, "batch": 4, "base_batch": 4, "lr": 1e-3, "backbone_lr": 1e-3, "stop_augmentation_epoch": 2,
    "ema_decay": 0.9, "ema_warmup_steps": 4, "ema_restart_decay": 0.8, "image_size": [64, 64],
    "multi_scale_repeat": 1, "log_every_steps": 2, "network": {"freeze_backbone_batch_norms": False},
}  # fmt: skip


def quick_recipe(**changes: Any) -> Recipe:
    """Three epochs, the last of them without augmentation."""
    return Recipe().merged({**QUICK, **changes})


def job(
    run: Path, recipe: Recipe | None = None, *, count: int = 10, val: int | None = 4, fresh: bool = False, **more: Any
) -> TrainingJob:
    """A job to learn rectangles with a tiny D-FINE, its weights seeded.

    fresh  as a new network has them; else every number is drawn
    """
    import torch

    from tests.helpers.dfine_samples import random_network, tiny_json

    recipe = recipe or quick_recipe()
    data = more.pop("data", None) or Rectangles(count)
    names = {str(index): name for index, name in enumerate(data.labels.names)}
    document = {**tiny_json(num_denoising=6), "id2label": names, **recipe.network}
    family = family_of(document)
    config = family.read_config(document)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = (family.build(config) if fresh else random_network(config)).state_dict()
    return TrainingJob(
        **{
            "recipe": recipe, "family": family, "config": config, "state": state,
            "preprocessor": PREPROCESSOR,
            "data": data, "val": Rectangles(val, seed=1, labels=data.labels) if val else None,
            "run": run, "device": "cpu", "workers": 2, **more,
        }
    )  # fmt: skip


def overflowing_family(first: int) -> Any:
    """D-FINE whose losses overflow from a call of the criterion on, counted from 0."""
    from detcli.models.dfine import DFineFamily

    class Overflowing(DFineFamily):
        def criterion(self, config: Any) -> Any:
            plain, calls = super().criterion(config), itertools.count()

            def losses(outputs: Any, targets: Any) -> dict[str, Any]:
                factor = 1e38 if next(calls) >= first else 1.0
                return {name: loss * factor for name, loss in plain(outputs, targets).items()}

            return losses

    return Overflowing()


def scripted_family(losses: Sequence[float]) -> Any:
    """D-FINE whose criterion gives these losses, one for each call, whatever the network predicts."""
    from detcli.models.dfine import DFineFamily

    class Scripted(DFineFamily):
        def criterion(self, config: Any) -> Any:
            plain, left = super().criterion(config), iter(losses)

            def scripted(outputs: Any, targets: Any) -> dict[str, Any]:
                zero = sum(loss * 0.0 for loss in plain(outputs, targets).values())
                return {"loss": zero + next(left)}

            return scripted

    return Scripted()


def main() -> None:
    """Run a job.

    kill_at        this process dies as by SIGKILL after so many steps
    overflow_rank  in the process of this rank, losses overflow from the second step on
    """
    from detcli.training.training_loop import train

    asked = json.loads(sys.argv[2])
    steps = 0

    def watch(event: Event) -> None:
        nonlocal steps
        steps += isinstance(event, TrainingStep)
        if steps == asked.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    recipe = quick_recipe(**asked.get("recipe", {}))
    more = {name: value for name, value in asked.items() if name in ("resume", "val", "fresh", "count", "log_to")}
    if "overflow_rank" in asked and os.environ.get("RANK") == asked["overflow_rank"]:
        more["family"] = overflowing_family(1)
    train(job(Path(sys.argv[1]), recipe, **more), observer=watch)


if __name__ == "__main__":
    main()
