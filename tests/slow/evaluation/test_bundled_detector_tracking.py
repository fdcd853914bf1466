"""How good tracking is on moving shapes that the bundled model detects, at the command's own threshold."""

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.evaluation.tracking_metrics import evaluate_tracks
from detcli.inference.load import load_detector
from detcli.inference.load_settings import DEFAULT_THRESHOLD
from detcli.structures.detections import Detections
from detcli.tracking.byte_track import LOW_THRESHOLD, Tracker, TrackerSettings

DEFAULT = TrackerSettings.of_threshold(DEFAULT_THRESHOLD)


def test_the_bundled_detector_with_tracking_is_above_nine_tenths() -> None:
    shapes, tracker = ShapeSequence("easy", 1, frames=60, rate=15), Tracker(DEFAULT)
    detector = load_detector("shapes", threshold=LOW_THRESHOLD, device="cpu")
    frames = []
    for start in range(0, len(shapes), 10):
        found = detector.detect_frames([shapes.frame(index) for index in range(start, start + 10)])
        for index, one in enumerate(found, start):
            assert isinstance(one, Detections)
            frames.append((shapes.ground_truth(index), tracker.update(one, shapes.time_s(index))))
    together = evaluate_tracks(frames)
    assert together.idf1 > 0.9
    assert together.mota > 0.9
