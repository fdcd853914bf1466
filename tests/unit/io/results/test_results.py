"""What each sink writes is read back, and what is wrong in a file is named with its place."""

import json
from pathlib import Path

import numpy as np
import pytest

from detcli.errors import InputError, UsageError
from detcli.io.results import StoredImage, format_of_results, read_results
from detcli.sinks.sink import SinkSettings, sink_class
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle
from detcli.structures.run_info import RunInfo

LABELS = ClassLabels(("cat", "traffic light", "=dog"), (17, 10, 18))
SIZES = {"a.jpg": (480, 640), "sub/b.png": (100, 200), "empty.jpg": (50, 60)}
SUFFIXES = {
    "jsonl": "out.jsonl",
    "coco": "out.json",
    "coco-results": "results.json",
    "csv": "out.csv",
    "yolo": "out",
    "parquet": "out.parquet",
    "label-studio": "tasks.json",
    "voc": "xml",
}


def frames(*, tracks: bool = False) -> list[tuple[Frame | FailedFrame, Detections | FailedFrame]]:
    """Two annotated images, one without, one that failed."""
    rng = np.random.default_rng(3)
    results: list[tuple[Frame | FailedFrame, Detections | FailedFrame]] = []
    for index, (name, size_hw) in enumerate(SIZES.items()):
        origin = Origin(index, f"in/{name}", name, name.rpartition(".")[0])
        corners = np.sort(rng.uniform(0, min(size_hw), (3 - index if index < 2 else 0, 2, 2)), axis=1).reshape(-1, 4)
        scores = np.sort(rng.random(len(corners)).astype(np.float32))[::-1].copy()
        track_ids = 7 * np.arange(len(corners)) + 10 * index + 1 if tracks else None
        found = Detections(corners, scores, np.arange(len(corners)), track_ids=track_ids)
        results.append((Frame(origin, size_hw, None), found))
    failed = FailedFrame(Origin(3, "in/bad.jpg", "bad.jpg", "bad"), "truncated", "truncated after 8 bytes")
    return [*results, (failed, failed)]


def written(folder: Path, format_name: str, **settings: bool) -> Path:
    path = folder / SUFFIXES[format_name]
    info = RunInfo("tiny", None, None, "1", LABELS, "2026-01-01T00:00:00Z")
    sink = sink_class(format_name)(path, SinkSettings(info, **settings))
    for result in frames(tracks=settings.get("tracks", False)):
        sink.write(*result)
    sink.close(complete=True)
    return path


def read(path: Path, format_name: str | None = None) -> list[StoredImage]:
    return list(read_results(path, format_name=format_name, sizes=SIZES))


@pytest.mark.parametrize("format_name", SUFFIXES)
def test_boxes_scores_and_classes_are_read_from_every_format(format_name: str, tmp_path: Path) -> None:
    images = [p for p in read(written(tmp_path, format_name)) if p.boxes]
    wanted = [(frame, found) for frame, found in frames() if isinstance(found, Detections) and len(found)]
    assert len(images) == len(wanted) == 2
    for image, (frame, found) in zip(images, wanted, strict=True):
        assert isinstance(found, Detections)
        assert image.boxes is not None
        assert image.file is None or image.file.endswith(frame.origin.relative)
        boxes = np.array([box.bbox for box in image.boxes])
        boxes[:, 2:] += boxes[:, :2]
        assert np.allclose(boxes, found.boxes_xyxy, atol=1e-3)
        assert np.allclose([box.score for box in image.boxes], found.scores, atol=1e-7)
        if format_name != "coco-results":
            assert [box.label for box in image.boxes] == [LABELS.names[i] for i in found.class_ids]
        if format_name not in ("yolo", "label-studio", "voc"):
            assert [box.category_id for box in image.boxes] == [LABELS.category_ids[i] for i in found.class_ids]


@pytest.mark.parametrize("format_name", SUFFIXES)
@pytest.mark.parametrize("tracks", [True, False])
def test_track_ids_are_read_from_every_format(format_name: str, tracks: bool, tmp_path: Path) -> None:
    images = [p for p in read(written(tmp_path, format_name, tracks=tracks)) if p.boxes]
    numbers = [[box.track_id for box in image.boxes or ()] for image in images]
    assert numbers == ([[1, 8, 15], [11, 18]] if tracks else [[None] * 3, [None] * 2])


@pytest.mark.parametrize(
    ("format_name", "empty", "failed"),
    [("jsonl", 1, 1), ("coco", 1, 1), ("yolo", 1, 0), ("parquet", 1, 1), ("label-studio", 1, 0), ("voc", 1, 0)],
)
def test_empty_and_failed_images_are_read_if_the_format_has_them(
    format_name: str, empty: int, failed: int, tmp_path: Path
) -> None:
    images = read(written(tmp_path, format_name))
    assert [p.file is not None and p.file.endswith("empty.jpg") for p in images if p.boxes == ()] == [True] * empty
    errors = [p.error for p in images if p.boxes is None]
    assert errors == ["truncated after 8 bytes"] * failed


@pytest.mark.parametrize("format_name", SUFFIXES)
def test_the_format_is_recognized_by_name_or_first_bytes(format_name: str, tmp_path: Path) -> None:
    path = written(tmp_path, format_name)
    assert format_of_results(path) == format_name
    if path.is_file():
        assert format_of_results(path.rename(tmp_path / "without suffix")) == format_name


def test_provenance_in_json_lines_is_skipped(tmp_path: Path) -> None:
    assert read(written(tmp_path, "jsonl", header=True)) != []
    plain = read(written(tmp_path, "jsonl"))
    assert [p.boxes for p in read(written(tmp_path, "jsonl", header=True))] == [p.boxes for p in plain]


def test_the_apostrophe_before_formulas_is_removed(tmp_path: Path) -> None:
    (first, _) = read(written(tmp_path, "csv", csv_safe=True))
    assert first.boxes is not None
    assert "=dog" in [box.label for box in first.boxes]


def test_json_lines_are_read_lazily(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl")
    with path.open("ab") as file:
        file.write(b"torn {")
    images = read_results(path)
    assert next(images).file == "in/a.jpg"  # the incomplete last line is not read yet


def test_a_name_that_is_not_utf8_is_read_byte_by_byte(tmp_path: Path) -> None:
    name = b"in/\xff.jpg".decode("utf-8", "surrogateescape")
    origin = Origin(0, name, name[3:], name[3:4])
    for format_name in ("jsonl", "csv", "parquet"):
        path = tmp_path / SUFFIXES[format_name]
        sink = sink_class(format_name)(path, SinkSettings(RunInfo("m", None, None, "1", LABELS, "now")))
        box = Detections(np.array([[1.0, 2, 3, 4]]), np.array([0.5], np.float32), np.array([0]))
        sink.write(Frame(origin, (9, 9), None), box)
        sink.close(complete=True)
        assert [image.file for image in read(path)] == [name]


RECORD = {"file": "a.jpg", "width": 9, "height": 9, "error": None}
FOUND = {"label": "cat", "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{torn", "line 2: not a complete line of JSON"),
        ("[1, 2]", r"line 2: \[1, 2\] is not a JSON object"),
        (json.dumps(RECORD), "line 2: it has neither a list of detections"),
        (json.dumps(RECORD | {"detections": [], "file": 7}), "line 2: file is 7, not a text in quotes"),
        (json.dumps(RECORD | {"detections": [FOUND | {"score": "high"}]}), "score is 'high', not a number"),
        (json.dumps(RECORD | {"detections": [FOUND | {"score": float("nan")}]}), "score is nan, not a finite number"),
        (json.dumps(RECORD | {"detections": [FOUND | {"score": 10**400}]}), "score is .*not a finite number"),
        (
            json.dumps(RECORD | {"detections": [FOUND | {"bbox": [1, 2, 3]}]}),
            "bbox is .1, 2, 3., not a list of four numbers: left, top",
        ),
        (json.dumps(RECORD | {"detections": [FOUND | {"bbox": [1, 2, -3, 4]}]}), "has the width -3"),
        (json.dumps(RECORD | {"detections": [{"score": 1, "bbox": [0, 0, 1, 1]}]}), "label is missing"),
        (json.dumps(RECORD | {"detections": [FOUND | {"category_id": "18"}]}), "category_id is the text '18'"),
        (json.dumps(RECORD | {"detections": [FOUND | {"category_id": True}]}), "category_id is True"),
    ],
)
def test_an_invalid_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(RECORD | {"detections": [FOUND]}) + "\n" + line + "\n")
    with pytest.raises(InputError, match=rf"r\.jsonl', .*{said}"):
        read(path)


@pytest.mark.parametrize("format_name", ["jsonl", "coco", "coco-results"])
def test_masks_and_their_boxes_are_read(format_name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    masks = tuple(Rle.of(random.random((48, 64)) < share) for share in (0.001, 0.5))
    boxes = np.array([mask.box_xyxy for mask in masks])
    found = Detections(boxes, np.array([0.9, 0.5], np.float32), np.array([1, 0]), masks)
    info = RunInfo("tiny", None, None, "1", LABELS, "2026-01-01T00:00:00Z")
    sink = sink_class(format_name)(tmp_path / SUFFIXES[format_name], SinkSettings(info))
    sink.write(Frame(Origin(0, "in/a.jpg", "a.jpg", "a"), (48, 64), None), found)
    sink.close(complete=True)
    [image] = read(tmp_path / SUFFIXES[format_name])
    assert image.boxes is not None
    assert tuple(box.mask for box in image.boxes) == masks
    for box, (left, top, right, bottom) in zip(image.boxes, boxes.tolist(), strict=True):
        assert box.bbox == (left, top, right - left, bottom - top)


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    segmentation = {"size": [3, 4], "counts": "<"}
    path.write_text(json.dumps(RECORD | {"detections": [FOUND | {"segmentation": segmentation}]}) + "\n")
    with pytest.raises(InputError, match=r"its segmentation is for \[3, 4\], and the image's height and width"):
        read(path)


def test_polygons_are_ignored_and_the_box_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps([ENTRY | {"segmentation": [[1, 2, 3, 4, 5, 6]]}]))
    [image] = read(path)
    assert image.boxes is not None
    assert (image.boxes[0].bbox, image.boxes[0].mask) == ((1, 2, 3, 4), None)


ENTRY = {"image_id": 3, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([ENTRY | {"segmentation": {"size": [3, 4], "counts": ";"}}], "entry 0: its segmentation is damaged"),
        ([ENTRY | {"segmentation": {"size": [-3, -4], "counts": "<"}}], "entry 0: the size of its segmentation"),
        ([ENTRY | {"segmentation": {"size": [12], "counts": "<"}}], "entry 0: the size of its segmentation"),
        (
            [{"image_id": 3, "segments_info": [], "file_name": "a.png"}],
            "entry 0: it is COCO panoptic, .*`iou_type=panoptic`",
        ),
        ([ENTRY, ENTRY | {"image_id": "3"}], "entry 1: image_id is the text '3'; it must be an integer"),
        ([ENTRY | {"category_id": 1.5}], "entry 0: category_id is 1.5, not an integer"),
        ([{k: v for k, v in ENTRY.items() if k != "score"}], "entry 0: it has no score"),
        (
            [{k: v for k, v in ENTRY.items() if k != "bbox"} | {"segmentation": []}],
            "it has no bbox, and its segmentation is neither run-length encoded",
        ),
        ([[1]], r"entry 0: \[1\] is not a JSON object"),
    ],
)
def test_an_invalid_entry_of_coco_results_is_named(document: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=said):
        read(path)


def test_annotations_instead_of_results_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}
    images, categories = [{"id": 1, "file_name": "a.jpg"}], [{"id": 1, "name": "cat"}]
    path.write_text(json.dumps({"images": images, "annotations": [annotation], "categories": categories}))
    with pytest.raises(InputError, match="annotation 0: it has no score: these are annotations"):
        read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: an empty file"),
        ("a,b\n", "line 1: column file, score.* missing"),
        ("file,label,score,x_min,y_min,x_max,y_max\na.jpg,cat,0.5,1,2,3\n", "line 2: 6 cells"),
        ("file,label,score,x_min,y_min,x_max,y_max\na.jpg,cat,high,1,2,3,4\n", "line 2: score is 'high'"),
        (
            "file,label,score,x_min,y_min,x_max,y_max\na.jpg,cat,0.5,9,2,3,4\n",
            "line 2: the box at 9, 2 has the width -6",
        ),
        ("file,label,score,x_min,y_min,x_max,y_max\na.jpg,,0.5,1,2,3,4\n", "line 2: it has neither a label"),
    ],
)
def test_an_invalid_row_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"r\.csv', {said}"):
        read(path)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"a.txt": "0 .5 .5 .1 .1 .9"}, "classes.txt' is missing"),
        ({"classes.txt": "cat"}, "there are no YOLO labels"),
        ({"classes.txt": "cat", "unknown.txt": "0 .5 .5 .1 .1 .9"}, "unknown.txt' belongs to no image"),
        ({"classes.txt": "cat", "a.txt": "0 .5 .5 .1 .1"}, "a.txt', line 1: 5 numbers"),
        ({"classes.txt": "cat", "a.txt": "0 .5 .5 .1 .1 7"}, "a.txt', line 1: score is 7, as a track id is"),
        ({"classes.txt": "cat", "a.txt": "3 .5 .5 .1 .1 .9"}, "class 3 is not in classes.txt, which names 1 classes"),
    ],
)
def test_an_invalid_folder_of_yolo_labels_is_reported(texts: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read(tmp_path, "yolo")


def test_labels_that_could_belong_to_two_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat")
    (tmp_path / "x.txt").write_text("0 .5 .5 .1 .1 .9")
    with pytest.raises(InputError, match=r"could belong to 'p/x\.jpg' or 'q/x\.jpg'"):
        list(read_results(tmp_path, sizes={"p/x.jpg": (1, 1), "q/x.jpg": (1, 1)}))


def test_a_missing_file_or_unknown_format_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file"):
        read(tmp_path / "gone.json")
    (tmp_path / "r.dat").write_bytes(b"\x00\x01")
    with pytest.raises(UsageError, match=r"cannot tell the format of .*`results_format` to one of jsonl"):
        read(tmp_path / "r.dat")
    with pytest.raises(UsageError, match="no image size is known"):
        read_results(tmp_path, format_name="yolo")


@pytest.mark.parametrize("format_name", ["coco", "coco-results"])
def test_a_file_that_is_not_json_is_reported(format_name: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"<html>")
    with pytest.raises(InputError, match="are not JSON"):
        read(tmp_path / "r.json", format_name)
    (tmp_path / "r.json").write_bytes(b"7")
    with pytest.raises(InputError, match="holds no COCO results"):
        read(tmp_path / "r.json", format_name)
