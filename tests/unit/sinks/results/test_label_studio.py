"""Label Studio: tasks with predictions, by the documented format, and read back."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.errors import InputError
from detcli.io.results import format_of_results, read_results
from detcli.sinks.results.label_studio import LabelStudioTasks
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Result


def written(results: list[Result], settings: SinkSettings) -> bytes:
    stream = io.BytesIO()
    sink = LabelStudioTasks(stream, settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    return stream.getvalue()


def tasks(results: list[Result], settings: SinkSettings) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = json.loads(written(results, settings))
    return value


def test_a_task_has_the_keys_that_label_studio_documents(settings: SinkSettings, results: list[Result]) -> None:
    [task] = tasks(results[:1], settings)
    names = {"image": "/data/local-files/?d=a.jpg", "file": "in/a.jpg", "index": 0}
    assert task["data"] == names | {"width": 640, "height": 480}
    [prediction] = task["predictions"]
    assert prediction["model_version"] == "dfine-s"
    assert prediction["score"] == pytest.approx((0.93 + 0.5) / 2)
    assert prediction["result"][1] == {
        "id": "2",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": 640,
        "original_height": 480,
        "image_rotation": 0,
        "value": {"x": 0.0, "y": 0.0, "width": 100.0, "height": 100.0, "rotation": 0, "rectanglelabels": ["cat"]},
        "score": 0.5,
    }


def test_boxes_are_in_percent_of_the_image(settings: SinkSettings, results: list[Result]) -> None:
    value = tasks(results[:1], settings)[0]["predictions"][0]["result"][0]["value"]
    assert [value[side] for side in ("x", "y", "width", "height")] == pytest.approx(
        [10.1 / 6.4, 20.2 / 4.8, 100.2 / 6.4, 200.2 / 4.8], rel=1e-6
    )


def test_images_without_boxes_are_tasks_and_failed_ones_are_not(settings: SinkSettings, results: list[Result]) -> None:
    written_tasks = tasks(results, settings)
    readable = [frame for frame, found in results if not isinstance(found, FailedFrame)]
    assert [task["data"]["index"] for task in written_tasks] == [frame.origin.index for frame in readable]
    assert written_tasks[1]["predictions"] == [{"model_version": "dfine-s", "result": []}]
    assert tasks([], settings) == []


def test_track_ids_and_deviations_are_in_meta(settings: SinkSettings, results: list[Result]) -> None:
    frame, found = results[0]
    assert isinstance(found, Detections)
    known = replace(found, track_ids=np.array([12, 3]), box_std=np.arange(8.0).reshape(2, 4))
    written_results = tasks([(frame, known)], settings)[0]["predictions"][0]["result"]  # type: ignore[list-item]
    assert written_results[0]["meta"] == {"track_id": 12, "bbox_std": [0.0, 1.0, 2.0, 3.0]}


@pytest.mark.parametrize(
    ("file", "image"),
    [
        ("https://example.org/a b.jpg?x=1&y=2", "https://example.org/a b.jpg?x=1&y=2"),
        ("in/sub/ä&b?c#d.jpg", "/data/local-files/?d=sub/%C3%A4%26b%3Fc%23d.jpg"),
        ("in/not utf-8 \udcff.jpg", "/data/local-files/?d=not%20utf-8%20%FF.jpg"),
    ],
)
def test_the_image_is_an_address_for_label_studio(
    settings: SinkSettings, make_frame: Callable[..., Frame], file: str, image: str
) -> None:
    frame = make_frame(file.removeprefix("in/"))
    frame = replace(frame, origin=replace(frame.origin, file=file))
    [task] = tasks([(frame, Detections.empty())], settings)
    assert task["data"]["image"] == image


@pytest.mark.parametrize("label", ['"</Label><script>', "汽车", "line\nbreak", "\x1b[31m"])
def test_hostile_names_and_labels_are_strict_json(settings: SinkSettings, results: list[Result], label: str) -> None:
    labels = ClassLabels((label, "dog", "x"), (1, 2, 3))
    chosen = replace(settings, info=replace(settings.info, labels=labels))
    data = written(results, chosen)
    data.decode("utf-8", "strict")
    read = json.loads(data)
    assert read[0]["predictions"][0]["result"][1]["value"]["rectanglelabels"] == [label]
    files = [frame.origin.file for frame, found in results if isinstance(found, Detections)]
    assert [task["data"]["file"] for task in read] == files


def test_what_was_written_is_recognized_and_read(settings: SinkSettings, results: list[Result], tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_bytes(written(results, settings))
    assert format_of_results(path) == "label-studio"
    kept = [(frame, found) for frame, found in results if isinstance(found, Detections)]
    for image, (frame, found) in zip(read_results(path), kept, strict=True):
        assert image.file == frame.origin.file
        boxes = np.array([box.bbox for box in image.boxes or ()]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.allclose(boxes, found.boxes_xyxy, atol=1e-3)
        assert [np.float32(box.score) for box in image.boxes or ()] == found.scores.tolist()
        assert [box.label for box in image.boxes or ()] == [settings.info.labels.names[i] for i in found.class_ids]


def test_a_task_of_another_program_has_its_name_in_image(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for image, file in (
        ("s3://bucket/a.jpg", "s3://bucket/a.jpg"),
        ("/data/local-files/?d=a%20b/%C3%A4.jpg", "a b/ä.jpg"),
    ):
        path.write_text(json.dumps([{"id": 7, "data": {"image": image}, "predictions": [{"result": []}]}]))
        assert format_of_results(path) == "label-studio"
        assert [(found.file, found.boxes) for found in read_results(path)] == [(file, ())]


RESULT: dict[str, Any] = {
    "type": "rectanglelabels",
    "original_width": 10,
    "original_height": 20,
    "score": 0.5,
    "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": ["cat"]},
}


def one(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"data": {"image": "a.jpg"}, "predictions": [{"result": [result]}]}]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('[{"data": {"image"', "is not complete JSON"),
        ('{"data": {}}', "is not a list of tasks"),
        ([7], "task 1: 7 is not a JSON object"),
        ([{"data": 3}], "task 1: 3 is not a JSON object"),
        ([{"data": {"image": "a.jpg"}}], "task 1: it has no predictions; annotations of people have no scores"),
        ([{"data": {"image": "a.jpg"}, "predictions": [{}, {}]}], "it has 2 predictions"),
        ([{"data": {"image": "a.jpg"}, "predictions": [{}]}], "the result of its prediction is missing, not a list"),
        ([{"data": {"text": "a"}, "predictions": [{"result": []}]}], "image is missing"),
        (one(RESULT | {"type": "brushlabels"}), "a result is of the type 'brushlabels'"),
        (one(RESULT | {"original_width": 0}), "original_width and original_height are 0 and 20"),
        (one(RESULT | {"original_width": None}), "original_width is missing"),
        (one(RESULT | {"score": None}), "score is missing"),
        (one(RESULT | {"value": RESULT["value"] | {"rotation": 30}}), "a box is rotated by 30 degrees"),
        (one(RESULT | {"value": RESULT["value"] | {"rectanglelabels": []}}), "not a list of one label"),
        (one(RESULT | {"value": RESULT["value"] | {"x": "1"}}), "x is '1', not a number"),
        (one(RESULT | {"value": RESULT["value"] | {"width": -1}}), "has the width -0.1"),
    ],
)
def test_invalid_tasks_are_named_with_their_number(tmp_path: Path, document: Any, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(InputError, match=message):
        list(read_results(path, format_name="label-studio"))


def test_frames_of_videos_are_named_in_a_remark(settings: SinkSettings, results: list[Result]) -> None:
    frame, found = results[0]
    frame = replace(frame, origin=replace(frame.origin, frame=7, time_s=0.28))
    sink = LabelStudioTasks(stream := io.BytesIO(), settings)
    sink.write(frame, found)
    sink.close(complete=True)
    assert json.loads(stream.getvalue())[0]["data"]["frame"] == 7
    assert sink.remarks[0].startswith("1 task of Label Studio is of frames of videos")
