"""Counts in stored results of drawn ways, without a model."""

import csv
import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import detcli
from detcli.errors import InputError, NoDataError, OutputError, UsageError
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo
from tests.helpers.stored_results import Remarks, store, suffix_of
from tests.unit.counting.test_source_counter import SIZE_HW, detections, walk

INFO = RunInfo("dfine-s", "abc", "0" * 64, "0.1.0", ClassLabels.from_names(["cat"]), "2025-01-01T00:00:00Z", {})
LINES, ZONES = {"gate": (0, 50, 200, 50)}, {"yard": [(0, 0), (100, 0), (100, 100), (0, 100)]}


def video(*names: str, times: bool = True) -> list[Result]:
    """Frames of several videos in turn: an object that crosses upward in each, with a gap on the way."""
    results: list[Result] = []
    for number, boxes in enumerate(walk(1, (50, 90), (50, 10))):
        for name in names:
            origin = Origin(
                len(results), f"{name}.mp4", f"{name}/frame_{number:06d}.jpg", f"{name}/frame_{number:06d}", number,
                number / 10 if times else None, name,
            )  # fmt: skip
            if number == 5:
                failed = FailedFrame(origin, "gap", "the stream was interrupted")
                results.append((failed, failed))
            else:
                results.append((Frame(origin, SIZE_HW, None), detections(*boxes)))
    return results


def events(path: Path) -> Counter[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(path.read_text(), newline=""))
    return Counter((Path(row["file"]).stem, row["event"]) for row in rows)


@pytest.mark.parametrize("name", ["jsonl", "coco", "parquet", "csv"])
def test_every_format_with_times_and_tracks_gives_the_same_events(name: str, tmp_path: Path) -> None:
    stored = store(tmp_path / f"r{suffix_of(name)}", video("a", "b"), INFO, name, tracks=True)
    remarks = Remarks()
    detcli.count_results(
        stored, tmp_path / "c.csv", events=tmp_path / "e.csv", lines=LINES, zones=ZONES, observer=remarks
    )
    assert events(tmp_path / "e.csv") == {(file, kind): 1 for file in "ab" for kind in ("in", "enter", "end")}
    assert any("no frames without detections" in remark for remark in remarks.said) == (name == "csv")


def test_totals_are_given_to_the_observer(tmp_path: Path) -> None:
    stored = store(tmp_path / "r.jsonl", video("a"), INFO, "jsonl", tracks=True)

    class Totals(detcli.Observer):
        def on_counts(self, totals: object) -> None:
            self.totals = totals

    observer = Totals()
    detcli.count_results(stored, tmp_path / "c.csv", lines=LINES, zones=ZONES, observer=observer)
    gate = detcli.CountTotals("a.mp4", "line", "gate", True, into=1)
    yard = detcli.CountTotals("a.mp4", "zone", "yard", True, entered=1, ended=1, maximum=1, dwell_s=1.0)
    assert observer.totals == [gate, yard]


def test_images_are_counted_by_zone(tmp_path: Path) -> None:
    found = detections((1, 50, 90), (2, 150, 90), tracks=False)
    results: list[Result] = [(Frame(Origin(0, "a.jpg", "a.jpg", "a"), SIZE_HW, None), found)]
    stored = store(tmp_path / "r.jsonl", results, INFO, "jsonl")
    detcli.count_results(stored, tmp_path / "c.csv", zones=ZONES)
    rows = [line.split(",")[2:6] for line in (tmp_path / "c.csv").read_text().splitlines()[1:]]
    assert rows == [["", "", "", "2"], ["", "cat", "1", "2"], ["yard", "", "", "1"], ["yard", "cat", "1", "1"]]


def refused(tmp_path: Path, results: list[Result], error: type[Exception], message: str, **given: object) -> None:
    """The call raises, and leaves no table."""
    tracks = any(isinstance(found, Detections) and found.track_ids is not None for _, found in results)
    stored = store(tmp_path / "r.jsonl", results, INFO, "jsonl", tracks=tracks)
    outputs = {"counts": tmp_path / "c.csv"} | given
    with pytest.raises(error, match=message):
        detcli.count_results(stored, **outputs)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.jsonl"]


def test_what_results_lack_is_said_before_a_table_exists(tmp_path: Path) -> None:
    image = Frame(Origin(0, "a.jpg", "a.jpg", "a"), SIZE_HW, None)
    plain = detections((1, 50, 90), tracks=False)
    no_tracks: list[Result] = [
        (frame, plain) for frame, found in video("a") if isinstance(frame, Frame) and isinstance(found, Detections)
    ]
    refused(tmp_path, no_tracks, UsageError, "lines need track ids, and these results have none", lines=LINES)
    refused(tmp_path, [(image, plain)], UsageError, "results of images, and lines are for videos", lines=LINES)
    refused(tmp_path, [(image, plain)], UsageError, "results of images, and events are", events=tmp_path / "e.csv")
    refused(tmp_path, video("a", times=False), UsageError, "it has no time", lines=LINES)
    refused(tmp_path, video("a"), UsageError, "`events` needs `lines` or `zones`", events=tmp_path / "e.csv")
    refused(tmp_path, video("a"), UsageError, "no output is named", counts=None)
    refused(tmp_path, video("a"), UsageError, "is outside the frames of 'a.mp4'", lines={"far": (0, 500, 9, 500)})


def test_damaged_results_and_existing_tables_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(NoDataError):
        detcli.count_results(tmp_path / "none.jsonl", tmp_path / "c.csv")
    stored = store(tmp_path / "r.jsonl", video("a"), INFO, "jsonl", tracks=True)
    (tmp_path / "c.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        detcli.count_results(stored, tmp_path / "c.csv")
    assert detcli.count_results(stored, tmp_path / "c.csv", if_exists="skip").skipped
    with pytest.raises(UsageError, match="input and output at once"):
        detcli.count_results(stored, tmp_path / "r.jsonl", if_exists="overwrite")
    whole = stored.read_bytes()
    stored.write_bytes(whole[: len(whole) - 40] + b"\n")
    with pytest.raises(InputError):
        detcli.count_results(stored, tmp_path / "c.csv", if_exists="overwrite")
    assert (tmp_path / "c.csv").read_text() == "mine"


def test_torch_is_not_needed() -> None:
    script = "import sys; import detcli.engine.results.count_results; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
