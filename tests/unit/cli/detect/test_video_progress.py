"""What a run over videos says while it goes on, and at its end."""

from pathlib import Path

import numpy as np
import pytest

from detcli.cli.detect.video_progress import LatencyStats, VideoProgress, milliseconds, video_closing
from detcli.cli.framework.console import Console
from detcli.engine.outputs import OutputPlan, ResultTarget, VideoTarget
from detcli.pipeline.run import RunStats
from detcli.sources.video.video_source import gap_origin
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame

LABELS = ClassLabels.from_names(["person", "dog"])
PLAN = OutputPlan(
    (ResultTarget("jsonl", Path("out.jsonl")),),
    journal=Path("out.jsonl.journal"),
    films=(VideoTarget(Path("o.mp4"), "o"),),
)


def found(*class_ids: int) -> Detections:
    count = len(class_ids)
    return Detections(np.zeros((count, 4)), np.ones(count, np.float32), np.array(class_ids, np.int64))


def test_the_line_tells_frames_latency_what_is_seen_and_what_was_dropped() -> None:
    measures = LatencyStats()
    progress = VideoProgress(
        Console(), LABELS, measures, done=0, total=lambda: 300, dropped=lambda: 12, detection_s=lambda: 0.031
    )
    progress._pace.total = 300
    progress.advance(found(0, 0, 1))
    gap = FailedFrame(gap_origin(1, file="a", place="a", frame=1, time_s=0.1), "gap", "nothing came")
    progress.advance(gap)
    words = progress._words()
    assert (words.counts, words.remark) == ("2/300 frames", "12 dropped, 1 gap")
    assert (words.facts, words.least) == ("latency 31 ms", "2 person, 1 dog")
    measures.took(0.2)
    assert progress._words().facts == "latency 200 ms"
    sentence, numbers = progress._plain()
    assert sentence.startswith("2 of 300 frames")
    assert "latency 200 ms, 12 dropped, 1 gap" in sentence
    assert (numbers["latency_ms"], numbers["dropped"], numbers["gaps"]) == (200.0, 12, 1)


def test_the_last_line_sums_up(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("out.jsonl", "o.mp4"):
        Path(name).touch()
    measures = LatencyStats(tracks=2)
    for seconds in (0.1, 0.3):
        measures.took(seconds)
    tally = RunStats(images=30, failed=1, boxes=1204, interrupted="SIGINT")
    video_closing(Console(), tally, measures, PLAN, before=10, dropped=5, seconds=10.0)
    assert capsys.readouterr().err == (
        "30 frames, 1 gap or failure, 5 dropped, 1,204 boxes, 2 tracks in 10 s (2 a second), "
        "latency 200 ms (at most 300 ms) -> out.jsonl, o.mp4; interrupted by SIGINT, --resume goes on\n"
    )


@pytest.mark.parametrize(("seconds", "words"), [(0.00123, "1.2 ms"), (0.0449, "45 ms"), (1.24, "1.2 s")])
def test_latencies_have_few_digits(seconds: float, words: str) -> None:
    assert milliseconds(seconds) == words
