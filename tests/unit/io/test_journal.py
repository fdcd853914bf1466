import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detcli.errors import OutputError, UsageError
from detcli.io.journal import Journal, journal_path
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import from_record
from tests.helpers.processes import environment

LABELS = ClassLabels.from_names(["cat", "dog"])
HEADER = {"detcli": "0.1.0", "model": "dfine-s", "sha256": "a" * 64, "arguments": {"threshold": 0.4, "classes": ()}}


def open_journal(path: Path, header: dict[str, object] = HEADER, **flags: bool) -> Journal:
    return Journal.open(path, header, labels=LABELS, **flags)


def result(index: int) -> tuple[Frame, Detections]:
    random = np.random.default_rng(index)
    boxes = np.sort(random.random((3, 2, 2)), axis=1).reshape(3, 4) * 1000
    found = Detections(boxes, random.random(3, np.float32), random.integers(0, 2, 3))
    return Frame(
        Origin(index, f"in/{index}\udcff.jpg", f"{index}\udcff.jpg", f"{index}\udcff"), (1000, 1000), None
    ), found


def interrupted(path: Path, count: int) -> None:
    journal = open_journal(path)
    for index in range(count):
        journal.write(*result(index))
    journal.close(complete=False)


def test_the_journal_is_next_to_the_output() -> None:
    assert journal_path(Path("out/x.coco.json")) == Path("out/x.coco.json.journal")


def test_a_complete_run_leaves_no_journal(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    journal.write(*result(0))
    journal.close(complete=True)
    journal.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_run_interrupted_before_its_first_result_leaves_none(tmp_path: Path) -> None:
    open_journal(tmp_path / "j").close(complete=False)
    assert list(tmp_path.iterdir()) == []


def test_results_are_replayed_exactly(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 5)
    journal = open_journal(tmp_path / "j", resume=True)
    assert journal.done == 5
    for index, (record, relative, stem) in enumerate(journal.replay()):
        frame, found = result(index)
        again, found_again = from_record(record, relative=relative, stem=stem)
        assert again == frame
        assert isinstance(found_again, Detections)
        assert found_again.boxes_xyxy.tolist() == found.boxes_xyxy.tolist()
        assert found_again.scores.tolist() == found.scores.tolist()
        assert found_again.class_ids.tolist() == found.class_ids.tolist()
    journal.close(complete=True)


def test_a_resumed_run_continues_after_the_last_result(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 2)
    journal = open_journal(tmp_path / "j", resume=True)
    journal.write(*result(2))
    journal.close(complete=False)
    journal = open_journal(tmp_path / "j", resume=True)
    assert [record["index"] for record, _, _ in journal.replay()] == [0, 1, 2]
    journal.abort()


def test_failures_are_results_too(tmp_path: Path) -> None:
    failed = FailedFrame(Origin(0, "x", "x", "x"), "empty", "cannot read 'x': it is empty")
    journal = open_journal(tmp_path / "j")
    journal.write(failed, failed)
    journal.close(complete=False)
    journal = open_journal(tmp_path / "j", resume=True)
    [(record, relative, stem)] = journal.replay()
    assert from_record(record, relative=relative, stem=stem) == (failed, failed)
    journal.abort()


def test_after_a_flush_a_kill_loses_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    journal.write(*result(0))
    journal.flush()
    journal.write(*result(1))
    assert len((tmp_path / "j").read_bytes().splitlines()) == 2  # header and the flushed one
    journal.abort()


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_an_incomplete_last_line_is_removed(tmp_path: Path, cut: int) -> None:
    interrupted(tmp_path / "j", 3)
    data = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(data[:-cut])
    journal = open_journal(tmp_path / "j", resume=True)
    assert journal.done == 2
    journal.write(*result(2))
    journal.close(complete=False)
    assert (tmp_path / "j").read_bytes() == data


def test_zeros_after_a_power_cut_are_removed(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 2)
    with (tmp_path / "j").open("ab") as file:
        file.write(bytes(4096) + b"\n")
    journal = open_journal(tmp_path / "j", resume=True)
    assert journal.done == 2
    journal.abort()


@pytest.mark.parametrize("length", [0, 5, 40])
def test_an_incomplete_header_starts_a_new_run(tmp_path: Path, length: int) -> None:
    interrupted(tmp_path / "j", 1)
    (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes()[:length])
    for flags in ({"resume": True}, {}):
        journal = open_journal(tmp_path / "j", **flags)
        assert journal.done == 0
        assert list(journal.replay()) == []
        journal.abort()


def test_resume_without_a_journal_starts_a_new_run(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "new" / "j", resume=True)
    assert journal.done == 0
    journal.close(complete=True)


def test_an_old_journal_is_an_error_that_names_the_options(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 2)
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(OutputError, match=r"has 2 results .*`resume`.*`if_exists=overwrite`"):
        open_journal(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == before
    journal = open_journal(tmp_path / "j", overwrite=True)
    assert journal.done == 0
    journal.abort()


def test_another_run_to_the_same_output_is_locked_out(tmp_path: Path) -> None:
    first = open_journal(tmp_path / "j")
    for flags in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputError, match="is locked: another run"):
            open_journal(tmp_path / "j", **flags)
    first.write(*result(0))
    first.close(complete=False)
    open_journal(tmp_path / "j", resume=True).abort()


def test_resume_with_other_arguments_names_the_difference(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 1)
    other = HEADER | {"sha256": "b" * 64, "arguments": {"threshold": 0.5, "classes": []}}
    with pytest.raises(UsageError) as caught:
        open_journal(tmp_path / "j", other, resume=True)
    assert "threshold was 0.4 and is 0.5" in str(caught.value)
    assert "sha256 was" in str(caught.value)
    assert "classes" not in str(caught.value)
    assert "model" not in str(caught.value)
    open_journal(tmp_path / "j", HEADER | {"created": "later"}, resume=True).abort()


def test_a_file_that_is_not_a_journal_is_never_changed(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"my diary\n")
    with pytest.raises(OutputError, match="is not a journal of detcli"):
        open_journal(tmp_path / "j", overwrite=True)
    assert (tmp_path / "j").read_bytes() == b"my diary\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")
def test_a_stream_has_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "j")
    with pytest.raises(OutputError, match="stream"):
        open_journal(tmp_path / "j")


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.io import test_journal as t
journal = t.open_journal(Path(sys.argv[1]))
for index in range(3):
    journal.write(*t.result(index))
    journal.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_run_releases_its_lock_and_can_be_resumed(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "j")], check=False, timeout=60, env=environment()
    )
    assert run.returncode == -signal.SIGKILL
    journal = open_journal(tmp_path / "j", resume=True)
    assert journal.done == 3
    journal.close(complete=True)


def test_every_line_is_json_with_the_names_of_the_image(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 2)
    header, *records = map(json.loads, (tmp_path / "j").read_bytes().splitlines())
    assert header["sha256"] == "a" * 64
    assert [record["stem"] for record in records] == ["0\udcff", "1\udcff"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", "0"), ("index", -1), ("file", None), ("relative", 3), ("stem", []), ("error", "text"), ("error", {}),
        ("error", {"code": "no-such-code", "message": ""}), ("width", 0), ("width", None), ("height", 1e9), ("detections", None),
        ("detections", {}), ("detections", [None]), ("boxes_xyxy", None), ("boxes_xyxy", [[0, 0, 1]] * 3), ("boxes_xyxy", [[0, 0, 1, 1]] * 2),
        ("boxes_xyxy", [[0, 0, 1e308, 1e308]] * 3), ("boxes_xyxy", [["0", 0, 1, 1]] * 3), ("boxes_xyxy", [[float("nan")] * 4] * 3),
        ("frame", "1"), ("time_s", "1"), ("time_s", float("inf")),
    ],
)  # fmt: skip
def test_a_record_with_a_wrong_field_is_computed_again(field: str, value: object, tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 3)
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    record = json.loads(lines[2])
    record[field] = value
    lines[2] = json.dumps(record).encode() + b"\n"
    (tmp_path / "j").write_bytes(b"".join(lines))
    journal = open_journal(tmp_path / "j", resume=True)
    assert [record["index"] for record, _, _ in journal.replay()] == [0]
    assert journal.remarks == (
        f"line 3 of '{tmp_path / 'j'}' was damaged: its results and those after it were computed again",
    )
    journal.close(complete=True)


@pytest.mark.parametrize(
    "field", ["index", "file", "relative", "stem", "error", "width", "height", "detections", "boxes_xyxy"]
)
def test_a_record_without_a_field_is_computed_again(field: str, tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 2)
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    record = json.loads(lines[2])
    del record[field]
    (tmp_path / "j").write_bytes(b"".join([*lines[:2], json.dumps(record).encode() + b"\n"]))
    journal = open_journal(tmp_path / "j", resume=True)
    assert journal.done == 1
    journal.close(complete=True)


def test_an_incomplete_last_line_is_no_remark(tmp_path: Path) -> None:
    interrupted(tmp_path / "j", 2)
    (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes()[:-5])
    journal = open_journal(tmp_path / "j", resume=True)
    assert (journal.done, journal.remarks) == (1, ())
    journal.close(complete=True)
