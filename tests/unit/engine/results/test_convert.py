"""Conversions of stored results: what stays, what is lost and said, and what is refused before anything is written."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.engine.requests.run_request import OutputSettings
from detcli.engine.results.open_results import open_results
from detcli.engine.results.results_request import ResultsRequest, StoredInput
from detcli.engine.results.write_results import write_results
from detcli.errors import DetcliError, InputError, NoDataError, OutputError, UsageError
from detcli.io.results import read_results
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo
from tests.helpers.cli_runs import image
from tests.helpers.sink_fixtures import LABELS, frame_named, info, random_detections, results, seeded_results, segments
from tests.helpers.stored_results import content, convert, store, suffix_of

__all__ = ["info", "results", "segments"]

FORMATS = ("jsonl", "coco", "csv", "parquet", "label-studio")
OWN_BYTES = ("jsonl", "coco", "csv", "parquet")


def with_extras(seed: int, count: int) -> Detections:
    """Boxes with track ids and standard deviations."""
    random = np.random.default_rng(seed)
    found = random_detections(seed, count)
    std = random.random((count, 4), np.float32).astype(np.float64)
    return replace(found, track_ids=np.arange(1, count + 1), box_std=std)


def values(path: Path, name: str) -> list[tuple[object, ...]]:
    """What results hold, rounded as the formats round it."""
    found = []
    for stored in read_results(path, format_name=name):
        boxes = [
            (b.label, b.category_id, np.float32(b.score), b.track_id, b.mask, tuple(np.round(b.bbox, 3).tolist()))
            for b in stored.boxes or ()
        ]
        found.append((Path(stored.file or "").name, stored.size_hw, stored.frame, stored.error, boxes))
    return found


@pytest.mark.parametrize("name", OWN_BYTES)
def test_the_same_format_gives_the_same_bytes(name: str, tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    first = store(tmp_path / f"a{suffix_of(name)}", results, info, name, header=name == "jsonl")
    convert(first, tmp_path / f"b{suffix_of(name)}", name)
    assert content(first) == content(tmp_path / f"b{suffix_of(name)}")


@pytest.mark.parametrize("name", ["jsonl", "coco", "parquet"])
def test_masks_keep_their_bytes(name: str, tmp_path: Path, info: RunInfo, segments: list[Result]) -> None:
    first = store(tmp_path / f"a{suffix_of(name)}", segments, info, name)
    convert(first, tmp_path / f"b{suffix_of(name)}", name)
    assert content(first) == content(tmp_path / f"b{suffix_of(name)}")


@pytest.mark.parametrize("name", OWN_BYTES)
@pytest.mark.parametrize("seed", range(5))
def test_tracks_and_uncertainty_keep_their_bytes(name: str, seed: int, tmp_path: Path, info: RunInfo) -> None:
    listed = [(frame_named(f"{i}.jpg", i), with_extras(10 * seed + i, i % 4 + 1)) for i in range(6)]
    first = store(tmp_path / f"a{suffix_of(name)}", listed, info, name, tracks=True, uncertainty=True)
    convert(first, tmp_path / f"b{suffix_of(name)}", name)
    assert content(first) == content(tmp_path / f"b{suffix_of(name)}")


@pytest.mark.parametrize("there", FORMATS)
@pytest.mark.parametrize("back", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_round_trips_keep_the_values(there: str, back: str, seed: int, tmp_path: Path, info: RunInfo) -> None:
    """Every image has boxes, which every format can hold."""
    listed = [(frame_named(f"{i}.jpg", i), random_detections(9 * seed + i, i % 4 + 1)) for i in range(9)]
    first = store(tmp_path / f"a{suffix_of(back)}", listed, info, back)
    between, last = tmp_path / f"b{suffix_of(there)}", tmp_path / f"c{suffix_of(back)}"
    convert(first, between, there)
    convert(between, last, back)
    assert values(last, back) == values(first, back)


@pytest.mark.parametrize("seed", range(3))
def test_lines_become_the_coco_file_of_the_run(seed: int, tmp_path: Path, info: RunInfo) -> None:
    """Failed and empty images, provenance, ids, names below the folder that the run was given."""
    of_run = replace(info, arguments={"sources": ["in/"], "threshold": 0.4})
    listed = [*seeded_results(30 + seed), (frame_named("sub/x.jpg", 30 + seed), random_detections(1, 40))]
    lines = store(tmp_path / "a.jsonl", listed, of_run, "jsonl", header=True)
    document = store(tmp_path / "a.json", listed, of_run, "coco")
    convert(lines, tmp_path / "b.json")
    made, expected = (json.loads(path.read_bytes()) for path in (tmp_path / "b.json", document))
    assert [made[name] for name in ("info", "images", "categories")] == [
        expected[name] for name in ("info", "images", "categories")
    ]
    assert values(tmp_path / "b.json", "coco") == values(document, "coco")


def test_coco_becomes_lines_with_failed_images_in_their_places(
    tmp_path: Path, info: RunInfo, results: list[Result]
) -> None:
    document = store(tmp_path / "a.json", results, info, "coco")
    convert(document, tmp_path / "b.jsonl")
    records = [json.loads(line) for line in (tmp_path / "b.jsonl").read_bytes().splitlines()]
    assert records[0]["detcli"] == json.loads(json.dumps(info.as_json()))
    assert [record["index"] for record in records[1:]] == list(range(len(results)))
    assert records[3]["error"] == {"code": "truncated", "message": "cannot read 'in/c.jpg': truncated"}


def test_ids_of_a_ground_truth_stay(tmp_path: Path, info: RunInfo) -> None:
    of_run = replace(info, arguments={"gt": "gt.json"})
    listed = [(frame_named(f"{i}.jpg", i), random_detections(i, 2)) for i in range(3)]
    ids = {"0.jpg": 17, "1.jpg": 5, "2.jpg": 99}
    document = store(tmp_path / "a.json", listed, of_run, "coco", image_ids=ids)
    convert(document, tmp_path / "b.json")
    assert content(document) == content(tmp_path / "b.json")


def test_an_interrupted_run_stays_one(tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    document = store(tmp_path / "a.json", results, info, "coco")
    document.write_bytes(document.read_bytes().replace(b'"complete":true', b'"complete":false'))
    convert(document, tmp_path / "b.json")
    assert content(document) == content(tmp_path / "b.json")


def frames_of_videos() -> list[Result]:
    """Frames of two videos, and a gap in one."""
    listed: list[Result] = []
    for index in range(6):
        video, frame = ("a", "b")[index % 2], index // 2
        stem = f"{video}/frame_{frame:06d}"
        origin = Origin(index, f"in/{video}.mp4", f"{stem}.jpg", stem, frame, frame / 25)
        listed.append((Frame(origin, (480, 640), None), with_extras(index, 2)))
    failed = FailedFrame(Origin(6, "in/a.mp4", "a/gap_000003_6.jpg", "a/gap_000003_6", 3, 0.12), "gap", "it is lost")
    return [*listed, (failed, failed)]


@pytest.mark.parametrize("name", OWN_BYTES)
def test_frames_of_videos_keep_numbers_and_times(name: str, tmp_path: Path, info: RunInfo) -> None:
    listed = frames_of_videos()
    first = store(tmp_path / f"a{suffix_of(name)}", listed, info, name, tracks=True, uncertainty=True)
    convert(first, tmp_path / f"b{suffix_of(name)}", name)
    assert content(first) == content(tmp_path / f"b{suffix_of(name)}")


def test_lines_of_videos_become_the_coco_file_of_the_run(tmp_path: Path, info: RunInfo) -> None:
    lines = store(tmp_path / "a.jsonl", frames_of_videos(), info, "jsonl")
    document = store(tmp_path / "a.json", frames_of_videos(), info, "coco", tracks=True, uncertainty=True)
    convert(lines, tmp_path / "b.json")
    made, expected = (json.loads(path.read_bytes()) for path in (tmp_path / "b.json", document))
    assert made["images"] == expected["images"]
    assert made["info"]["failed"] == expected["info"]["failed"]


@pytest.mark.parametrize("target", ["yolo", *OWN_BYTES])
def test_yolo_labels_take_sizes_from_the_images(target: str, tmp_path: Path, info: RunInfo) -> None:
    listed = []
    for index in range(4):
        image(tmp_path / "in" / f"{index}.png", index)
        found = random_detections(index, index, size_hw=(48, 64))
        listed.append((frame_named(f"{index}.png", index, size_hw=(48, 64)), found))
    labels = store(tmp_path / "labels", listed, info, "yolo")
    last = tmp_path / f"b{suffix_of(target)}"
    convert(labels, last, target, images=tmp_path / "in")
    if target == "yolo":
        assert content(last) == content(labels)
        return
    back = tmp_path / "back"
    convert(last, back, "yolo")
    kept = [f"{index}.txt" for index in range(target == "csv", 4)]  # CSV has no images without boxes
    assert set(content(back)) == {"classes.txt", *kept}
    for name in kept:
        np.testing.assert_allclose(rows(back / name), rows(labels / name), rtol=1e-5, atol=1e-6)


def rows(labels: Path) -> np.ndarray[Any, Any]:
    """The numbers of a label file, [N, 6]; classes by their places in LABELS."""
    names = (labels.parent / "classes.txt").read_text().splitlines()
    lines = [line.split() for line in labels.read_text().splitlines()]
    return np.array([[LABELS.names.index(names[int(line[0])]), *map(float, line[1:])] for line in lines]).reshape(-1, 6)


def test_coco_results_take_names_from_the_ground_truth(tmp_path: Path, info: RunInfo) -> None:
    listed = [(frame_named(f"{i}.jpg", i), random_detections(i, 3)) for i in range(4)]
    gt = store(tmp_path / "gt.json", listed, info, "coco")
    source = store(tmp_path / "r.json", listed, info, "coco-results")
    with pytest.raises(UsageError, match="no name: set `ground_truth`"):
        convert(source, tmp_path / "b.jsonl", results_format="coco-results")
    convert(source, tmp_path / "b.json", "coco-results", ground_truth=gt)
    assert content(source) == content(tmp_path / "b.json")
    assert json.loads(gt.read_bytes())["images"][2]["id"] == 3


LOSSES = (
    ("csv", "CSV does not hold failed images, images without detections and the provenance of the run"),
    (
        "yolo",
        "YOLO does not hold failed images, sizes of images, the provenance of the run and category ids",
    ),
    ("voc", "Pascal VOC does not hold failed images, the provenance of the run and category ids"),
    ("jsonl", None),
    ("coco", None),
    ("parquet", None),
)


@pytest.mark.parametrize(("name", "sentence"), LOSSES)
def test_what_a_format_cannot_hold_is_said_in_one_line(
    name: str, sentence: str | None, tmp_path: Path, info: RunInfo
) -> None:
    source = store(tmp_path / "a.jsonl", seeded_results(20), info, "jsonl", header=True)
    target = tmp_path / f"b{suffix_of(name)}"
    said = convert(source, target, name)
    assert said == ([] if sentence is None else [f"{sentence}: '{target}' is without"])


def test_masks_are_said_to_be_lost_in_boxes(tmp_path: Path, info: RunInfo, segments: list[Result]) -> None:
    source = store(tmp_path / "a.jsonl", segments, info, "jsonl")
    (said,) = convert(source, tmp_path / "b.csv")
    assert said.startswith("CSV does not hold failed images, images without detections and masks:")


BROKEN = (
    ("empty.jsonl", b"", "cannot tell the format|holds no results"),
    ("text.txt", b"hello\n", "cannot tell the format"),
    ("a.jsonl", b'{"index":0,"file":"a.jpg","width":9,"height":9,"detections":[],"error":null}\n{"ind', "line 2"),
    ("list.json", b"[]", "holds no results"),
    ("header.jsonl", b'{"detcli":{"model":"x"}}\n', "holds no results"),
    ("table.csv", b"file,score\n", "column .* is missing"),
    ("image.jsonl", b"\x89PNG\r\n\x1a\n\0\0", "line 1"),
    (
        "two.jsonl",
        b'{"index":0,"file":"a.jpg","width":9,"height":9,"detections":[],"error":null}\n' * 2,
        "joined by 'detcli merge'",
    ),
    ("size.jsonl", b'{"index":0,"file":"a.jpg","detections":[],"error":null}\n', "does not have the size of 'a.jpg'"),
)


@pytest.mark.parametrize(("name", "data", "message"), BROKEN)
@pytest.mark.parametrize("target", ["b.jsonl", "b.csv", "b.json"])
def test_invalid_results_leave_an_existing_output_alone(
    name: str, data: bytes, message: str, target: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / target).write_bytes(b"earlier")
    with pytest.raises(DetcliError, match=message):
        convert(tmp_path / name, tmp_path / target, if_exists="overwrite")
    assert (tmp_path / target).read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} == {name, target}


def test_missing_results_and_existing_outputs_are_refused(tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    with pytest.raises(NoDataError, match="no such file or folder"):
        convert(tmp_path / "none.jsonl", tmp_path / "b.csv")
    source = store(tmp_path / "a.jsonl", results, info, "jsonl")
    before = source.read_bytes()
    with pytest.raises(UsageError, match="input and output at once"):
        convert(source, source, if_exists="overwrite")
    (tmp_path / "b.csv").write_bytes(b"earlier")
    with pytest.raises(OutputError, match=r"exists: `if_exists=overwrite` replaces it$"):
        convert(source, tmp_path / "b.csv")
    assert (source.read_bytes(), (tmp_path / "b.csv").read_bytes()) == (before, b"earlier")


def test_labels_without_sizes_and_folders_of_something_else_are_refused(tmp_path: Path, info: RunInfo) -> None:
    labels = store(tmp_path / "labels", [(frame_named("a.jpg"), random_detections(0, 2))], info, "yolo")
    with pytest.raises(UsageError, match="name the folder of the images in `images`"):
        convert(labels, tmp_path / "b.json")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"classes\.txt' is missing"):
        convert(tmp_path / "other", tmp_path / "b.json", images=tmp_path)
    with pytest.raises(UsageError, match="`images` must be a folder"):
        convert(labels, tmp_path / "b.json", images=tmp_path / "none")


def test_boxes_do_not_become_panoptic_segments(tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    source = store(tmp_path / "a.jsonl", results, info, "jsonl")
    with pytest.raises(UsageError, match="panoptic"):
        convert(source, tmp_path / "b.json", "coco-panoptic")
    assert not (tmp_path / "b.json").exists()


def test_classes_of_a_model_with_holes_keep_their_numbers(tmp_path: Path, info: RunInfo) -> None:
    labels = ClassLabels(("N/A", "cat", "N/A", "dog"), (0, 1, 2, 3))
    of_run = replace(info, labels=labels)
    found = Detections(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([0.9, 0.8]), np.array([3, 1]))
    lines = store(tmp_path / "a.jsonl", [(frame_named("a.jpg"), found)], of_run, "jsonl")
    document = store(tmp_path / "a.json", [(frame_named("a.jpg"), found)], of_run, "coco")
    convert(lines, tmp_path / "b.jsonl")
    convert(lines, tmp_path / "b.json")
    assert content(tmp_path / "b.jsonl") == content(lines)
    assert (
        json.loads((tmp_path / "b.json").read_bytes())["categories"] == json.loads(document.read_bytes())["categories"]
    )


def test_a_request_needs_results_and_an_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`results` must name files"):
        StoredInput(results=())
    request = ResultsRequest(input=StoredInput(results=("a.jsonl",)), output=OutputSettings())
    with pytest.raises(UsageError, match="set `outputs`"):
        write_results(request)


def test_converting_imports_no_torch(tmp_path: Path, info: RunInfo, results: Sequence[Result]) -> None:
    source = store(tmp_path / "a.jsonl", results, info, "jsonl")
    script = (
        f"import sys, detcli; detcli.convert_results({str(source)!r}, [{str(tmp_path / 'b.json')!r}, "
        f"{str(tmp_path / 'b.csv')!r}]); print([n for n in ('torch', 'huggingface_hub') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    assert len(LABELS) == 3


@pytest.mark.parametrize("name", ["jsonl", "coco", "csv"])
@pytest.mark.parametrize("change", ["longer", "shorter"])
def test_results_that_change_while_they_are_read_are_refused(
    name: str, change: str, tmp_path: Path, info: RunInfo
) -> None:
    listed = [(frame_named(f"{i}.jpg", i), random_detections(i, 2)) for i in range(6)]
    counts = {"longer": (3, 6), "shorter": (6, 3)}[change]
    path = store(tmp_path / f"a{suffix_of(name)}", listed[: counts[0]], info, name)
    opened = open_results(StoredInput(results=(str(path),)))
    path.unlink()
    store(path, listed[: counts[1]], info, name)
    with pytest.raises(InputError, match="was changed while it was read"):
        list(opened)


def test_a_part_in_which_every_image_failed_has_its_indices(tmp_path: Path, info: RunInfo) -> None:
    failed = [result for result in seeded_results(40) if isinstance(result[1], FailedFrame)]
    for name in ("jsonl", "coco", "parquet"):
        path = store(tmp_path / f"a{suffix_of(name)}", failed, info, name)
        convert(path, tmp_path / f"{name}.jsonl")
        records = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_bytes().splitlines()]
        assert [record["index"] for record in records if "index" in record] == [9, 19, 29, 39]
