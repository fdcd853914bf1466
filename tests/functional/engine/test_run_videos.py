"""A run over videos from Python, without a terminal."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.engine.inputs.preview import preview
from detcli.engine.requests.run_request import OutputSettings
from detcli.engine.run import run
from detcli.errors import SourceError, UsageError
from tests.helpers.engine_runs import RecordingObserver, video_request
from tests.helpers.video_frames import frames_of, images, video


@pytest.fixture(autouse=True)
def _video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six frames in in.mp4 of an empty folder, a tenth of a second each."""
    monkeypatch.chdir(tmp_path)
    video(tmp_path / "in.mp4", images(6))


def records(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_every_frame_is_a_record_and_a_frame_of_the_video(model: Path) -> None:
    observer = RecordingObserver()
    request = video_request(model, outputs=("out.jsonl",), save_video="out.mp4")
    stats = run(request, observer=observer)
    assert (stats.images, stats.boxes, stats.tracks, stats.exit_code) == (6, 12, None, 0)
    assert [record["frame"] for record in records("out.jsonl")] == list(range(6))
    assert frames_of(Path("out.mp4")) == 6
    assert observer.names == ["plan", "videos", "load", "loaded", "start", "result", "end"]
    assert observer.of("start")[0].count() == 6
    assert stats.detection.mean_s is not None
    assert stats.latency.mean_s is None, "the latency is that of live sources"


def test_each_source_has_its_own_outputs_and_tracks(model: Path) -> None:
    video(Path("other.mp4"), images(3, seed=1))
    stats = run(video_request(model, "in.mp4", "other.mp4", outputs=("o/{name}.jsonl",), track=True))
    assert [len(records(f"o/{name}.jsonl")) for name in ("in", "other")] == [6, 3]
    assert stats.tracks is not None
    assert all("track_id" in box for record in records("o/in.jsonl") for box in record["detections"])


def test_a_live_run_measures_its_latency(model: Path) -> None:
    request = video_request(model, outputs=("out.jsonl",))
    stats = run(replace(request, input=replace(request.input, live=True)))
    assert stats.images + stats.dropped == 6
    assert stats.latency.mean_s is not None
    assert stats.latency.worst_s >= stats.latency.mean_s


def test_sources_that_cannot_be_opened_are_reported(model: Path) -> None:
    observer = RecordingObserver()
    with pytest.raises(SourceError, match="none of the 2 sources can be read"):
        run(video_request(model, "gone.mp4", "lost.mp4"), observer=observer)
    (videos,) = observer.of("no video")
    assert [(item.file, item.error.code) for item in videos] == [("gone.mp4", "not-found"), ("lost.mp4", "not-found")]


def test_a_video_without_a_frame_is_reported(model: Path) -> None:
    observer = RecordingObserver()
    request = video_request(model, outputs=("out.jsonl",))
    stats = run(replace(request, input=replace(request.input, start=5.0)), observer=observer)
    assert stats.exit_code == 4
    assert [item.file for item in observer.of("empty video")] == ["in.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resume": True, "outputs": ("out.jsonl",), "track": True}, "`resume` cannot be combined with `track`"),
        ({"save_video": "-"}, "`save_video` cannot write to standard output"),
        ({"save_video": "out.gif"}, "out.gif"),
        ({"save_images": "x/{name}"}, "`save_images` takes no '{name}'"),
    ],
)
def test_what_videos_cannot_do_is_refused_before_loading(model: Path, arguments: dict[str, Any], message: str) -> None:
    observer = RecordingObserver()
    with pytest.raises(UsageError) as caught:
        run(video_request(model, **arguments), observer=observer)
    assert message in str(caught.value)
    assert "load" not in observer.names


def test_a_preview_describes_the_videos(model: Path) -> None:
    with preview(video_request(model, "in.mp4", "gone.mp4", outputs=("out.jsonl",))) as planned:
        assert planned is not None
        assert list(planned.files()) == ["in.mp4", "gone.mp4"]
        first, second = planned.videos
        assert first.info is not None
        assert (first.info.size_hw, first.info.frames, first.live) == ((48, 64), 6, False)
        assert second.error is not None
    assert sorted(path.name for path in Path().iterdir()) == ["in.mp4"]


def test_a_shard_has_every_nth_video_under_the_name_it_has_among_all(model: Path) -> None:
    for name in ("films/a.mp4", "films/sub/a.mp4", "films/sub-a.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        video(Path(name), images(3, seed=len(name)))
    run(video_request(model, "films", outputs=("one/{name}.jsonl",), track=True))
    for shard in ("1/2", "2/2"):
        request = video_request(model, "films", track=True)
        given: dict[str, Any] = {"shard": shard}
        output = OutputSettings(outputs=("of-{shard}/{name}.jsonl",))
        stats = run(replace(request, input=replace(request.input, **given), output=output))
        assert stats.images == (6 if shard == "1/2" else 3)
    whole = {path.name: records(str(path)) for path in Path("one").iterdir()}
    parts = {path.name: records(str(path)) for path in sorted(Path().glob("of-[12]/*"))}
    assert sorted(parts) == sorted(whole)
    for name, kept in whole.items():
        assert [record["detections"] for record in parts[name]] == [record["detections"] for record in kept]


def test_a_shard_without_videos_is_a_success(model: Path) -> None:
    request = video_request(model, "in.mp4", outputs=("out.jsonl",), save_video="out.mp4")
    given: dict[str, Any] = {"shard": "2/2"}
    stats = run(replace(request, input=replace(request.input, **given)))
    assert (stats.images, stats.empty_shard, stats.exit_code) == (0, True, 0)
    assert records("out.jsonl") == []
    assert not Path("out.mp4").exists()
