"""Progress and summary of a run over videos."""

from pathlib import Path

import numpy as np
import pytest

from detcli.cli.detect.video.video_progress import VideoProgress, milliseconds, show_video_summary
from detcli.cli.framework.console import Console
from detcli.engine.observer import RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.output_targets import ResultTarget, VideoTarget
from detcli.pipeline.statistics import RunStats
from detcli.sources.video.video_source import gap_origin
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame

LABELS = ClassLabels.from_names(["person", "dog"])
PLAN = OutputPlan(
    (ResultTarget("jsonl", Path("out.jsonl")),),
    journal=Path("out.jsonl.journal"),
    videos=(VideoTarget(Path("o.mp4"), "o"),),
)


def detections(*class_ids: int) -> Detections:
    count = len(class_ids)
    return Detections(np.zeros((count, 4)), np.ones(count, np.float32), np.array(class_ids, np.int64))


def test_progress_shows_frames_latency_classes_and_drops() -> None:
    stats = RunStats(dropped=12)
    stats.detection.add(0.031)
    console = Console()
    console.progress = True
    with VideoProgress(console, RunStart(PLAN, LABELS, stats, 0, lambda: 300)) as progress:
        progress.advance(detections(0, 0, 1))
        progress.advance(FailedFrame(gap_origin(1, file="a", source="a", frame=1, time_s=0.1), "gap", "nothing came"))
        text = progress.text()
        assert (text.counts, text.remark) == ("2/300 frames", "12 dropped, 1 gap")
        assert (text.facts, text.least) == ("", "2 person, 1 dog"), "files have no latency"
        assert text.rate.endswith(" frames/s")
        assert "latency" not in progress.plain()[0]
        stats.latency.add(0.2)
        assert progress.text().facts == "latency 200 ms"
        sentence, numbers = progress.plain()
    assert sentence.startswith("2 of 300 frames")
    assert "latency 200 ms, 12 dropped, 1 gap" in sentence
    assert (numbers["latency_ms"], numbers["dropped"], numbers["gaps"]) == (200.0, 12, 1)


def test_the_summary_of_videos_has_rate_latency_and_outputs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("out.jsonl", "out.jsonl.journal", "o.mp4"):
        Path(name).touch()
    stats = RunStats(images=30, failed=1, boxes=1204, interrupted="SIGINT")
    stats.tracks, stats.resumed, stats.dropped, stats.seconds = 2, 10, 5, 10.0
    for seconds in (0.1, 0.3):
        stats.latency.add(seconds)
    show_video_summary(Console(), stats, PLAN)
    assert capsys.readouterr().err == (
        "30 frames, 1 gap or failure, 5 dropped, 1,204 boxes, 2 tracks in 10 s (2.0 frames/s), "
        "latency 200 ms (at most 300 ms) -> out.jsonl, o.mp4; interrupted by SIGINT, --resume continues\n"
    )


@pytest.mark.parametrize(("seconds", "words"), [(0.00123, "1.2 ms"), (0.0449, "45 ms"), (1.24, "1.2 s")])
def test_latencies_have_few_digits(seconds: float, words: str) -> None:
    assert milliseconds(seconds) == words
