"""The canonical record: what is written reads back as the very same."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import from_record, json_line, to_record
from detcli.structures.masks import Rle

LABELS = ClassLabels.from_names(["cat", "dog", "cow"])


def random_detections(seed: int, count: int) -> Detections:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 4000, (count, 2)).astype(np.float32).astype(np.float64)
    sizes = random.uniform(0.001, 2000, (count, 2)).astype(np.float32)
    boxes = np.concatenate((corners, corners + sizes), axis=1)
    return Detections(boxes, random.uniform(0, 1, count).astype(np.float32), random.integers(0, 3, count))


@pytest.mark.parametrize("seed", range(20))
def test_a_record_that_is_read_and_written_has_the_same_bytes(seed: int) -> None:
    frame = Frame(Origin(seed, "a/b.jpg", "b.jpg", "b"), (4000, 6000), None)
    line = json_line(to_record(frame, random_detections(seed, 50), LABELS))
    again, detections = from_record(json.loads(line), relative="b.jpg", stem="b")
    assert json_line(to_record(again, detections, LABELS)) == line


def test_tracks_keep_their_numbers() -> None:
    frame = Frame(Origin(0, "v.mp4", "v.mp4", "v", 3, 0.1), (4000, 6000), None)
    detections = replace(random_detections(1, 4), track_ids=np.array([3, 1, 70, 2]))
    record = to_record(frame, detections, LABELS)
    assert [found["track_id"] for found in record["detections"]] == [3, 1, 70, 2]
    _, again = from_record(json.loads(json_line(record)), relative="v.mp4", stem="v")
    assert isinstance(again, Detections)
    np.testing.assert_array_equal(again.track_ids, detections.track_ids)


def test_uncertainty_comes_back_and_has_the_same_bytes() -> None:
    frame = Frame(Origin(0, "a.jpg", "a.jpg", "a"), (4000, 6000), None)
    std = np.random.default_rng(2).uniform(0, 9, (5, 4))
    record = to_record(frame, replace(random_detections(1, 5), box_std=std), LABELS)
    line = json_line(record)
    _, again = from_record(json.loads(line), relative="a.jpg", stem="a")
    assert isinstance(again, Detections)
    np.testing.assert_allclose(again.box_std, std, rtol=1e-6)
    assert json_line(to_record(frame, again, LABELS)) == line
    assert all("bbox_std" not in found for found in to_record(frame, random_detections(1, 4), LABELS)["detections"])


def test_without_tracks_a_record_has_no_track_ids() -> None:
    frame = Frame(Origin(0, "a.jpg", "a.jpg", "a"), (4000, 6000), None)
    assert all("track_id" not in found for found in to_record(frame, random_detections(1, 4), LABELS)["detections"])


def test_a_selection_of_detections_keeps_masks_tracks_and_uncertainty() -> None:
    masks = tuple(Rle.of(np.full((2, 2), bool(number))) for number in range(2))
    std = np.arange(8.0).reshape(2, 4)
    both = replace(random_detections(0, 2), masks=masks, track_ids=np.array([5, 6]), box_std=std)
    assert both[1].box_std == (4.0, 5.0, 6.0, 7.0)
    for picked in (both[np.array([1])], both[np.array([False, True])]):
        np.testing.assert_array_equal(picked.boxes_xyxy, both.boxes_xyxy[1:])
        assert (picked.masks, picked.track_ids.tolist()) == (masks[1:], [6])
        np.testing.assert_array_equal(picked.box_std, std[1:])


def test_numbers_are_the_shortest_with_the_same_float32() -> None:
    values = np.array([0.1, 1 / 3, 639.9996, 1e-7, 12345.678], np.float32)
    assert shortest(values)[0] == 0.1
    assert np.array_equal(np.array(shortest(values), np.float32), values)


def test_a_failed_image_keeps_its_line() -> None:
    failed = FailedFrame(Origin(7, "x.jpg", "x.jpg", "x"), "truncated", "cannot read 'x.jpg': truncated")
    record = to_record(failed, failed, LABELS)
    assert record == {
        "index": 7,
        "file": "x.jpg",
        "width": None,
        "height": None,
        "detections": None,
        "error": {"code": "truncated", "message": "cannot read 'x.jpg': truncated"},
    }
    assert from_record(record, relative="x.jpg", stem="x") == (failed, failed)


def test_a_frame_that_failed_on_the_device_is_a_failure() -> None:
    origin = Origin(0, "x.jpg", "x.jpg", "x")
    record = to_record(Frame(origin, (4, 4), None), FailedFrame(origin, "device", "not finite"), LABELS)
    assert record["detections"] is None
    assert record["error"]["code"] == "device"


def test_the_record_of_a_video_frame_has_its_time() -> None:
    frame = Frame(Origin(0, "v.mp4", "v.mp4", "v", 30, 1.001), (4, 4), None)
    record = to_record(frame, Detections.empty(), LABELS)
    assert (record["frame"], record["time_s"], record["detections"]) == (30, 1.001, [])


@pytest.mark.parametrize("name", [b"caf\xc3\xa9.jpg", b"\xff\xfe.jpg", b'quote".jpg', b"line\nbreak.jpg", b"\x1b[31m"])
def test_any_file_name_survives_json(name: bytes) -> None:
    line = json_line({"file": os.fsdecode(name)})
    assert line.count(b"\n") == 1
    line.decode("utf-8")
    assert os.fsencode(json.loads(line)["file"]) == name


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_line({"score": float("nan")})


def test_detections_refuse_parts_that_do_not_belong_together() -> None:
    with pytest.raises(ValueError, match="`boxes_xyxy` must have the shape"):
        Detections(np.zeros((2, 4)), np.zeros(3, np.float32), np.zeros(3, np.int64))
