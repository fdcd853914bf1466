"""Ground truth and results with masks: blobs, crowds, polygons and runs."""

from typing import Any

import numpy as np

from detcli.structures.masks import Rle

SIZE = (60, 80)


def blob(rng: np.random.Generator, center: np.ndarray, reach: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    stretch = rng.uniform(0.5, 1.5)
    return ((rows - center[0]) * stretch) ** 2 + (columns - center[1]) ** 2 < reach**2


def random_data(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Blobs in six images as runs or polygons, some of them crowds, and results moved a little."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id in range(1, 7):
        for _ in range(5):
            center, reach = rng.random(2) * SIZE, rng.uniform(5, 25)
            category = int(rng.integers(1, 4))
            mask = Rle.of(blob(rng, center, reach))
            if not mask.area:
                continue
            left, top, right, bottom = mask.box_xyxy
            segmentation: Any = mask.as_json()
            if rng.random() < 0.3:
                segmentation = [[left, top, right, top, right, bottom, left, bottom]]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image_id, "category_id": category, "area": mask.area,
                 "bbox": [left, top, right - left, bottom - top], "iscrowd": int(rng.random() < 0.1),
                 "segmentation": segmentation}
            )  # fmt: skip
            for _ in range(int(rng.integers(0, 3))):
                found = Rle.of(blob(rng, center + rng.normal(0, 3, 2), reach * rng.uniform(0.7, 1.3)))
                left, top, right, bottom = found.box_xyxy
                if found.area:
                    results.append(
                        {"image_id": image_id, "category_id": category, "score": round(float(rng.random()), 2),
                         "bbox": [left, top, right - left, bottom - top], "segmentation": found.as_json()}
                    )  # fmt: skip
    ground_truth = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in range(1, 7)],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"thing {i}"} for i in range(1, 4)],
    }
    return ground_truth, results
