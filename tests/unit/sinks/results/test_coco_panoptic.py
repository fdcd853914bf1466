"""What panopticapi asks of predictions, written out as its `pq_compute` and its format page have it."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.errors import UsageError
from detcli.sinks.results.coco_panoptic import CocoPanopticSink
from detcli.sinks.sink import SinkSettings, sink_class
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame
from detcli.structures.json_records import Result
from detcli.structures.masks import Rle


def written(results: list[Result], path: Path, settings: SinkSettings) -> dict[str, Any]:
    sink = CocoPanopticSink(path, settings)
    for result in results:
        sink.write(*result)
    assert not path.exists()
    sink.close(complete=True)
    sink.abort()
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def ids_of(path: Path) -> np.ndarray:
    """As panopticapi's `rgb2id` reads a PNG."""
    colors = np.asarray(Image.open(path))
    assert colors.shape[2] == 3
    assert colors.dtype == np.uint8
    colors = colors.astype(np.int64)
    return colors[:, :, 0] + 256 * colors[:, :, 1] + 256 * 256 * colors[:, :, 2]


def test_the_output_follows_the_rules_of_panopticapi(
    tmp_path: Path, settings: SinkSettings, segments: list[Result]
) -> None:
    found = written(segments, tmp_path / "out.json", settings)
    images = {image["id"]: image for image in found["images"]}
    categories = {category["id"]: category for category in found["categories"]}
    assert len(images) == len(found["images"]) == len(found["annotations"]) == len(segments) - 1
    assert all(category["isthing"] in (0, 1) and category["name"] for category in categories.values())
    assert len({annotation["file_name"] for annotation in found["annotations"]}) == len(found["annotations"])
    for annotation in found["annotations"]:
        image = images[annotation["image_id"]]
        ids = ids_of(tmp_path / "out" / annotation["file_name"])
        assert ids.shape == (image["height"], image["width"])
        listed = [segment["id"] for segment in annotation["segments_info"]]
        assert len(set(listed)) == len(listed)
        assert 0 not in listed
        assert set(np.unique(ids)) - {0} == set(listed)
        for segment in annotation["segments_info"]:
            rows, columns = np.nonzero(ids == segment["id"])
            assert segment["category_id"] in categories
            assert segment["area"] == len(rows)
            left, top, width, height = segment["bbox"]
            assert (left, top) == (columns.min(), rows.min())
            assert (left + width - 1, top + height - 1) == (columns.max(), rows.max())
            assert segment["iscrowd"] == 0


def test_colors_are_the_segment_ids_of_the_masks(
    tmp_path: Path, settings: SinkSettings, segments: list[Result]
) -> None:
    found = written(segments, tmp_path / "out.json", settings)
    frames = [(frame, masks) for frame, masks in segments if isinstance(masks, Detections)]
    for (_, detections), annotation in zip(frames, found["annotations"], strict=True):
        ids = ids_of(tmp_path / "out" / annotation["file_name"])
        for number, mask in enumerate(detections.masks or (), 1):
            np.testing.assert_array_equal(ids == number, mask.decode())


def test_a_thousand_segments_have_a_thousand_colors(
    tmp_path: Path, settings: SinkSettings, segments: list[Result]
) -> None:
    frame = segments[0][0]
    assert isinstance(frame, Frame)
    masks = tuple(Rle.of(np.arange(48 * 64).reshape(48, 64) == place) for place in range(1000))
    many = Detections(
        np.tile([0.0, 0.0, 1.0, 1.0], (1000, 1)), np.ones(1000, np.float32), np.zeros(1000, np.int64), masks
    )
    written([(frame, many)], tmp_path / "out.json", settings)
    assert set(np.unique(ids_of(tmp_path / "out" / "a.png"))) == set(range(1001))


def test_stuff_categories_are_not_things(tmp_path: Path, settings: SinkSettings, segments: list[Result]) -> None:
    labels = ClassLabels(("cat", "grass"), (1, 2), frozenset({1}))
    found = written([], tmp_path / "out.json", replace(settings, info=replace(settings.info, labels=labels)))
    assert [category["isthing"] for category in found["categories"]] == [1, 0]


def test_a_failed_image_is_in_the_info_and_has_no_png(
    tmp_path: Path, settings: SinkSettings, segments: list[Result]
) -> None:
    found = written([segments[2]], tmp_path / "out.json", settings)
    assert [failed["file_name"] for failed in found["info"]["failed"]] == ["c.jpg"]
    assert found["annotations"] == found["images"] == []
    assert not (tmp_path / "out").exists()


def test_masks_that_overlap_are_refused(tmp_path: Path, settings: SinkSettings, segments: list[Result]) -> None:
    everything = Rle.of(np.ones((48, 64), np.bool_))
    both = Detections(np.zeros((2, 4)), np.ones(2, np.float32), np.zeros(2, np.int64), (everything, everything))
    sink = CocoPanopticSink(tmp_path / "out.json", settings)
    with pytest.raises(ValueError, match="overlap"):
        sink.write(segments[0][0], both)
    sink.abort()


def test_boxes_without_masks_are_refused(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    sink = CocoPanopticSink(tmp_path / "out.json", settings)
    with pytest.raises(ValueError, match="needs masks"):
        sink.write(*results[0])
    sink.abort()


def test_an_output_without_a_folder_is_refused(tmp_path: Path, settings: SinkSettings) -> None:
    with pytest.raises(UsageError, match="in `outputs`"):
        sink_class("coco-panoptic")(io.BytesIO(), settings)
    with pytest.raises(UsageError, match=r"in \.json"):
        sink_class("coco-panoptic")(tmp_path / "out", settings)
