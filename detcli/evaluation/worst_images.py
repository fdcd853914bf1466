"""Draws the images with the most mistakes: ground truth and detections, one color per kind of mistake."""

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

LEGEND = "green: true positive, blue: false negative, red: false positive, orange: misclassified, white: ground truth"


def worst_images(images: Iterable[BoxMatches], count: int) -> list[BoxMatches]:
    """The images with the most mistakes, most first; images without mistakes are left out."""
    with_mistakes = [image for image in images if image.mistakes]
    return sorted(with_mistakes, key=lambda image: -image.mistakes)[:count]


def draw_worst_images(
    images: Sequence[BoxMatches],
    folder: Path,
    names: Mapping[int, str],
    categories: Mapping[int, str],
    read: Callable[[int], Pixels | None],
) -> int:
    """Draw images into `folder/01-name.jpg`, …; returns the number of drawn images.

    names       file name by image id
    categories  name by category id
    read        pixels by image id, or None if they are not available
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
    """A copy of the image with its ground truth in thin white lines, below detections and false negatives."""
    matched = ~image.false_negatives
    ground_truth = [DrawnBox(box, GROUND_TRUTH, "") for box in image.ground_truth_boxes[matched]]
    thin = max(1, line_width(pixels.shape[:2]) // 2)
    canvas = draw_boxes(pixels, ground_truth, DrawingStyle(line_width=thin, hide_labels=True))
    return draw_boxes(canvas, list(_drawn_boxes(image, categories)))


def _drawn_boxes(image: BoxMatches, categories: Mapping[int, str]) -> Iterator[DrawnBox]:
    """The boxes of an image, mistakes first: they are drawn on top."""
    expected_ids, category_ids = image.ground_truth_category_ids.tolist(), image.category_ids.tolist()
    missed = image.false_negatives
    for box, expected_id in zip(image.ground_truth_boxes[missed], image.ground_truth_category_ids[missed], strict=True):
        yield DrawnBox(box, FALSE_NEGATIVE, f"missed {categories[int(expected_id)]}")
    detections = list(
        zip(image.boxes, category_ids, image.scores.tolist(), image.ground_truth_index.tolist(), strict=True)
    )
    kinds = {
        MISCLASSIFIED: image.misclassified,
        FALSE_POSITIVE: image.false_positives,
        TRUE_POSITIVE: image.true_positives,
    }
    for color, mask in kinds.items():
        for (box, category_id, score, index), is_of_kind in zip(detections, mask.tolist(), strict=True):
            if is_of_kind:
                name = categories[category_id]
                if color == MISCLASSIFIED:
                    name += f", should be {categories[expected_ids[index]]}"
                yield DrawnBox(box, color, name, f"{score:.2f}")
