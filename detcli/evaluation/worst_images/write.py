"""Chooses the images with the most mistakes, and writes a page for each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from detcli.evaluation.box_matching import BoxMatches
from detcli.evaluation.worst_images.page import PageTitle, draw_page
from detcli.io.output_paths import tag_output_folder
from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder
from detcli.sinks.images.encode_image import encode, encode_png
from detcli.structures.frame import Pixels


def worst_images(images: Iterable[BoxMatches], count: int) -> list[BoxMatches]:
    """The images with the most mistakes, most first; images without mistakes are left out."""
    with_mistakes = [image for image in images if image.mistakes]
    return sorted(with_mistakes, key=lambda image: -image.mistakes)[:count]


def draw_worst_images(
    images: Sequence[BoxMatches],
    folder: OutputFolder | Path,
    names: Mapping[int, str],
    categories: Mapping[int, str],
    read: Callable[[int], Pixels | None],
    *,
    score: float,
    iou: float,
) -> int:
    """Draw images into `folder/01-name.jpg`, …; returns the number of drawn images.

    names       file name by image id
    categories  name by category id
    read        pixels by image id, or None if they are not available
    score, iou  detections above this score were matched from this IoU on
    """
    drawn, folder = 0, as_output_folder(folder)
    for rank, image in enumerate(images, 1):
        pixels = read(image.image_id)
        if pixels is None:
            continue
        if not drawn:
            tag_output_folder(folder.path)
        file_name = names[image.image_id]
        title = PageTitle(file_name, f"rank {rank} by number of errors", score, iou)
        page = draw_page(pixels, image, categories, title)
        data = encode(page, "JPEG")
        suffix = "png" if data is None else "jpg"
        name = f"{rank:0{len(str(len(images)))}d}-{PurePosixPath(file_name).stem}.{suffix}"
        folder.write(name, data or encode_png(page))
        drawn += 1
    return drawn
