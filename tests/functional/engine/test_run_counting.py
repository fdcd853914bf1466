"""Tables of counts of runs that end early, that are resumed, and that meet sources of unknown size."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.counting.count_settings import CountSettings
from detcli.engine.observer import Observer
from detcli.engine.requests.run_request import VideoRequest
from detcli.engine.run import run
from detcli.errors import UsageError
from detcli.sources.video.multiplexer import Multiplexer
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from tests.helpers.engine_runs import image_request, video_request
from tests.helpers.video_frames import images, video

ZONES = CountSettings(zones=["left=0,0,50%,0,50%,100%,0,100%", "all=0,0,100%,0,100%,100%,0,100%"], bin_s=0.5)


@pytest.fixture(autouse=True)
def _video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty frames in in.mp4 of an empty folder, a tenth of a second each, of 64 x 48 pixels."""
    monkeypatch.chdir(tmp_path)
    video(tmp_path / "in.mp4", images(20))


def request(model: Path, *, counting: CountSettings = ZONES, **output: Any) -> VideoRequest:
    made = video_request(model, outputs=("out.jsonl",), counting=counting)
    return replace(made, output=replace(made.output, counts=Path("c.csv"), **output))


class StopAfter(Observer):
    """Ends a run after some results."""

    def __init__(self, results: int) -> None:
        self.stop, self._left = StopSignal(), results

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self._left -= 1
        if not self._left:
            self.stop.set("SIGINT")


def frames_counted() -> int:
    with Path("c.csv").open(newline="") as file:
        return sum(int(row["frames"]) for row in csv.DictReader(file) if row["kind"] == "frame" and not row["label"])


def test_an_interrupted_run_leaves_the_counts_of_its_frames(model: Path) -> None:
    observer = StopAfter(7)
    stats = run(request(model), observer=observer, stop=observer.stop)
    assert stats.interrupted == "SIGINT"
    assert 7 <= stats.images < 20
    assert frames_counted() == stats.images


def test_a_resumed_run_writes_the_bytes_of_a_whole_one(model: Path) -> None:
    run(request(model))
    whole = Path("c.csv").read_bytes()
    observer = StopAfter(7)
    run(request(model, if_exists="overwrite"), observer=observer, stop=observer.stop)
    assert Path("c.csv").read_bytes() != whole
    with pytest.raises(UsageError, match=r"cannot resume.*anchor was .bottom-center. and is .center."):
        run(request(model, counting=replace(ZONES, anchor="center"), resume=True))
    stats = run(request(model, resume=True))
    assert stats.resumed >= 7
    assert Path("c.csv").read_bytes() == whole


def test_counts_of_images_are_resumed_without_other_outputs(model: Path) -> None:
    from PIL import Image

    Path("in").mkdir()
    for number, pixels in enumerate(images(8)):
        Image.fromarray(pixels).save(f"in/{number}.png")
    counted = replace(image_request(model, counts=Path("c.csv")), counting=CountSettings(zones=ZONES.zones))
    run(counted)
    whole = Path("c.csv").read_bytes()
    observer = StopAfter(3)
    run(replace(counted, output=replace(counted.output, if_exists="overwrite")), observer=observer, stop=observer.stop)
    assert Path("c.csv.journal").exists()
    assert run(replace(counted, output=replace(counted.output, resume=True))).resumed >= 3
    assert Path("c.csv").read_bytes() == whole
    assert not Path("c.csv.journal").exists()


def test_a_size_that_only_the_first_frame_shows_is_checked_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Multiplexer, "known_info", lambda self, name: None)  # as of a camera that tells nothing
    outside = CountSettings(zones="far=900,0,999,0,999,99")
    with pytest.raises(
        UsageError, match=r"the zone 'far' is outside the frames of 'in\.mp4', which have 64 x 48 pixels"
    ):
        run(request(model, counting=outside))


def test_the_tables_of_shards_have_the_rows_of_one_run(model: Path) -> None:
    from PIL import Image

    from detcli.shard import Shard

    Path("in").mkdir()
    for number, pixels in enumerate(images(5)):
        Image.fromarray(pixels).save(f"in/{number}.png")

    def rows(name: str, shard: Shard | None = None) -> list[list[str]]:
        plain = image_request(model)
        made = replace(
            plain,
            input=replace(plain.input, shard=shard),
            output=replace(plain.output, counts=Path(name)),
            counting=CountSettings(zones=ZONES.zones),
        )
        run(made)
        assert made.output.counts is not None
        with made.output.counts.open(newline="") as file:
            return list(csv.reader(file))[1:]

    whole = rows("c.csv")
    parts = [row for number in (1, 2) for row in rows("c-{shard}.csv", Shard(number, 2))]
    assert sorted(parts, key=lambda row: int(row[0])) == whole
    assert {path.name for path in Path().glob("c-*.csv")} == {"c-1.csv", "c-2.csv"}
