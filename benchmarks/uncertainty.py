"""Compares the uncertainty of edges that `--uncertainty` gives with the true errors of the edges.

    python benchmarks/uncertainty.py
    python benchmarks/uncertainty.py --data shapes:1:1000 --plot uncertainty.png
    python benchmarks/uncertainty.py --model runs/first/best --data annotations.json

Each ground-truth box is matched with the most confident detection of its class that overlaps it by an IoU of 0.5, above the
threshold of the model. The error of an edge is the distance to the true edge in pixels. The script prints:

    rank correlation    of standard deviation and error (Spearman), for each edge and for all
    factor              by which a standard deviation is multiplied so that 68.3 % of the errors are below it; computed on
                        the even images, and checked on the odd ones
    the table           edges in ten groups of equal size by their standard deviation: what it predicts, after the factor,
                        and the 68.3 % quantile of the errors

`--plot` draws the table as a reliability curve, of the odd images only.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.evaluation.plots.figures import INK, new_figure, open_axes, own_style, to_png
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.structures.boxes import pairwise_iou
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame
from detcli.structures.ground_truth import GroundTruth
from detcli.visualization import okabe_ito

IOU = 0.5
ONE_SIGMA = 0.683  # of a normal distribution
GROUPS = 10
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # pixels
EDGES = ("left", "top", "right", "bottom")
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Edges:
    """Edges of matched boxes: predicted standard deviation and true error, both [N, 4] in pixels, and their images [N]."""

    std: Numbers
    errors: Numbers
    images: npt.NDArray[np.int64]

    def part(self, odd: bool) -> "Edges":
        """The edges of odd or of even images."""
        rows = self.images % 2 == int(odd)
        return Edges(self.std[rows], self.errors[rows], self.images[rows])


def main() -> None:
    """Detect, match, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="shapes", help="a D-FINE model")
    parser.add_argument("--data", default="shapes:1:1000", help="a data set that the model was not trained on")
    parser.add_argument("--plot", type=Path, default=None, metavar="FILE", help="draw the reliability curve as PNG")
    arguments = parser.parse_args()
    detector = load_detector(arguments.model, uncertainty=True)
    dataset = open_dataset(arguments.data, part="val", classes=detector.labels.names)
    edges = matched_edges(detector, dataset)
    factor = calibration_factor(edges.part(odd=False))
    print_report(edges, factor)
    if arguments.plot is not None:
        arguments.plot.write_bytes(reliability_plot(edges.part(odd=True), factor))


def matched_edges(detector: Detector, dataset: Dataset) -> Edges:
    """The edges of all matched boxes of a data set."""
    std: list[Numbers] = []
    errors: list[Numbers] = []
    images: list[int] = []
    for index in range(len(dataset)):
        frame = dataset.read(index)
        [found] = detector.detect_frames([frame])
        if not isinstance(frame, Frame) or not isinstance(found, Detections) or found.box_std is None:
            continue
        truth = dataset.ground_truth(index)
        for row, true_row in pairs(found, truth):
            std.append(found.box_std[row])
            errors.append(np.abs(found.boxes_xyxy[row] - truth.boxes_xyxy[true_row]))
            images.append(index)
    return Edges(np.array(std).reshape(-1, 4), np.array(errors).reshape(-1, 4), np.array(images, np.int64))


def pairs(found: Detections, truth: GroundTruth) -> list[tuple[int, int]]:
    """Rows of detections and of the ground truth that belong together, the most confident first."""
    overlaps = pairwise_iou(torch.from_numpy(found.boxes_xyxy), torch.from_numpy(truth.boxes_xyxy)).numpy()
    overlaps[found.class_ids[:, None] != truth.class_ids[None]] = 0
    matched: list[tuple[int, int]] = []
    for row in range(len(found)):
        if overlaps.shape[1] and overlaps[row].max() >= IOU:
            best = int(overlaps[row].argmax())
            matched.append((row, best))
            overlaps[:, best] = 0
    return matched


def calibration_factor(edges: Edges) -> float:
    """The factor of the standard deviations below which 68.3 % of the errors lie; edges at the border are certain."""
    uncertain = edges.std > 0
    return float(np.quantile(edges.errors[uncertain] / edges.std[uncertain], ONE_SIGMA))


def rank_correlation(std: Numbers, errors: Numbers) -> float:
    """Spearman's correlation of two lists of different numbers."""
    ranks = [values.reshape(-1).argsort().argsort() for values in (std, errors)]
    return float(np.corrcoef(*ranks)[0, 1])


def reliability(edges: Edges, factor: float) -> list[tuple[float, float]]:
    """For groups of edges by their standard deviation: what it predicts in pixels, and the 68.3 % quantile of the errors."""
    order = edges.std.reshape(-1).argsort()
    std, errors = edges.std.reshape(-1)[order] * factor, edges.errors.reshape(-1)[order]
    groups = zip(np.array_split(std, GROUPS), np.array_split(errors, GROUPS), strict=True)
    return [(float(np.median(predicted)), float(np.quantile(true, ONE_SIGMA))) for predicted, true in groups]


def print_report(edges: Edges, factor: float) -> None:
    """Print the figures."""
    odd = edges.part(odd=True)
    ratio = odd.errors[odd.std > 0] / odd.std[odd.std > 0] / factor
    print(f"{len(edges.std)} boxes, {edges.std.size} edges")
    for side, name in enumerate(EDGES):
        print(f"rank correlation, {name:8} {rank_correlation(edges.std[:, side], edges.errors[:, side]):.3f}")
    print(f"rank correlation, all      {rank_correlation(edges.std, edges.errors):.3f}")
    print(f"factor, even images        {factor:.3f}")
    print(f"odd images: {np.mean(ratio <= 1):.3f} of the errors within 1 deviation, {np.mean(ratio <= 2):.3f} within 2")
    print("\npredicted, px   68.3 % of the errors below, px")
    for predicted, true in reliability(odd, factor):
        print(f"{predicted:13.2f}   {true:.2f}")


@own_style
def reliability_plot(edges: Edges, factor: float) -> bytes:
    """The reliability curve as PNG."""
    figure = new_figure(6.0, 5.0)
    axes = figure.subplots()
    rows = np.array(reliability(edges, factor))
    limits = [0.8 * rows.min(), 1.25 * rows.max()]
    ticks = [tick for tick in TICKS if limits[0] <= tick <= limits[1]]
    axes.plot(limits, limits, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="perfect")
    blue = okabe_ito.as_hex(okabe_ito.BLUE)
    axes.plot(rows[:, 0], rows[:, 1], "o-", color=blue, label="ten groups of edges")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=limits,
        ylim=limits,
        xticks=ticks,
        yticks=ticks,
        xticklabels=ticks,
        yticklabels=ticks,
        xlabel=f"predicted standard deviation times {factor:.2f}, in pixels",
        ylabel="68.3 % of the errors are below, in pixels",
    )
    axes.minorticks_off()
    open_axes(axes)
    axes.legend(frameon=False)
    return to_png(figure)


if __name__ == "__main__":
    main()
