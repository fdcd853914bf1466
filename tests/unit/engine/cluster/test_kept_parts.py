"""Parts in a folder and in an object store: the same files, and no run replaces those of another one unasked."""

import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detcli.engine.cluster.parts.kept_parts import KeptParts, check_kept_parts
from detcli.engine.cluster.parts.part_files import PartReader, PartWriter
from detcli.engine.cluster.parts.part_folder import PartFolder, is_marked
from detcli.engine.cluster.parts.part_storage import exists, names_of, read_file
from detcli.engine.cluster.worker_job import Chunk, PartCounts, VideoItem, WorkerJob
from detcli.engine.cluster.worker_outputs import WorkerOutputs
from detcli.engine.observer import Observer
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.output_targets import ResultTarget
from detcli.engine.requests.run_request import ImageInputSettings, ImageRequest, OutputSettings
from detcli.errors import DeviceError, OutputError, UsageError
from detcli.io.atomic_write import write_atomically
from detcli.io.remote.store_path import as_path
from detcli.pipeline.run import close_sinks
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.run_info import RunInfo, now

LABELS = ClassLabels.from_names(["cat", "dog"])


@pytest.fixture(params=["disk", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of the results."""
    if request.param == "disk":
        (tmp_path / "out").mkdir()
        return tmp_path / "out"
    pytest.importorskip("fsspec")
    return as_path(f"memory://{uuid.uuid4().hex}/out")


def write_part(path: Path) -> None:
    part = PartWriter(path, LABELS, "digest")
    for index, boxes in enumerate(([[1.0, 2.0, 30.5, 40.25]], [])):
        found = Detections(
            np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.5, np.float32), np.zeros(len(boxes), int)
        )
        part.write(
            Frame(Origin(index, f"in/{index}.png", f"{index}.png", str(index), source="in"), (50, 50), None), found
        )
    failed = FailedFrame(Origin(2, "in/2.png", "2.png", "2", source="in"), "truncated", "cut")
    part.write(failed, failed)
    part.finish(PartCounts(images=2, failed=1, boxes=1))


def test_a_part_reads_back_wherever_it_is(folder: Path) -> None:
    path = folder / "part-000000000-000000002.jsonl"
    aborted = PartWriter(path, LABELS, "digest")
    aborted.abort()
    assert not exists(path)
    write_part(path)
    part = PartReader(path)
    assert (part.names, part.check(classes=2)) == ("digest", PartCounts(2, 1, 1))
    results = list(part.results())
    assert [frame.origin.relative for frame, _ in results] == ["0.png", "1.png", "2.png"]
    found = results[0][1]
    assert isinstance(found, Detections)
    assert found.boxes_xyxy.tolist() == [[1.0, 2.0, 30.5, 40.25]]
    assert isinstance(results[2][1], FailedFrame)
    whole = read_file(path)
    for content in (whole[:-5], whole.partition(b"\n")[2], b"", b"\xff" * 50):
        write_atomically(path, content)
        with pytest.raises(OutputError, match="damaged: delete it"):
            PartReader(path).check(classes=2)


def test_a_run_is_resumed_or_replaced_only_when_asked(folder: Path) -> None:
    parts = folder / ".parts"
    first = PartFolder(parts)
    first.begin({"model": "a"})
    assert is_marked(parts, first.token)
    assert not is_marked(parts, "other")
    write_part(first.part(0, 3))
    assert (first.has_part(0, 3), first.has_part(3, 6)) == (True, False)
    first.close(complete=False)
    with pytest.raises(
        OutputError, match=r"\.parts' has 1 part of an interrupted run on a cluster: `resume` continues"
    ):
        PartFolder(parts)
    second = PartFolder(parts, resume=True)
    assert second.parts == {0: 3}
    with pytest.raises(UsageError, match='model was "a" and is "b"'):
        second.begin({"model": "b"})
    second.begin({"model": "a"})
    for _ in range(2):  # the first time, it is read ahead
        assert second.read_part(0, 3).check(classes=2) == PartCounts(2, 1, 1)
    second.close(complete=False)
    third = PartFolder(parts, overwrite=True)
    assert (third.parts, third.has_part(0, 3)) == ({}, False)
    third.begin({"model": "b"})
    third.close(complete=True)
    assert not exists(parts)
    assert names_of(folder) == []


def test_a_run_without_parts_leaves_nothing(folder: Path) -> None:
    PartFolder(folder / ".parts").close(complete=False)
    assert names_of(folder) == []


def test_a_run_in_a_store_is_not_joined_by_another() -> None:
    pytest.importorskip("fsspec")
    parts = as_path(f"memory://{uuid.uuid4().hex}/out/.parts")
    running = PartFolder(parts)
    with pytest.raises(
        OutputError, match="is of a run that is still running or was interrupted: `resume` continues it once"
    ):
        PartFolder(parts)
    assert is_marked(parts, running.token)
    PartFolder(parts, overwrite=True).close(complete=True)
    PartFolder(parts).close(complete=True)


def test_other_files_of_parts_are_removed_and_nothing_else(folder: Path) -> None:
    kept = KeptParts(ResultTarget("csv", folder))
    assert kept.names() == []
    others = [
        "part-000000004-000000007.csv",
        "part-000000000-000000003.parquet",
        "part-000000000-000000001.partial.csv",
    ]
    for name in ("part-000000000-000000003.csv", *others, "mine.csv", "part-1.csv"):
        write_atomically(folder / name, b"x")
    assert kept.has(0, 4)
    assert not kept.has(0, 8)
    assert set(others) < set(kept.names())
    kept.keep_only({0: 4})
    assert sorted(names_of(folder)) == ["mine.csv", "part-000000000-000000003.csv", "part-1.csv"]


def test_parts_that_are_there_are_an_error_kept_or_replaced(folder: Path) -> None:
    plan = OutputPlan((), parts=folder / ".parts", kept=ResultTarget("csv", folder))
    output = OutputSettings(outputs=(f"{folder}/",), format="csv")
    ways = [replace(output, if_exists=way) for way in ("error", "overwrite", "skip")] + [replace(output, resume=True)]
    assert [check_kept_parts(plan, way) for way in ways] == [True] * 4
    write_atomically(folder / "part-000000000-000000003.csv", b"x")
    error, overwrite, skip, resume = ways
    with pytest.raises(OutputError, match=r"out' has the part 'part-000000000-000000003.csv': `if_exists=overwrite`"):
        check_kept_parts(plan, error)
    with pytest.raises(OutputError, match="there is no interrupted run to resume"):
        check_kept_parts(plan, resume)
    assert check_kept_parts(plan, overwrite)
    assert not check_kept_parts(plan, skip)
    write_atomically(folder / "part-000000004-000000007.csv", b"x")
    write_atomically(folder / ".parts" / "run.mark", b"x")
    for way in (error, skip):
        with pytest.raises(
            OutputError, match=r"has 2 parts, 'part-000000000-0.*to 'part-000000004-.*`resume` continues"
        ):
            check_kept_parts(plan, way)
    assert check_kept_parts(plan, resume)
    assert check_kept_parts(plan, overwrite)


@pytest.mark.parametrize("name", ["csv", "jsonl", "coco", "parquet"])
def test_a_chunk_that_fails_leaves_no_results(folder: Path, name: str) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    output = OutputSettings(outputs=(f"{folder}/",), format=name)
    request = ImageRequest(input=ImageInputSettings(sources=("in",)), output=output)
    plan = OutputPlan((), parts=folder / ".parts", kept=ResultTarget(name, folder))
    job = WorkerJob(request, plan, folder / ".parts", Path(), "", 1)
    outputs = WorkerOutputs(job, RunInfo("m", None, "0" * 64, "1", LABELS, now(), {}), False, Observer())
    chunk = Chunk(0, (VideoItem("a", "a"), VideoItem("b", "b")), "digest", "a")

    def fail() -> None:
        with outputs.open(chunk) as (sinks, _):
            assert close_sinks(sinks, complete=False) is None  # as the pipeline does after an error
            raise DeviceError("out of memory")

    with pytest.raises(DeviceError):
        fail()
    assert [each for each in names_of(folder) if each != ".parts"] == []
    assert outputs.write_failed(chunk, "ended") == PartCounts(failed=2)
    assert KeptParts(ResultTarget(name, folder)).has(0, 2)
