"""The pictures with the most mistakes, drawn: what is true and what was found, each mistake in its own colour."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from detcli.evaluation.box_matching import Comparison
from detcli.io.atomic_write import write_atomically
from detcli.io.output_paths import place
from detcli.sinks.images.encode_image import encode, encode_png
from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.draw import DrawingStyle, Inked, draw_boxes, line_width

FOUND: Color = (60, 185, 85)
MISSED: Color = (60, 130, 255)
FALSE: Color = (235, 55, 50)
CONFUSED: Color = (255, 160, 20)
TRUE: Color = (255, 255, 255)

LEGEND = "green: found, blue: missed, red: nothing is there, orange: taken for another class, white: what is true"


def worst(comparisons: Iterable[Comparison], count: int) -> list[Comparison]:
    """So many pictures with the most mistakes, the worst first; those without a mistake are never among them."""
    wrong = [picture for picture in comparisons if picture.mistakes]
    return sorted(wrong, key=lambda picture: -picture.mistakes)[:count]


def draw_worst(
    pictures: Sequence[Comparison],
    folder: Path,
    names: Mapping[int, str],
    categories: Mapping[int, str],
    read: Callable[[int], Pixels | None],
) -> int:
    """Draw pictures into `folder/01-name.jpg`, …; returns how many could be.

    names       file name by image id
    categories  name by category id
    read        pixels by image id, or None where they are not at hand
    """
    drawn = 0
    for rank, picture in enumerate(pictures, 1):
        pixels = read(picture.image_id)
        if pixels is None:
            continue
        canvas = draw_mistakes(pixels, picture, categories)
        data = encode(canvas, "JPEG")
        suffix = "png" if data is None else "jpg"
        stem = PurePosixPath(names[picture.image_id]).stem
        name = f"{rank:0{len(str(len(pictures)))}d}-{stem}.{suffix}"
        write_atomically(place(folder, name), data or encode_png(canvas), durable=False)
        drawn += 1
    return drawn


def draw_mistakes(pixels: Pixels, picture: Comparison, categories: Mapping[int, str]) -> Pixels:
    """A copy of the picture with its truths, thin and white, under what was found and missed."""
    found = ~picture.missed
    truths = [Inked(box, TRUE, "") for box in picture.truth_boxes[found]]
    thin = max(1, line_width(pixels.shape[:2]) // 2)
    canvas = draw_boxes(pixels, truths, DrawingStyle(line_width=thin, hide_labels=True))
    return draw_boxes(canvas, list(_inked(picture, categories)))


def _inked(picture: Comparison, categories: Mapping[int, str]) -> Iterator[Inked]:
    """Mistakes first, which lie on top."""
    truth_ids, category_ids = picture.truth_ids.tolist(), picture.category_ids.tolist()
    for box, category_id in zip(picture.truth_boxes[picture.missed], picture.truth_ids[picture.missed], strict=True):
        yield Inked(box, MISSED, f"missed {categories[int(category_id)]}")
    found = list(zip(picture.boxes, category_ids, picture.scores.tolist(), picture.truth_of.tolist(), strict=True))
    kinds = {
        CONFUSED: picture.confused,
        FALSE: picture.false,
        FOUND: picture.right,
    }
    for ink, mask in kinds.items():
        for (box, category_id, score, truth), chosen in zip(found, mask.tolist(), strict=True):
            if chosen:
                name = categories[category_id]
                if ink == CONFUSED:
                    name += f", truly {categories[truth_ids[truth]]}"
                yield Inked(box, ink, name, f"{score:.2f}")
