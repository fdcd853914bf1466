"""detcli.track_video: frames with their results, one by one."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import detcli
from tests.helpers.shape_images import shape_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shape_video(tmp_path_factory.mktemp("video") / "shapes.mp4", frames=12)


@pytest.fixture(scope="module")
def model() -> detcli.Detector:
    return detcli.load_detector("shapes", device="cpu")


def test_each_frame_comes_with_its_result_and_track_ids(video: Path, model: detcli.Detector) -> None:
    seen: set[int] = set()
    indices = []
    for frame, result in detcli.track_video(video, model=model):
        assert frame.pixels is not None
        assert result.track_ids is not None
        assert result.labels == model.labels
        seen |= set(result.track_ids.tolist())
        indices.append(frame.origin.frame)
        assert result.plot().size == (frame.size_hw[1], frame.size_hw[0])
    assert indices == list(range(12))
    assert seen


def test_without_tracking_results_are_those_of_the_detector(video: Path, model: detcli.Detector) -> None:
    single = model.with_settings(batch_size=1)
    for frame, result in detcli.track_video([video], model=single, track=False, max_frames=3):
        assert result.track_ids is None
        assert result == single(frame)


def test_a_name_of_a_model_and_its_settings_are_accepted(video: Path) -> None:
    pairs = list(detcli.track_video(str(video), model="shapes", stride=5, threshold=0.5, device="cpu", batch_size=2))
    assert [frame.origin.frame for frame, _ in pairs] == [0, 5, 10]


def test_closing_early_releases_the_video(video: Path, model: detcli.Detector) -> None:
    with detcli.track_video(video, model=model) as pairs:
        next(pairs)
        assert pairs.labels == model.labels
    assert list(pairs) == []
    pairs.close()
    detcli.track_video(video, model=model).close()  # without a frame


def test_a_damaged_video_skips_frames_or_raises_with_strict(model: detcli.Detector, tmp_path: Path) -> None:
    damaged = shape_video(tmp_path / "damaged.ts", frames=24)
    data = bytearray(damaged.read_bytes())
    start, end = int(0.4 * len(data)), int(0.8 * len(data))
    data[start:end] = Random(0).randbytes(end - start)
    damaged.write_bytes(data)
    assert 0 < sum(1 for _ in detcli.track_video(damaged, model=model)) < 24
    with pytest.raises(detcli.ImageError, match=r"damaged\.ts': ") as caught:
        list(detcli.track_video(damaged, model=model, strict=True))
    assert caught.value.code in ("damaged", "truncated")


def test_a_missing_video_is_a_source_error_before_the_first_frame(model: detcli.Detector) -> None:
    with pytest.raises(detcli.SourceError, match=r"missing\.mp4|no such file"):
        detcli.track_video("missing.mp4", model=model)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"sources": None}, TypeError, "`sources` must be a str or a path, or a list of them, not NoneType"),
        ({"sources": np.zeros((3, 4, 4, 3))}, TypeError, "each item of `sources` must be a str or a path, not ndarray"),
        ({"sources": []}, ValueError, "nothing to process: `sources` must name a video"),
        ({"track": 1}, TypeError, "`track` must be True or False, not int"),
        ({"strict": None}, TypeError, "`strict` must be True or False, not NoneType"),
        ({"stride": 0}, ValueError, "`stride` must be at least 1, not 0"),
        ({"fps": 0}, ValueError, "`fps` must be greater than 0, not 0"),
        ({"start": -1}, ValueError, "`start` must be at least 0, not -1"),
        ({"threshold": 2}, ValueError, "`threshold` must be a number from 0 to 1, not 2"),
        ({"model": 3}, TypeError, "`model` must be a name, a path or a detector, not int"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        detcli.track_video(**{"sources": "a.mp4", "model": "shapes"} | arguments)
