"""The page of an image: a title, ground truth and prediction side by side, and a legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detcli.evaluation.box_matching import BoxMatches
from detcli.evaluation.worst_images.outcomes import (
    OUTCOMES,
    Outcome,
    count_outcomes,
    ground_truth_boxes,
    predicted_boxes,
)
from detcli.evaluation.worst_images.panel import draw_dashed_box, draw_panel, panel_scale
from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.text_renderer import text_renderer

_PAPER, _INK, _GRAY_INK = (255, 255, 255), (20, 20, 20), (95, 95, 95)
_MIN_WIDTH = 900  # pixels, so that title and legend have space
_STACKED_FROM = 2.2  # width / height from which the panels are above each other
_MARGIN = 16  # pixels


@dataclass(frozen=True, slots=True)
class PageTitle:
    """What a page says about its image.

    rank        its place among the worst images, in words
    score, iou  detections above this score were matched from this IoU on
    """

    file_name: str
    rank: str
    score: float
    iou: float


@dataclass(frozen=True, slots=True)
class _Item:
    """A piece of a line: a text, after the sample of an outcome if it has one."""

    text: str
    outcome: Outcome | None = None


def draw_page(pixels: Pixels, image: BoxMatches, categories: Mapping[int, str], title: PageTitle) -> Pixels:
    """The page of an image, uint8 [H, W, 3] RGB.

    Images with a longer side below 640 pixels are enlarged, those above 1600 reduced; boxes and labels have the size of the
    panel.
    """
    expected, predicted = ground_truth_boxes(image, categories), predicted_boxes(image, categories)
    panels = (
        (f"ground truth: {_counted(len(image.ground_truth_boxes))}", draw_panel(pixels, expected)),
        (f"prediction: {_counted(len(image.boxes))} with a score above {title.score:g}", draw_panel(pixels, predicted)),
    )
    facts = [title.rank, *facts_of_image(pixels.shape[:2], image.image_id, title.iou)]
    return compose_page(panels, title.file_name, reasons_of_image(image), facts)


def compose_page(
    panels: Sequence[tuple[str, Pixels]], file_name: str, reasons: Sequence[str], facts: Sequence[str]
) -> Pixels:
    """A page, uint8 [H, W, 3] RGB, of panels of one size, each with its caption.

    reasons  why the image is shown
    facts    about the image
    """
    height, width = panels[0][1].shape[:2]
    is_stacked = width >= _STACKED_FROM * height
    page_width = max(_MIN_WIDTH, _MARGIN + (1 if is_stacked else 2) * (width + _MARGIN))
    letters = round(13 + min(page_width, 3200) / 400)
    rows = [
        _line([_Item(file_name)], page_width, round(1.35 * letters), _INK),
        _line([_Item(reason) for reason in reasons], page_width, letters, _INK),
        _line([_Item(fact) for fact in facts], page_width, letters, _GRAY_INK),
        _panels(panels, page_width, letters, is_stacked=is_stacked),
        _line(_legend(), page_width, letters, _INK),
    ]
    border = np.full((_MARGIN, page_width, 3), _PAPER, np.uint8)
    return np.concatenate([border, *rows, border])


def reasons_of_image(image: BoxMatches) -> list[str]:
    """Why the image is among the worst: the number of boxes of each outcome, mistakes first."""
    return [f"{count} {outcome}" for outcome, count in count_outcomes(image).items() if count]


def facts_of_image(size_hw: tuple[int, ...], image_id: int, iou: float) -> list[str]:
    """The id and the size of an image, and from which IoU on boxes were matched."""
    scale = panel_scale(size_hw)
    shown = "" if scale == 1 else f", shown at {scale:.3g} times its size"
    return [
        f"image id {image_id}",
        f"{size_hw[1]} x {size_hw[0]} pixels{shown}",
        f"matched from an IoU of {iou:g}",
    ]


def _legend() -> list[_Item]:
    return [
        *(_Item(outcome.name, outcome) for outcome in OUTCOMES),
        _Item("number: score (0 to 1)"),
        _Item("IoU: overlap with the ground truth (0 to 1)"),
    ]


def _counted(boxes: int) -> str:
    return f"{boxes} box" if boxes == 1 else f"{boxes} boxes"


def _panels(panels: Sequence[tuple[str, Pixels]], page_width: int, letters: int, *, is_stacked: bool) -> Pixels:
    """The panels with their captions, side by side or above each other."""
    width = panels[0][1].shape[1]
    parts = []
    for caption, panel in panels:
        room = page_width if is_stacked else _MARGIN + max(width, (page_width - 3 * _MARGIN) // 2)
        above = _line([_Item(caption)], room, letters, _INK)
        row = np.full((len(panel), room, 3), _PAPER, np.uint8)
        row[:, _MARGIN : _MARGIN + width] = panel
        parts.append(np.concatenate([above, row]))
    if is_stacked:
        return np.concatenate(parts)
    rest = np.full((len(parts[0]), page_width - sum(part.shape[1] for part in parts), 3), _PAPER, np.uint8)
    return np.concatenate([*parts, rest], axis=1)


def _line(items: Sequence[_Item], width: int, letters: int, color: Color) -> Pixels:
    """Items one after the other, on as many rows as they need; an item that is too long ends at the edge."""
    height, sample = round(1.7 * letters), round(2.6 * letters)
    rows: list[Pixels] = []
    x = width
    for item in items:
        text = text_renderer(None).write(item.text, letters)
        indent = sample + letters // 2 if item.outcome is not None else 0
        if x + indent + text.opacity.shape[1] > width - _MARGIN:
            rows.append(np.full((height, width, 3), _PAPER, np.uint8))
            x = _MARGIN
        row = rows[-1]
        if item.outcome is not None:
            _draw_sample(row, x, sample, letters, item.outcome)
        _paste_text(row, text.opacity, x + indent, round(0.2 * letters), color)
        x += indent + text.opacity.shape[1] + round(1.6 * letters)
    return np.concatenate(rows) if rows else np.empty((0, width, 3), np.uint8)


def _draw_sample(row: Pixels, x: int, width: int, letters: int, outcome: Outcome) -> None:
    """A small box in the style of an outcome."""
    top = round(0.3 * letters)
    box = np.array([x, top, x + width, top + letters], np.float64)
    draw_dashed_box(row, box, outcome.color, outcome.dashes, 3)


def _paste_text(row: Pixels, opacity: Pixels, left: int, top: int, color: Color) -> None:
    """Write a text on white paper, cut at the edges."""
    target = row[max(0, top) :, left : row.shape[1] - _MARGIN // 2]
    part = opacity[: target.shape[0], : target.shape[1], None].astype(np.uint16)
    target = target[: part.shape[0], : part.shape[1]]
    target[...] = (part * np.array(color, np.uint16) + (255 - part) * target + 127) // 255
