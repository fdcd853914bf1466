import io
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.sinks.results.yolo_labels import YoloLabels
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.json_records import Result


def test_every_image_that_was_read_has_a_label_file(
    tmp_path: Path, settings: SinkSettings, results: list[Result]
) -> None:
    sink = YoloLabels(tmp_path / "labels", settings)
    for result in results:
        sink.write(*result)
    sink.close(complete=True)
    texts = [path for path in (tmp_path / "labels").rglob("*.txt") if path.name != "classes.txt"]
    assert len(texts) == sum(isinstance(found, Detections) for _, found in results)
    assert (tmp_path / "labels" / "sub" / "b.txt").read_bytes() == b""
    assert not (tmp_path / "labels" / "c.txt").exists()


def test_lines_can_be_read_back_as_the_boxes(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    frame, found = results[0]
    assert isinstance(found, Detections)
    YoloLabels(tmp_path, settings).write(frame, found)
    table = np.loadtxt(tmp_path / "a.txt", ndmin=2)
    assert table[:, 0].tolist() == found.class_ids.tolist()
    centers, sizes = table[:, 1:3] * (640, 480), table[:, 3:5] * (640, 480)
    np.testing.assert_allclose(np.hstack((centers - sizes / 2, centers + sizes / 2)), found.boxes_xyxy, atol=1e-4)
    np.testing.assert_array_equal(table[:, 5].astype(np.float32), found.scores)


def test_class_names_are_listed_first_and_never_overwritten(
    tmp_path: Path, settings: SinkSettings, results: list[Result]
) -> None:
    labels = ClassLabels(("cat", "two\nlines", "汽车"), (1, 2, 3))
    sink = YoloLabels(tmp_path, replace(settings, info=replace(settings.info, labels=labels)))
    expected = "cat\ntwo lines\n汽车\n".encode()
    assert (tmp_path / "classes.txt").read_bytes() == expected
    for result in results:
        sink.write(*result)
    assert (tmp_path / "classes.txt").read_bytes() == expected
    assert (tmp_path / "classes.jpg.txt").exists()


def test_threads_write_at_once(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    sink = YoloLabels(tmp_path, settings)
    threads = [threading.Thread(target=sink.write, args=result) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.rglob("*.txt"))) == len(results)


def test_existing_label_files_can_be_skipped(tmp_path: Path, settings: SinkSettings, results: list[Result]) -> None:
    (tmp_path / "a.txt").write_bytes(b"mine")
    YoloLabels(tmp_path, replace(settings, skip_existing=True)).write(*results[0])
    assert (tmp_path / "a.txt").read_bytes() == b"mine"
    YoloLabels(tmp_path, settings).write(*results[0])
    assert (tmp_path / "a.txt").read_bytes() != b"mine"


def test_a_stream_cannot_be_a_folder(settings: SinkSettings) -> None:
    with pytest.raises(UsageError, match="need a folder"):
        YoloLabels(io.BytesIO(), settings)
    with pytest.raises(UsageError, match="need a folder"):
        YoloLabels(Path(os.devnull), settings)
