"""Ground truth and results with any number of classes, sizes and scores, and every kind of mistake."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def scene(names: Sequence[str], *, images: int = 60, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """COCO annotations and results: most objects are detected, some missed, some confused with the next class."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id in range(1, images + 1):
        for _ in range(int(rng.integers(1, 7))):
            category = int(rng.integers(len(names)))
            left, top, width, height = rng.uniform((0, 0, 30, 30), (400, 300, 200, 150)).tolist()
            annotations.append(_annotation(len(annotations) + 1, image_id, category + 1, [left, top, width, height]))
            if rng.random() < 0.8:
                shift_x, shift_y = (rng.normal(0, 0.08, 2) * (width, height)).tolist()
                predicted = (category + int(rng.random() < 0.15)) % len(names)
                box = [left + shift_x, top + shift_y, width, height]
                results.append(_result(image_id, predicted + 1, box, float(rng.beta(4, 2))))
        if rng.random() < 0.4:
            box = rng.uniform((0, 0, 20, 20), (400, 300, 150, 100)).tolist()
            results.append(_result(image_id, int(rng.integers(len(names))) + 1, box, float(rng.beta(2, 3))))
    document = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
    }
    return document, results


def _annotation(number: int, image_id: int, category_id: int, bbox: list[float]) -> dict[str, Any]:
    area = bbox[2] * bbox[3]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "area": area,
        "iscrowd": 0,
    }


def _result(image_id: int, category_id: int, bbox: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}


def random_data(seed: int, *, images: int = 30, classes: int = 7) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ground truth of all sizes, some crowds, areas that are not width times height, empty images, ids with holes; and
    results near them, some of another class, some of nothing, with scores that repeat."""
    rng = np.random.default_rng(seed)
    category_ids = np.sort(rng.choice(np.arange(1, 3 * classes), classes, replace=False)).tolist()
    image_ids = rng.choice(10_000, images, replace=False).tolist()
    annotations, results = [], []
    for image_id in image_ids:
        for _ in range(int(rng.integers(0, 9)) if rng.random() > 0.2 else 0):
            size = np.exp(rng.uniform(np.log(5), np.log(300), 2))
            box = np.concatenate([rng.uniform(0, 400, 2), size])
            category_id = int(rng.choice(category_ids[:-1]))  # one category has no ground truth
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": box.tolist(),
                    "area": float(size.prod() * rng.uniform(0.3, 1)),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            for _ in range(int(rng.integers(0, 4))):
                near = box + rng.normal(0, 0.06, 4) * np.tile(size, 2)
                near[2:] = np.maximum(near[2:], 1)
                other = rng.random() < 0.1
                results.append(result(image_id, int(rng.choice(category_ids)) if other else category_id, near, rng))
        for _ in range(int(rng.integers(0, 130)) if rng.random() < 0.2 else 2):
            box = np.concatenate([rng.uniform(0, 400, 2), rng.uniform(1, 200, 2)])
            results.append(result(image_id, int(rng.choice(category_ids)), box, rng))
    truth = {
        "info": {},
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 700, "height": 700} for i in image_ids],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"thing {i}"} for i in category_ids],
    }
    order = rng.permutation(len(results))
    return truth, [results[i] for i in order]


def result(image_id: int, category_id: int, box: Any, rng: np.random.Generator) -> dict[str, Any]:
    score = float(np.round(rng.random(), 2))
    return {"image_id": image_id, "category_id": category_id, "bbox": np.asarray(box).tolist(), "score": score}
