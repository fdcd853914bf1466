"""The statistics of a dataset as PNG: classes, boxes and images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detcli.evaluation.plots.figures import (
    INK,
    line_style,
    new_figure,
    open_axes,
    own_style,
    set_title,
    short_name,
    to_png,
)
from detcli.inspection.dataset_statistics import LARGE, SMALL, DataStatistics, PartStatistics

_MOST_CLASSES = 60  # bars with readable names
_CELLS = 48  # of the map of centers, per axis


def plot_classes(statistics: DataStatistics) -> bytes:
    """Boxes and images of each class as PNG. Raises UsageError if matplotlib is missing."""
    return to_png(classes_figure(statistics))


def plot_boxes(statistics: DataStatistics) -> bytes:
    """Sizes, aspect ratios and places of boxes as PNG. Raises UsageError if matplotlib is missing."""
    return to_png(boxes_figure(statistics))


def plot_images(statistics: DataStatistics) -> bytes:
    """Boxes per image and sizes of images as PNG. Raises UsageError if matplotlib is missing."""
    return to_png(images_figure(statistics))


@own_style
def classes_figure(statistics: DataStatistics) -> Any:
    """A bar for each class and part: its boxes, and the images that have some; the most frequent class first."""
    parts = statistics.parts
    names = list(dict.fromkeys(each.name for part in parts for each in part.classes))
    counts = {name: [_of_class(part, name) for part in parts] for name in names}
    names.sort(key=lambda name: -sum(boxes for boxes, _ in counts[name]))
    shown = names[:_MOST_CLASSES]
    figure = new_figure(10.0, 1.8 + 0.13 * (len(parts) + 1) * max(len(shown), 5))
    for axes, kind, what in zip(figure.subplots(1, 2, sharey=True), (0, 1), ("boxes", "images"), strict=True):
        thick = 0.8 / len(parts)
        for index, part in enumerate(parts):
            places = np.arange(len(shown)) + (index - (len(parts) - 1) / 2) * thick
            values = [counts[name][index][kind] for name in shown]
            axes.barh(places, values, thick, color=line_style(index)["color"], label=short_name(part.part))
        axes.set(xlabel=what)
        axes.set_yticks(np.arange(len(shown)), [short_name(name) for name in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        open_axes(axes)
        axes.grid(axis="y", visible=False)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    more = f"; the {_MOST_CLASSES} most frequent of {len(names):,} classes" if len(names) > len(shown) else ""
    figure.suptitle(f"boxes and images of each class{more}", x=0.01, ha="left", fontsize=10, color=INK)
    return figure


@own_style
def boxes_figure(statistics: DataStatistics) -> Any:
    """Sizes of boxes in the images and at the input size, aspect ratios, and where their centers are."""
    parts = statistics.parts
    figure = new_figure(11.0, 8.0)
    (original, resized), (ratios, centers) = figure.subplots(2, 2)
    for axes, sides, title in (
        (original, [part.table.sides_wh for part in parts], "in pixels of the images"),
        (resized, [part.table.sized_wh(part.sizing) for part in parts], f"in {parts[0].sizing.name}"),
    ):
        values = [np.sqrt(own.prod(axis=1)) for own in sides]
        _histogram(axes, parts, values, logarithmic=True)
        for limit in (SMALL, LARGE):
            axes.axvline(
                limit, color=INK, linewidth=0.8, linestyle=":", label="_limit" if limit == SMALL else "limits of COCO"
            )
        axes.set(xlabel="side of a square of the same area (pixels)", ylabel="share of boxes")
        set_title(axes, f"sizes of boxes {title}")
    _histogram(ratios, parts, [part.aspect_ratios for part in parts], logarithmic=True)
    ratios.set(xlabel="width / height", ylabel="share of boxes")
    set_title(ratios, "aspect ratios of boxes")
    _plot_centers(figure, centers, parts)
    original.legend(fontsize=8, frameon=False)
    return figure


@own_style
def images_figure(statistics: DataStatistics) -> Any:
    """Boxes per image, and the sizes of the images."""
    parts = statistics.parts
    figure = new_figure(11.0, 4.4)
    per_image, sizes = figure.subplots(1, 2)
    counts = [part.boxes_per_image.astype(float) for part in parts]
    _histogram(per_image, parts, counts, logarithmic=False)
    per_image.set(xlabel="boxes of an image", ylabel="share of images")
    per_image.legend(fontsize=8, frameon=False)
    set_title(per_image, "boxes per image")
    for index, part in enumerate(parts):
        listed = part.image_sizes
        places = np.array([size for size, _ in listed], float).reshape(-1, 2)
        weights = np.array([count for _, count in listed], float)
        area = 20 + 180 * np.sqrt(weights / max(weights.sum(), 1))
        color = line_style(index)["color"]
        sizes.scatter(places[:, 0], places[:, 1], s=area, color=color, alpha=0.6, label=short_name(part.part))
    sizes.set(xlabel="width (pixels)", ylabel="height (pixels)")
    sizes.set_xlim(left=0)
    sizes.set_ylim(bottom=0)
    set_title(sizes, "sizes of images; larger dots: more images")
    open_axes(sizes)
    return figure


def _of_class(part: PartStatistics, name: str) -> tuple[int, int]:
    return next(((each.boxes, each.images) for each in part.classes if each.name == name), (0, 0))


def _histogram(axes: Any, parts: Sequence[PartStatistics], values: Sequence[Any], *, logarithmic: bool) -> None:
    """The share of values in each of some ranges, a line of steps for each part."""
    every = np.concatenate([own[own > 0] if logarithmic else own for own in values])
    if not len(every):
        return
    low, high = float(every.min()), float(every.max())
    if logarithmic:
        edges = np.geomspace(low / 1.02, high * 1.02, 41)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        edges = np.linspace(low - 0.5, high + 0.5, min(int(high - low) + 2, 61))
    for index, (part, own) in enumerate(zip(parts, values, strict=True)):
        shares = np.histogram(own, edges)[0] / max(len(own), 1)
        axes.stairs(shares, edges, color=line_style(index)["color"], linewidth=1.6, label=short_name(part.part))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:.0%}")
    open_axes(axes)


def _plot_centers(figure: Any, axes: Any, parts: Sequence[PartStatistics]) -> None:
    """How many boxes have their center in each cell of the image, over all parts."""
    fractions = np.concatenate(
        [(part.table.boxes_xyxy[:, :2] + part.table.boxes_xyxy[:, 2:]) / 2 / part.table.image_wh for part in parts]
    )
    edges = np.linspace(0, 1, _CELLS + 1)
    counts = np.histogram2d(fractions[:, 1], fractions[:, 0], (edges, edges))[0]
    image = axes.imshow(counts, cmap="Blues", extent=(0, 1, 1, 0), vmin=0, aspect="auto")
    figure.colorbar(image, ax=axes, label="boxes")
    axes.set(xlabel="x / width", ylabel="y / height")
    set_title(axes, "centers of boxes, all parts")
