"""Counts of `detcli video`, `detect` and `count`, of drawn objects whose way is known."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.helpers.cli_runs import Run
from tests.helpers.moving_objects import FRAMES, LINE, ZONE, drawn, moving_objects
from tests.helpers.video_frames import frames_of

Detcli = Callable[..., Run]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the video, forward and backward."""
    folder = tmp_path_factory.mktemp("moving")
    moving_objects(folder / "in.mp4")
    moving_objects(folder / "back.mp4", backward=True)
    return folder


@pytest.fixture
def track(detcli: Detcli, moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detcli:
    """Run `detcli video --track` with the bundled model, in an empty folder with the videos."""
    monkeypatch.chdir(tmp_path)
    for video in moving.iterdir():
        (tmp_path / video.name).symlink_to(video)

    def run(*arguments: str, **others: Any) -> Run:
        return detcli("video", "-m", "shapes", "-d", "cpu", "--track", *arguments, **others)

    return run


def rows(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def events(path: str | Path = "e.csv") -> list[tuple[str, str, str, str]]:
    return [(row["file"], row["name"], row["event"], row["label"]) for row in rows(path)]


def totals(path: str | Path, kind: str, column: str) -> int:
    return sum(int(row[column]) for row in rows(path) if row["kind"] == kind and not row["label"])


def test_crossings_and_visits_are_those_of_the_drawn_ways(track: Detcli) -> None:
    run = track(
        "in.mp4", "--line", LINE, "--zone", ZONE, "--counts", "c.csv", "--events", "e.csv", "--bin", "1",
        "--save-video", "out.mp4", "-o", "out.jsonl",
    )  # fmt: skip
    assert run.code == 0, run.err
    assert events() == [
        ("in.mp4", "low", "enter", "square"),
        ("in.mp4", "gate", "out", "circle"),
        ("in.mp4", "low", "enter", "circle"),
        ("in.mp4", "low", "leave", "square"),
        ("in.mp4", "gate", "in", "square"),
        ("in.mp4", "low", "end", "circle"),
    ]
    crossed = [row for row in rows("e.csv") if row["kind"] == "line"]
    assert [float(row["time_s"]) for row in crossed] == pytest.approx([0.8, 1.3], abs=0.11)
    per_bin = [
        (row["start_s"], row["frames"], row["in"], row["out"], row["label"])
        for row in rows("c.csv")
        if row["kind"] == "line"
    ]
    assert per_bin == [
        ("0.0", "10", "0", "1", ""), ("0.0", "10", "0", "1", "circle"),
        ("1.0", "10", "1", "0", ""), ("1.0", "10", "1", "0", "square"),
        ("2.0", "1", "0", "0", ""),
    ]  # fmt: skip
    last = [row for row in rows("c.csv") if row["kind"] == "zone" and row["start_s"] == "2.0" and not row["label"]]
    assert [(row["present"], row["ended"]) for row in last] == [("1", "1")]
    assert "line 'gate': 1 in, 1 out" in run.err
    assert re.search(r"zone 'low': 2 visits, 1\.\d s on average, at most [12] at a time", run.err)
    assert frames_of(Path("out.mp4")) == FRAMES


def test_backward_video_and_swapped_points_swap_in_and_out(track: Detcli) -> None:
    swapped = "gate=100%,50%,0,50%"
    found = []
    for name, line in (("in.mp4", LINE), ("back.mp4", LINE), ("in.mp4", swapped)):
        assert track(name, "--line", line, "--events", "e.csv", "--counts", "c.csv", "-y", "-o", "r.csv").code == 0
        found.append({(label, event) for _, _, event, label in events()})
    assert found[0] == {("circle", "out"), ("square", "in")}
    assert found[1] == found[2] == {("circle", "in"), ("square", "out")}


def test_each_source_has_its_own_counts(track: Detcli) -> None:
    run = track("in.mp4", "back.mp4", "--line", LINE, "--counts", "c.jsonl", "--events", "{name}-events.csv")
    assert run.code == 0, run.err
    counted = {}
    for line in Path("c.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "line" and row["label"] is not None:
            counted[row["file"], row["label"]] = row["in"], row["out"]
    assert counted == {
        ("in.mp4", "circle"): (0, 1), ("in.mp4", "square"): (1, 0),
        ("back.mp4", "circle"): (1, 0), ("back.mp4", "square"): (0, 1),
    }  # fmt: skip
    assert {file for file, *_ in events("in-events.csv")} == {"in.mp4"}
    assert {file for file, *_ in events("back-events.csv")} == {"back.mp4"}
    assert "'back.mp4', line 'gate': 1 in, 1 out" in run.err


def test_stored_results_give_the_tables_of_the_run(track: Detcli, detcli: Detcli) -> None:
    given = ("--line", LINE, "--zone", ZONE, "--bin", "0:01")
    outputs = ("-o", "out.jsonl", "-o", "out.json")
    assert track("in.mp4", "back.mp4", *given, "--counts", "c.csv", "--events", "e.csv", *outputs).code == 0
    done = detcli("count", "out.jsonl", *given, "--counts", "c2.csv", "--events", "e2.csv")
    assert done.code == 0, done.err
    assert Path("c2.csv").read_text() == Path("c.csv").read_text()
    assert Path("e2.csv").read_text() == Path("e.csv").read_text()
    of_coco = detcli("count", "out.json", *given, "--counts", "c3.csv", "--events", "e3.csv")
    assert of_coco.code == 0, of_coco.err
    stems = [(Path(file).stem, *others) for file, *others in events("e.csv")]
    assert events("e3.csv") == stems, "COCO has the names of frames, without the suffix of the video"


def test_stride_keeps_the_crossings_and_counts_its_frames(track: Detcli) -> None:
    run = track("in.mp4", "--stride", "3", "--line", LINE, "--counts", "c.csv", "-o", "r.jsonl")
    assert run.code == 0, run.err
    assert (totals("c.csv", "line", "in"), totals("c.csv", "line", "out")) == (1, 1)
    assert totals("c.csv", "frame", "frames") == 7


def test_a_live_run_counts_the_frames_that_it_processed(track: Detcli) -> None:
    run = track("in.mp4", "--live", "--line", LINE, "--counts", "c.csv", "-o", "r.jsonl")
    assert run.code == 0, run.err
    assert totals("c.csv", "frame", "frames") == len(Path("r.jsonl").read_text().splitlines()) > 0


def test_without_tracks_zones_have_no_columns_of_visits(detcli: Detcli, track: Detcli) -> None:
    run = detcli("video", "-m", "shapes", "-d", "cpu", "in.mp4", "--zone", ZONE, "--counts", "c.csv", "-o", "r.jsonl")
    assert run.code == 0, run.err
    assert {*rows("c.csv")[0]} == {
        "file", "start_s", "end_s", "frames", "kind", "name", "label", "category_id", "present", "maximum", "mean",
    }  # fmt: skip
    assert re.search(r"zone 'low': at most [12] at a time", run.err)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--line", "gate=0,900,384,900"],
            2,
            "the line 'gate' is outside the frames of 'in.mp4', which have 384 x 288 pixels",
        ),
        (["--line", "gate=9,9,9,9"], 2, "the line 'gate' has no length"),
        (["--line", "gate=1,2,3"], 2, "needs two points"),
        (["--zone", "yard=0,0,99,99,99,0,0,99"], 2, "the zone 'yard' crosses itself"),
        (["--zone", "yard=0,0,99,99"], 2, "needs three points or more"),
        (["--line", "a=0,0,99,99", "--line", "a=0,0,9,9"], 2, "two lines have the name 'a'"),
        (["--line", "a=0,0,99,99", "--zone", "a=0,0,9,9,0,9"], 2, "a line and a zone have the name 'a'"),
        (["--line", LINE, "--counts", "c.txt"], 2, "'c.txt' must be a .csv or a .jsonl file"),
        (["--line", LINE, "--counts", "-"], 2, "--counts cannot be standard output"),
        (["--line", LINE, "--counts", "c.csv", "--events", "c.csv"], 2, "two outputs would go to 'c.csv'"),
        (["--line", LINE, "--counts", "r.csv"], 2, "two outputs would go to 'r.csv'"),
        (["--line", LINE, "--counts", "there.csv"], 8, "'there.csv' exists: --if-exists overwrite (or -y) replaces it"),
        (["--events", "e.csv"], 2, "--events needs --line or --zone"),
        (["--line", LINE, "--margin", "3"], 2, "--margin must be a share"),
        (["--line", LINE, "--bin", "0"], 2, "must be greater than 0"),
        (["--line", LINE, "--anchor", "top"], 2, "'top' is not one of 'bottom-center', 'center'"),
        (["--line", LINE, "--resume"], 2, "--resume cannot be combined with --track"),
    ],
)
def test_bad_input_is_said_before_the_first_frame(track: Detcli, arguments: list[str], code: int, message: str) -> None:
    Path("there.csv").write_text("old\n")
    run = track("in.mp4", "-o", "r.csv", *arguments)
    assert (run.code, message in run.err) == (code, True), run.err
    assert len(run.err.splitlines()) <= 2, "the message, and perhaps where the options are listed"
    assert Path("there.csv").read_text() == "old\n"
    assert not [name for name in ("r.csv", "c.csv", "e.csv") if Path(name).exists()]


@pytest.mark.parametrize("option", [("--line", LINE), ("--zone", ZONE, "--events", "e.csv")])
def test_lines_and_events_need_tracks(detcli: Detcli, track: Detcli, option: tuple[str, ...]) -> None:
    run = detcli("video", "in.mp4", "-m", "shapes", *option)
    assert run.code == 2
    assert f"{option[-2]} needs --track" in run.err


def test_a_line_that_is_partly_outside_is_a_warning(track: Detcli) -> None:
    run = track("in.mp4", "--line", "gate=0,144,900,144", "--max-frames", "2", "-o", "r.jsonl")
    assert run.code == 0
    assert "the line 'gate' is partly outside the frames of 'in.mp4'" in run.err


def test_images_are_counted_by_zone_and_class(detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(3):
        Image.fromarray(drawn(10 * number)).save(f"in/{number}.png")
    Path("in/zz.png").write_bytes(b"not an image")
    halves = ("--zone", "left=0,0,50%,0,50%,100%,0,100%", "--zone", "right=50%,0,100%,0,100%,100%,50%,100%")
    given = ("-m", "shapes", "-d", "cpu", *halves, "--zone", "away=900,0,999,0,999,99")
    run = detcli("detect", "in", *given, "--counts", "c.csv", "-o", "out.jsonl")
    assert run.code == 3, run.err
    counted = {(row["index"], row["zone"], row["label"]): row["count"] for row in rows("c.csv")}
    for index in ("0", "1", "2"):
        assert counted[index, "", ""] == "2"
        assert counted[index, "left", ""] == counted[index, "left", "circle"] == "1"
        assert counted[index, "right", "square"] == "1"
        assert counted[index, "away", ""] == "0"
    assert [row["error"] for row in rows("c.csv") if row["index"] == "3"] == ["not-an-image"]
    assert "the zone 'away' is outside 3 images" in run.err
    again = detcli("count", "out.jsonl", *halves, "--zone", "away=900,0,999,0,999,99")
    assert again.code == 0
    assert again.out.encode() == Path("c.csv").read_bytes()


def test_what_stored_results_lack_is_said(detcli: Detcli, track: Detcli) -> None:
    assert (
        detcli("video", "in.mp4", "-m", "shapes", "-d", "cpu", "--max-frames", "2", "-o", "r.jsonl", "-o", "r.csv").code
        == 0
    )
    no_tracks = detcli("count", "r.jsonl", "--line", LINE, "--counts", "c.csv")
    assert no_tracks.code == 2
    assert "lines need track ids, and these results have none" in no_tracks.err
    assert detcli("count", "r.csv", "--counts", "c.csv").err.startswith("detcli: CSV has no frames without detections")
    same = detcli("count", "r.csv", "--counts", "r.csv", "-y")
    assert same.code == 2
    assert "is input and output at once" in same.err
    exists = detcli("count", "r.jsonl", "--counts", "c.csv")
    assert exists.code == 8
