"""Parts: what is read is what was written, and a damaged part is named."""

from pathlib import Path

import numpy as np
import pytest

from detcli.engine.cluster.parts.part_files import PartReader, PartWriter, names_digest, part_name, range_of
from detcli.engine.cluster.parts.part_folder import PartFolder
from detcli.engine.cluster.worker_job import PartCounts
from detcli.errors import OutputError, UsageError
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin

LABELS = ClassLabels.from_names(["cat", "dog"])


def write(path: Path, count: int = 3) -> list[tuple[Frame | FailedFrame, Detections | FailedFrame]]:
    random = np.random.default_rng(count)
    written: list[tuple[Frame | FailedFrame, Detections | FailedFrame]] = []
    part = PartWriter(path, LABELS, "digest")
    for index in range(count):
        origin = Origin(index, f"in/{index}\udcff.png", f"{index}.png", str(index), source="in")
        if index == 1:
            failed = FailedFrame(origin, "truncated", "cut")
            written.append((failed, failed))
        else:
            corners = np.sort(random.random((4, 2, 2)) * 100, axis=1).reshape(4, 4)
            found = Detections(corners, random.random(4, np.float32), random.integers(0, 2, 4))
            written.append((Frame(origin, (100, 100), pixels=None), found))
        part.write(*written[-1])
    part.finish(PartCounts(images=count - 1, failed=1, boxes=4 * (count - 1)))
    return written


def test_a_part_gives_back_what_was_written_bit_for_bit(tmp_path: Path) -> None:
    written = write(tmp_path / "part")
    part = PartReader(tmp_path / "part")
    assert part.names == "digest"
    assert part.check(classes=2) == PartCounts(2, 1, 8)
    for (frame, found), (own_frame, own) in zip(part.results(), written, strict=True):
        assert frame == own_frame
        if isinstance(found, Detections) and isinstance(own, Detections):
            assert np.array_equal(found.boxes_xyxy, own.boxes_xyxy)
            assert np.array_equal(found.scores, own.scores)
        else:
            assert found == own


def test_a_part_that_is_cut_or_changed_anywhere_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "part"
    write(path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    changed = [whole[:end] for end in range(0, len(whole), 97)] + [b"".join(lines[:-1]), b"".join(lines[1:])]
    changed += [whole + lines[1], whole.replace(b'"counts"', b'"count"'), b"\xff" * 100]
    for content in changed:
        path.write_bytes(content)
        with pytest.raises(OutputError, match="damaged: delete it, and continue the run with `resume`"):
            PartReader(path).check(classes=2)


def test_a_part_that_is_not_finished_leaves_no_file(tmp_path: Path) -> None:
    part = PartWriter(tmp_path / "part", LABELS, "digest")
    part.abort()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bounds", [(0, 1), (0, 512), (999_999_999, 1_000_000_001), (12_345_678_901, 12_345_678_902)])
def test_names_of_parts_tell_their_range(bounds: tuple[int, int]) -> None:
    assert range_of(part_name(*bounds)) == bounds
    assert range_of(part_name(*bounds, ".coco.json")) == bounds
    assert range_of(part_name(*bounds) + "~") is None


def test_names_differ_where_any_file_differs() -> None:
    names = [("in/a.png", "a.png"), ("in/b.png", "b.png")]
    others = [names[::-1], names[:1], [*names, ("c", "c")], [("in/a.pngb", ".png"), names[1]]]
    assert len({names_digest(each) for each in (names, *others)}) == 5


def test_a_folder_of_parts_is_resumed_only_when_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.parts"
    folder = PartFolder(path)
    folder.begin({"model": "a"})
    write(folder.part(0, 3))
    with pytest.raises(OutputError, match=r"locked|another"):
        PartFolder(path, resume=True)
    folder.close(complete=False)
    with pytest.raises(OutputError, match=r"has 1 part of an interrupted run on a cluster: `resume`"):
        PartFolder(path)
    resumed = PartFolder(path, resume=True)
    assert resumed.parts == {0: 3}
    with pytest.raises(UsageError, match='model was "a" and is "b"'):
        resumed.begin({"model": "b"})
    resumed.begin({"model": "a"})
    resumed.close(complete=False)
    fresh = PartFolder(path, overwrite=True)
    assert fresh.parts == {}
    fresh.close(complete=True)
    assert not path.exists()


def test_a_run_without_parts_leaves_no_folder(tmp_path: Path) -> None:
    PartFolder(tmp_path / "x.parts").close(complete=False)
    assert not list(tmp_path.iterdir())


def test_of_a_chunk_and_its_half_the_chunk_counts(tmp_path: Path) -> None:
    for start, end in ((0, 4), (0, 8), (4, 8), (8, 9)):
        (tmp_path / part_name(start, end)).write_bytes(b"")
    (tmp_path / "run.json").write_bytes(b"{}")
    assert PartFolder(tmp_path, resume=True).parts == {0: 8, 8: 9}
