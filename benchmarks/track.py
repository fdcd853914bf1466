"""Evaluates tracking on synthetic sequences of moving shapes with known track ids.

    python benchmarks/track.py --model shapes
    python benchmarks/track.py --model shapes --first 100 --sequences 3

A sequence depends only on its seed. The tracker was developed on the seeds 0 to 9 and 100 to 109. The default seeds, 10 to
19, are held out: after a change of the tracker, compare on the former, and evaluate on the held-out seeds once.

There are two evaluations: on the ground truth with seeded errors (missed, uncertain, imprecise and false detections), which
measures the tracker alone; and with `--model` on the rendered frames. For the easy and the hard set it prints:

    IDF1      fraction of boxes with the correct id over the complete sequence (Ristani et al. 2016)
    MOTA      1 - (missed + false + switches) / ground truth boxes (Bernardin and Stiefelhagen 2008)
    ms        of the tracker per frame, without the detector

Boxes match from an IoU of 0.5. Sets and errors: benchmarks/synthetic/motion.py and noisy_detections.py.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks.synthetic.noisy_detections import ERRORS, detect_with_errors
from benchmarks.synthetic.shape_sequences import LEVELS, ShapeSequence
from detcli.evaluation.tracking_metrics import TrackingMetrics, evaluate_tracks
from detcli.structures.detections import Detections
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed
from detcli.tracking.byte_track import LOW_THRESHOLD, Tracker, TrackerSettings

if TYPE_CHECKING:
    from detcli.inference.detector import Detector

NOISY = "with errors"
Row = tuple[str, float, TrackingMetrics, float]  # set, rate, metrics, milliseconds per frame


def main() -> None:
    """Track, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="also evaluate with this model, such as shapes")
    parser.add_argument(
        "--threshold", type=float, default=0.4, help="as for `detcli video`; new tracks need a higher score"
    )
    parser.add_argument("--sets", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--first", type=int, default=10, help="seed of the first sequence of each set")
    parser.add_argument("--sequences", type=int, default=10, help="number of sequences of each set")
    parser.add_argument("--frames", type=int, default=120, help="number of frames of each sequence at rate 30")
    parser.add_argument("--rates", type=float, nargs="+", default=[30.0], help="frames per second")
    arguments = parser.parse_args()
    print("detections          set   rate   IDF1    MOTA   switches  missed     false   boxes     ms")
    for name in (NOISY, arguments.model):
        for row in rows(name, arguments) if name else ():
            print(line(name, *row), flush=True)


def rows(name: str, arguments: argparse.Namespace) -> Iterator[Row]:
    """Evaluate the sets at each rate; all sequences have the same duration."""
    for level in arguments.sets:
        for rate in arguments.rates:
            metrics, seconds, frames = [], 0.0, 0
            for seed in range(arguments.first, arguments.first + arguments.sequences):
                shapes = ShapeSequence(level, seed, frames=max(2, round(arguments.frames * rate / 30)), rate=rate)
                detections = (
                    model_detections(name, shapes) if name == arguments.model else noisy_detections(shapes, level, seed)
                )
                settings = TrackerSettings.of_threshold(arguments.threshold)
                tracked, duration = track(shapes, list(detections), settings)
                metrics.append(evaluate_tracks(tracked))
                seconds, frames = seconds + duration, frames + len(shapes)
            yield level, rate, TrackingMetrics.of_all(metrics), 1000 * seconds / frames


def track(
    shapes: ShapeSequence, detections: list[Detections], settings: TrackerSettings
) -> tuple[list[tuple[GroundTruth, Detections]], float]:
    """Ground truth and tracked detections of each frame, and the duration of tracking in seconds."""
    tracker, tracked = Tracker(settings), []
    start = time.perf_counter()
    for index, frame_detections in enumerate(detections):
        tracked.append(tracker.update(frame_detections, shapes.time_s(index)))
    duration = time.perf_counter() - start
    return [(shapes.ground_truth(index), result) for index, result in enumerate(tracked)], duration


def noisy_detections(shapes: ShapeSequence, level: str, seed: int) -> Iterator[Detections]:
    """The ground truth with the errors of the level."""
    rng = np.random.default_rng(derive_seed(seed, level, "errors"))
    for index in range(len(shapes)):
        ground_truth = shapes.ground_truth(index)
        yield detect_with_errors(ground_truth, shapes.size_hw, ERRORS[level], rng, classes=len(shapes.labels))


def model_detections(name: str, shapes: ShapeSequence, *, batch: int = 16) -> Iterator[Detections]:
    """Detections of a model in the rendered frames."""
    detector = load_model(name, batch)
    for start in range(0, len(shapes), batch):
        frames = [shapes.frame(index) for index in range(start, min(start + batch, len(shapes)))]
        for detections in detector.detect_frames(frames):
            if not isinstance(detections, Detections):
                raise SystemExit(detections.message)
            yield detections


@cache
def load_model(name: str, batch: int) -> "Detector":
    """The model, loaded once."""
    from detcli.inference.load import load_detector

    return load_detector(name, threshold=LOW_THRESHOLD, nms="off", batch_size=batch)  # the tracker alone


def line(name: str, level: str, rate: float, metrics: TrackingMetrics, ms: float) -> str:
    """One row of the table."""
    return (
        f"{name:<18} {level:>4} {rate:6g} {metrics.idf1:6.3f} {metrics.mota:7.3f} {metrics.switches:10} "
        f"{metrics.misses:7} {metrics.false_positives:9} {metrics.ground_truth:7} {ms:6.2f}"
    )


if __name__ == "__main__":
    main()
