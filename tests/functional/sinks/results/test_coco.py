import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.io.coco.coco_ids import ImageIdLookup
from detcli.sinks.results.coco import CocoAnnotations, CocoResults
from detcli.sinks.sink import ResultSink, SinkSettings, remarks
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result, boxes_xywh


def written(
    kind: type[ResultSink], results: Iterator[Result] | list[Result], path: Path, settings: SinkSettings
) -> Any:
    sink = kind(path, settings)
    for result in results:
        sink.write(*result)
        sink.flush()
    assert not path.exists()
    sink.close(complete=True)
    sink.abort()
    assert list(path.parent.iterdir()) == [path]
    return json.loads(path.read_bytes())


def quiet() -> contextlib.redirect_stdout[io.StringIO]:
    return contextlib.redirect_stdout(io.StringIO())


def test_annotations_contain_every_image_and_box(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    coco = written(CocoAnnotations, results, tmp_path / "x.json", settings)
    assert coco["info"]["complete"] is True
    assert coco["info"]["sha256"] == "0" * 64
    assert coco["info"]["arguments"] == {"threshold": 0.4}
    [failed] = coco["info"]["failed"]
    assert (failed["file_name"], failed["error"]["code"]) == ("c.jpg", "truncated")
    assert [image["file_name"] for image in coco["images"]] == [
        frame.origin.relative for frame, found in results if isinstance(found, Detections)
    ]
    assert [image["id"] for image in coco["images"]] == [1, 2, *range(4, len(results) + 1)]
    assert [annotation["id"] for annotation in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    boxes = [box for _, found in results if isinstance(found, Detections) for box in boxes_xywh(found)]
    assert [annotation["bbox"] for annotation in coco["annotations"]] == boxes
    for annotation in coco["annotations"]:
        assert annotation["iscrowd"] == 0
        assert annotation["area"] == pytest.approx(annotation["bbox"][2] * annotation["bbox"][3], rel=1e-6)
        assert "segmentation" not in annotation
    assert coco["categories"] == [
        {"id": 1, "name": "cat"},
        {"id": 2, "name": "dog"},
        {"id": 3, "name": "traffic light"},
    ]


def test_pycocotools_reads_annotations_and_results(
    tmp_path: Path, settings: SinkSettings, many: Callable[[int], Iterator[Result]]
) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    written(CocoAnnotations, many(40), tmp_path / "a" / "x.json", settings)
    written(CocoResults, many(40), tmp_path / "b" / "x.json", settings)
    with quiet():
        ground_truth = coco_module.COCO(str(tmp_path / "a" / "x.json"))
        found = ground_truth.loadRes(str(tmp_path / "b" / "x.json"))
        evaluator = evaluation.COCOeval(ground_truth, found, "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    assert evaluator.stats[0] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [CocoAnnotations, CocoResults])
def test_no_detections_are_valid_json(tmp_path: Path, settings: SinkSettings, kind: type[ResultSink]) -> None:
    coco = written(kind, [], tmp_path / "x.json", settings)
    assert coco == [] or coco["annotations"] == coco["images"] == coco["info"]["failed"] == []


def test_video_frames_have_their_number_and_time(tmp_path: Path, settings: SinkSettings) -> None:
    origin = Origin(0, "a.mp4", "a/frame_000007.jpg", "a/frame_000007", 7, 0.28)
    lost = FailedFrame(replace(origin, index=1, relative="a/gap_000008_1.jpg", frame=8), "gap", "lost for 2.0 s")
    results: list[Result] = [(Frame(origin, (4, 6), None), Detections.empty()), (lost, lost)]
    coco = written(CocoAnnotations, results, tmp_path / "x.json", settings)
    assert [(image["file_name"], image["frame"], image["time_s"]) for image in coco["images"]] == [
        ("a/frame_000007.jpg", 7, 0.28)
    ]
    assert [(gap["frame"], gap["time_s"]) for gap in coco["info"]["failed"]] == [(8, 0.28)]


@pytest.mark.parametrize("kind", [CocoAnnotations, CocoResults])
def test_an_interrupted_run_is_valid_and_marked_incomplete(
    tmp_path: Path, settings: SinkSettings, results: list[Result], kind: type[ResultSink]
) -> None:
    sink = kind(tmp_path / "x.json", settings)
    sink.write(*results[0])
    sink.close(complete=False)
    coco = json.loads((tmp_path / "x.json").read_bytes())
    assert len(coco) == 2 if isinstance(coco, list) else coco["info"]["complete"] is False


@pytest.mark.parametrize("kind", [CocoAnnotations, CocoResults])
def test_after_an_error_the_old_file_stays(
    tmp_path: Path, settings: SinkSettings, results: list[Result], kind: type[ResultSink]
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    sink = kind(path, settings)
    sink.write(*results[0])
    sink.abort()
    sink.abort()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [CocoAnnotations, CocoResults])
def test_a_stream_gets_the_same_bytes_as_a_file(
    tmp_path: Path, settings: SinkSettings, results: list[Result], kind: type[ResultSink]
) -> None:
    stream = io.BytesIO()
    sink = kind(stream, settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    assert json.loads(stream.getvalue()) == written(kind, results, tmp_path / "x.json", settings)


def test_unused_ids_are_no_categories_without_detections(
    tmp_path: Path, settings: SinkSettings, results: list[Result]
) -> None:
    labels = ClassLabels(("N/A", "person", "N/A", "dog"), (0, 1, 2, 3))
    holes = replace(settings, info=replace(settings.info, labels=labels))
    frame, _ = results[0]
    found = Detections(np.array([[0.0, 0.0, 5.0, 5.0]]), np.array([0.5], np.float32), np.array([2]))
    coco = written(CocoAnnotations, [(frame, found)], tmp_path / "x.json", holes)
    assert [category["id"] for category in coco["categories"]] == [1, 2, 3]


def test_ids_are_those_of_the_ground_truth_if_it_has_the_image(
    tmp_path: Path, settings: SinkSettings, results: list[Result]
) -> None:
    known = replace(settings, image_ids=ImageIdLookup({"x/a.jpg": 0, "sub/b.jpg": 77, "c.jpg": 5}))
    sink = CocoResults(tmp_path / "x.json", known)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    assert {result["image_id"] for result in json.loads((tmp_path / "x.json").read_bytes())} == {0}
    [remark] = remarks([sink])
    assert remark.startswith("11 images are not in the annotations of `ground_truth`, 'line\nbreak.jpg' is the first")
    (tmp_path / "x.json").unlink()
    full = written(CocoAnnotations, results, tmp_path / "x.json", known)
    ids = [image["id"] for image in full["images"]]
    assert ids[:2] == [0, 77]
    assert min(ids[2:]) > 77
    assert len(set(ids)) == len(ids)


def test_two_images_never_share_an_id_of_the_ground_truth(
    tmp_path: Path, settings: SinkSettings, results: list[Result]
) -> None:
    frame, found = results[0]
    other = replace(frame, origin=replace(frame.origin, index=1, relative="other/a.jpg"))
    known = replace(settings, image_ids=ImageIdLookup({"a.jpg": 4}))
    coco = written(CocoAnnotations, [(frame, found), (other, found)], tmp_path / "x.json", known)
    assert [image["id"] for image in coco["images"]] == [4, 6]


def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: Path, settings: SinkSettings, many: Callable[[int], Iterator[Result]]
) -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    sinks = [CocoAnnotations(tmp_path / "a.json", settings), CocoResults(tmp_path / "r.json", settings)]
    before = 0
    for count, (frame, found) in enumerate(many(20_000)):
        for sink in sinks:
            sink.write(frame, found)
        if count == 2_000:
            before = process.memory_info().rss
    for sink in sinks:
        sink.close(complete=True)
    assert process.memory_info().rss - before < 6_000_000
    assert (tmp_path / "a.json").stat().st_size > 6_000_000
