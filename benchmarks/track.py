"""Evaluates tracking on generated sequences of moving shapes, of which it is known who is who.

    python benchmarks/track.py --model shapes
    python benchmarks/track.py --model shapes --first 100 --sequences 3

A sequence follows from its seed. The tracker was built and its settings were chosen on the seeds 0 to 9 and 100 to 109;
those that are evaluated here unless it is asked otherwise, 10 to 19, nobody looked at before. Whoever changes the tracker
compares on the former, and evaluates on the latter once.

Twice: with true boxes and the errors of a detector that misses, doubts, trembles and invents (seeded), so that the
tracker is evaluated by itself; then with a real detector on the painted frames. Printed for the easy and the hard set:

    IDF1      how much of the boxes bears the right number for the whole sequence (Ristani et al. 2016)
    MOTA      1 less what was missed, invented or renumbered, in true boxes (Bernardin and Stiefelhagen 2008)
    ms        of the tracker, a frame; of the detector it is another benchmark's matter

Boxes belong together from an overlap of 0.5. Sets and errors: benchmarks/synthetic/motion.py and noisy_detections.py.
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

Row = tuple[str, float, TrackingMetrics, float]  # set, rate, figures, milliseconds a frame


def main() -> None:
    """Track, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="a real detector too, such as shapes")
    parser.add_argument("--threshold", type=float, default=0.4, help="as for `detcli video`; tracks begin a step above")
    parser.add_argument("--sets", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--first", type=int, default=10, help="seed of the first sequence of each set")
    parser.add_argument("--sequences", type=int, default=10, help="of each set")
    parser.add_argument("--frames", type=int, default=120, help="of each sequence")
    parser.add_argument("--rates", type=float, nargs="+", default=[30.0], help="frames a second")
    arguments = parser.parse_args()
    print("detections          set   rate   IDF1    MOTA   switches  missed  invented  ground truth     ms")
    for name in ("true and erring", arguments.model):
        for row in rows(name, arguments) if name else ():
            print(line(name, *row), flush=True)


def rows(name: str, arguments: argparse.Namespace) -> Iterator[Row]:
    """The sets at each rate, as long in seconds whatever the rate."""
    for level in arguments.sets:
        for rate in arguments.rates:
            figures, seconds, frames = [], 0.0, 0
            for seed in range(arguments.first, arguments.first + arguments.sequences):
                shapes = ShapeSequence(level, seed, frames=max(2, round(arguments.frames * rate / 30)), rate=rate)
                detections = found_by(name, shapes) if name == arguments.model else erring(shapes, level, seed)
                settings = TrackerSettings.of_threshold(arguments.threshold)
                tracked, took = followed(shapes, list(detections), settings)
                figures.append(evaluate_tracks(tracked))
                seconds, frames = seconds + took, frames + len(shapes)
            yield level, rate, TrackingMetrics.of_all(figures), 1000 * seconds / frames


def followed(
    shapes: ShapeSequence, detections: list[Detections], settings: TrackerSettings
) -> tuple[list[tuple[GroundTruth, Detections]], float]:
    """Ground truth and tracked detections of each frame, and the seconds that tracking took."""
    tracker, tracked = Tracker(settings), []
    start = time.perf_counter()
    for index, found in enumerate(detections):
        tracked.append(tracker.update(found, shapes.time_s(index)))
    took = time.perf_counter() - start
    return [(shapes.ground_truth(index), found) for index, found in enumerate(tracked)], took


def erring(shapes: ShapeSequence, level: str, seed: int) -> Iterator[Detections]:
    """True boxes with the errors of the level."""
    rng = np.random.default_rng(derive_seed(seed, level, "errors"))
    for index in range(len(shapes)):
        ground_truth = shapes.ground_truth(index)
        yield detect_with_errors(ground_truth, shapes.size_hw, ERRORS[level], rng, classes=len(shapes.labels))


def found_by(name: str, shapes: ShapeSequence, *, batch: int = 16) -> Iterator[Detections]:
    """What a model finds in the painted frames."""
    detector = loaded(name, batch)
    for start in range(0, len(shapes), batch):
        frames = [shapes.frame(index) for index in range(start, min(start + batch, len(shapes)))]
        for found in detector.detect_frames(frames):
            if not isinstance(found, Detections):
                raise SystemExit(found.message)
            yield found


@cache
def loaded(name: str, batch: int) -> "Detector":
    """The model, read once."""
    from detcli.inference.load import load_detector

    return load_detector(name, threshold=LOW_THRESHOLD, batch_size=batch)


def line(name: str, level: str, rate: float, figures: TrackingMetrics, ms: float) -> str:
    """One row of the table."""
    return (
        f"{name:<18} {level:>4} {rate:6g} {figures.idf1:6.3f} {figures.mota:7.3f} {figures.switches:10} "
        f"{figures.misses:7} {figures.false_positives:9} {figures.ground_truth:7} {ms:6.2f}"
    )


if __name__ == "__main__":
    main()
