from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from detcli.sinks.images.crops import Crops
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, ImageMetadata

LABELS = ClassLabels.from_names(["cat", "traffic light", "../con"])


def boxes(*rows: tuple[float, float, float, float]) -> Detections:
    count = len(rows)
    return Detections(np.array(rows, np.float64), np.linspace(0.9, 0.5, count, dtype=np.float32), np.arange(count) % 3)


def noisy(frame: Frame, image_format: str = "PNG") -> Frame:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    return replace(frame, pixels=pixels, size_hw=(40, 60), metadata=ImageMetadata(image_format))


def test_each_box_is_an_image_in_the_folder_of_its_class(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    Crops(tmp_path, LABELS).write(noisy(make_frame("sub/a.jpg"), "JPEG"), boxes(*[(1, 2, 11, 22)] * 4))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")) == [
        "_con/sub/a_003.jpg",
        "cat/sub/a_001.jpg",
        "cat/sub/a_004.jpg",
        "traffic_light/sub/a_002.jpg",
    ]


def test_a_lossless_image_has_lossless_crops_of_its_boxes(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    frame = noisy(make_frame("a.png"))
    assert frame.pixels is not None
    Crops(tmp_path, LABELS).write(frame, boxes((1.5, 2.2, 10.1, 21.9)))
    with Image.open(tmp_path / "cat" / "a_001.png") as crop:
        np.testing.assert_array_equal(np.asarray(crop), frame.pixels[2:22, 1:11])


def test_the_thinnest_box_at_the_edge_is_one_pixel(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    Crops(tmp_path, LABELS).write(noisy(make_frame("a.png")), boxes((60, 40, 60, 40), (59.99, 0, 60, 0.01)))
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as crop:
            assert crop.size == (1, 1)


def test_no_label_leads_out_of_the_folder(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    Crops(tmp_path / "crops", LABELS).write(noisy(make_frame("a.png")), boxes(*[(0, 0, 9, 9)] * 3))
    assert [path.name for path in tmp_path.iterdir()] == ["crops"]
    assert len(list((tmp_path / "crops").rglob("*.png"))) == 3


def test_existing_crops_can_be_skipped(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    path = tmp_path / "cat" / "a_001.png"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    Crops(tmp_path, LABELS, skip_existing=True).write(noisy(make_frame("a.png")), boxes((0, 0, 9, 9)))
    assert path.read_bytes() == b"mine"


def test_a_frame_of_a_resumed_run_is_skipped(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    Crops(tmp_path / "crops", LABELS).write(make_frame("a.png"), boxes((0, 0, 9, 9)))
    assert not (tmp_path / "crops").exists()
