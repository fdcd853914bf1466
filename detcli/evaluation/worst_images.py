"""The images with the most mistakes, drawn: the ground truth and what was found, each mistake in its own color."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from detcli.evaluation.box_matching import BoxMatches
from detcli.io.atomic_write import write_atomically
from detcli.io.output_paths import path_below
from detcli.sinks.images.encode_image import encode, encode_png
from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.draw import DrawnBox, draw_boxes, line_width
from detcli.visualization.drawing_style import DrawingStyle

TRUE_POSITIVE: Color = (60, 185, 85)
FALSE_NEGATIVE: Color = (60, 130, 255)
FALSE_POSITIVE: Color = (235, 55, 50)
MISCLASSIFIED: Color = (255, 160, 20)
GROUND_TRUTH: Color = (255, 255, 255)

LEGEND = "green: found, blue: missed, red: nothing is there, orange: taken for another class, white: the ground truth"


def worst_images(comparisons: Iterable[BoxMatches], count: int) -> list[BoxMatches]:
    """So many images with the most mistakes, the worst first; those without a mistake are never among them."""
    wrong = [image for image in comparisons if image.mistakes]
    return sorted(wrong, key=lambda image: -image.mistakes)[:count]


def draw_worst_images(
    images: Sequence[BoxMatches],
    folder: Path,
    names: Mapping[int, str],
    categories: Mapping[int, str],
    read: Callable[[int], Pixels | None],
) -> int:
    """Draw images into `folder/01-name.jpg`, …; returns how many could be.

    names       file name by image id
    categories  name by category id
    read        pixels by image id, or None where they are not at hand
    """
    drawn = 0
    for rank, image in enumerate(images, 1):
        pixels = read(image.image_id)
        if pixels is None:
            continue
        canvas = draw_mistakes(pixels, image, categories)
        data = encode(canvas, "JPEG")
        suffix = "png" if data is None else "jpg"
        stem = PurePosixPath(names[image.image_id]).stem
        name = f"{rank:0{len(str(len(images)))}d}-{stem}.{suffix}"
        write_atomically(path_below(folder, name), data or encode_png(canvas), durable=False)
        drawn += 1
    return drawn


def draw_mistakes(pixels: Pixels, image: BoxMatches, categories: Mapping[int, str]) -> Pixels:
    """A copy of the image with its truths, thin and white, under what was found and missed."""
    found = ~image.false_negatives
    ground_truth = [DrawnBox(box, GROUND_TRUTH, "") for box in image.ground_truth_boxes[found]]
    thin = max(1, line_width(pixels.shape[:2]) // 2)
    canvas = draw_boxes(pixels, ground_truth, DrawingStyle(line_width=thin, hide_labels=True))
    return draw_boxes(canvas, list(_inked(image, categories)))


def _inked(image: BoxMatches, categories: Mapping[int, str]) -> Iterator[DrawnBox]:
    """Mistakes first, which lie on top."""
    ground_truth_category_ids, category_ids = image.ground_truth_category_ids.tolist(), image.category_ids.tolist()
    for box, category_id in zip(
        image.ground_truth_boxes[image.false_negatives],
        image.ground_truth_category_ids[image.false_negatives],
        strict=True,
    ):
        yield DrawnBox(box, FALSE_NEGATIVE, f"missed {categories[int(category_id)]}")
    found = list(zip(image.boxes, category_ids, image.scores.tolist(), image.ground_truth_index.tolist(), strict=True))
    kinds = {
        MISCLASSIFIED: image.misclassified,
        FALSE_POSITIVE: image.false_positives,
        TRUE_POSITIVE: image.true_positives,
    }
    for ink, mask in kinds.items():
        for (box, category_id, score, truth), chosen in zip(found, mask.tolist(), strict=True):
            if chosen:
                name = categories[category_id]
                if ink == MISCLASSIFIED:
                    name += f", truly {categories[ground_truth_category_ids[truth]]}"
                yield DrawnBox(box, ink, name, f"{score:.2f}")
