"""Counts in Python: frames of `track_video` with counts, and tables of `detect`."""

from pathlib import Path

import pytest
from PIL import Image

import detcli
from tests.helpers.moving_objects import FRAMES, LINE, ZONE, drawn, moving_objects


@pytest.fixture(scope="module")
def model() -> detcli.Detector:
    return detcli.load_detector("shapes", device="cpu")


def test_frames_of_a_tracked_video_have_their_counts(tmp_path: Path, model: detcli.Detector) -> None:
    video = moving_objects(tmp_path / "in.mp4")
    events, present = [], []
    for frame, result in detcli.track_video(video, model=model, lines=LINE, zones=[ZONE]):
        assert frame.counts is not None
        names = model.labels.names
        events += [(names[event.class_id], event.kind, frame.origin.frame) for event in frame.counts.events]
        present.append(frame.counts.zones["low"].present)
        assert sum(frame.counts.present_per_class.values()) == len(result)
    assert [event[:2] for event in events] == [
        ("square", "enter"), ("circle", "out"), ("circle", "enter"), ("square", "leave"), ("square", "in"),
    ]  # fmt: skip
    assert (frame.counts.lines["gate"].in_count, frame.counts.lines["gate"].out_count) == (1, 1)
    assert len(present) == FRAMES
    assert set(present) <= {0, 1, 2}


def test_an_object_that_is_hidden_at_the_line_crosses_once(tmp_path: Path, model: detcli.Detector) -> None:
    video = moving_objects(tmp_path / "in.mp4", hidden=range(6, 11))
    found = []
    for frame, result in detcli.track_video(video, model=model, lines=LINE, zones=ZONE):
        assert frame.counts is not None
        circles = result.track_ids[result.class_names == "circle"] if result.track_ids is not None else []
        found += [(frame.origin.frame, event.kind) for event in frame.counts.events if event.track_id in circles]
    assert found == [(11, "out"), (11, "enter")], "it is found again in frame 11, beyond the line"


def test_without_lines_and_zones_frames_have_no_counts(tmp_path: Path, model: detcli.Detector) -> None:
    with detcli.track_video(moving_objects(tmp_path / "in.mp4"), model=model, max_frames=1) as results:
        assert [frame.counts for frame, _ in results] == [None]


def test_wrong_lines_and_zones_are_refused_before_the_first_frame(tmp_path: Path, model: detcli.Detector) -> None:
    video = moving_objects(tmp_path / "in.mp4")
    with pytest.raises(detcli.UsageError, match=r"outside the frames of '.*in\.mp4', which have 384 x 288 pixels"):
        detcli.track_video(video, model=model, lines={"gate": (0, 900, 9, 900)})
    with pytest.raises(detcli.UsageError, match="`lines` needs `track`"):
        detcli.track_video(video, model=model, lines=LINE, track=False)
    with pytest.raises(TypeError, match="`zones` must be a mapping"):
        detcli.track_video(video, model=model, zones=5)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="partly outside"):
        detcli.track_video(video, model=model, lines={"gate": (0, 100, 900, 100)}).close()


def test_detect_writes_the_counts_of_images_and_draws_zones(tmp_path: Path, model: detcli.Detector) -> None:
    Image.fromarray(drawn(0)).save(tmp_path / "a.png")
    zones = {"left": [(0, 0), (192, 0), (192, 288), (0, 288)]}
    counts, folder = tmp_path / "c.csv", tmp_path / "drawn"
    detcli.detect(tmp_path / "a.png", model=model, zones=zones, counts=counts, save_images=folder)
    detcli.detect(tmp_path / "a.png", model=model, save_images=tmp_path / "plain")
    rows = [line.split(",")[2:6] for line in counts.read_text().splitlines()[1:]]
    assert rows == [["", "", "", "2"], ["", "circle", "1", "1"], ["", "square", "2", "1"],
                    ["left", "", "", "1"], ["left", "circle", "1", "1"]]  # fmt: skip
    assert (folder / "a.png").read_bytes() != (tmp_path / "plain" / "a.png").read_bytes()
    with pytest.raises(detcli.UsageError, match="zones need `counts`"):
        detcli.detect(tmp_path / "a.png", model=model, zones=zones)
