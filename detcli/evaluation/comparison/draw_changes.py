"""Draws the images that got better or worse: the detections of both results side by side."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from detcli.evaluation.box_matching import BoxMatches
from detcli.evaluation.comparison.compare_results import changed_images
from detcli.evaluation.comparison.comparison_report import ComparedSide, ComparisonReport, ImageComparison
from detcli.evaluation.worst_images.outcomes import MISSED, OutcomeBox, ground_truth_boxes, predicted_boxes
from detcli.evaluation.worst_images.page import compose_page, facts_of_image, reasons_of_image
from detcli.evaluation.worst_images.panel import draw_panel
from detcli.io.output_paths import tag_output_folder
from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder
from detcli.sinks.images.encode_image import encode, encode_png
from detcli.structures.frame import Pixels


def draw_changes(
    report: ComparisonReport,
    folder: OutputFolder | Path,
    categories: Mapping[int, str],
    read: Callable[[int], Pixels | None],
    *,
    count: int,
) -> tuple[int, int]:
    """Draw images into `folder/better-01-name.jpg` and `folder/worse-01-name.jpg`, …, those with the largest change first.

    categories  name by category id
    read        pixels by image id, or None if they are not available
    count       of each kind at most

    Returns the numbers of drawn and of missing images.
    """
    drawn, missing, folder = 0, 0, as_output_folder(folder)
    better, worse = changed_images(report.images, count)
    for kind, images in (("better", better), ("worse", worse)):
        for rank, image in enumerate(images, 1):
            pixels = read(image.first.image_id)
            if pixels is None:
                missing += 1
                continue
            if not drawn:
                tag_output_folder(folder.path)
            file_name = report.file_names[image.first.image_id]
            page = draw_change(pixels, image, categories, report, f"rank {rank} of the images that got {kind}")
            data = encode(page, "JPEG")
            suffix = "png" if data is None else "jpg"
            name = f"{kind}-{rank:0{len(str(len(images)))}d}-{PurePosixPath(file_name).stem}.{suffix}"
            folder.write(name, data or encode_png(page))
            drawn += 1
    return drawn, missing


def draw_change(
    pixels: Pixels, image: ImageComparison, categories: Mapping[int, str], report: ComparisonReport, rank: str
) -> Pixels:
    """The page of an image, uint8 [H, W, 3] RGB: the first result on the left, the second on the right."""
    sides = ((image.first, report.sides[0]), (image.second, report.sides[1]))
    panels = [(_caption(matches, side), draw_panel(pixels, _boxes(matches, categories))) for matches, side in sides]
    reasons = [f"mistakes: {image.first.mistakes} → {image.second.mistakes}"]
    for name, each in (("first", image.first), ("second", image.second)):
        first, *others = reasons_of_image(each) or ["no boxes"]
        reasons += [f"{name}: {first}", *others]
    facts = [rank, *facts_of_image(pixels.shape[:2], image.first.image_id, report.iou)]
    return compose_page(panels, report.file_names[image.first.image_id], reasons, facts)


def _caption(matches: BoxMatches, side: ComparedSide) -> str:
    boxes = "1 box" if len(matches.boxes) == 1 else f"{len(matches.boxes)} boxes"
    return f"{side.name}: {boxes} with a score above {side.score:g}"


def _boxes(matches: BoxMatches, categories: Mapping[int, str]) -> list[OutcomeBox]:
    """The detections, and the ground truth that they miss."""
    missed = [box for box in ground_truth_boxes(matches, categories) if box.outcome == MISSED]
    return [*missed, *predicted_boxes(matches, categories)]
