from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.sinks.images.label_maps import LabelMaps, palette
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from detcli.structures.json_records import Result
from detcli.structures.masks import Rle
from detcli.visualization.colors import color

LABELS = ClassLabels.from_names(["cat", "dog", "traffic light"])
FRAME = Frame(Origin(0, "in/a.jpg", "a.jpg", "a"), (48, 64), None)


def halves(*class_ids: int) -> Detections:
    """The left half, and all of the image, which overlap."""
    left = np.zeros((48, 64), np.bool_)
    left[:, :32] = True
    masks = (Rle.of(left), Rle.of(np.ones((48, 64), np.bool_)))[: len(class_ids)]
    count = len(class_ids)
    return Detections(np.zeros((count, 4)), np.ones(count, np.float32), np.array(class_ids, np.int64), masks)


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_segments_count_from_one_and_the_best_score_is_on_top(tmp_path: Path) -> None:
    LabelMaps(tmp_path, LABELS, of_classes=False).write(FRAME, halves(2, 0))
    found = read(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert (found[:, :32] == 1).all()
    assert (found[:, 32:] == 2).all()


def test_values_are_class_indices_and_255_is_none(tmp_path: Path) -> None:
    LabelMaps(tmp_path, LABELS, of_classes=True).write(FRAME, halves(2))
    found = read(tmp_path / "a.png")
    assert (found[:, :32] == 2).all()
    assert (found[:, 32:] == 255).all()
    assert (tmp_path / "classes.txt").read_text().splitlines() == ["cat", "dog", "traffic light"]


def test_viewers_show_the_values_as_colors(tmp_path: Path) -> None:
    LabelMaps(tmp_path / "i", LABELS, of_classes=False).write(FRAME, halves(2, 0))
    LabelMaps(tmp_path / "c", LABELS, of_classes=True).write(FRAME, halves(2))
    for folder, left, right in (("i", color(1), color(2)), ("c", color(2), (0, 0, 0))):
        with Image.open(tmp_path / folder / "a.png") as image:
            assert image.mode == "P"
            shown = image.convert("RGB")
        assert (shown.getpixel((5, 5)), shown.getpixel((60, 5))) == (left, right)


def test_every_value_has_a_color_and_none_is_black() -> None:
    for none in (0, 255):
        colors = palette(none=none)
        assert colors.shape == (256, 3)
        assert colors[none].tolist() == [0, 0, 0]
        others = np.delete(colors, none, axis=0)
        assert (others.max(axis=1) > 60).all()
        assert len(np.unique(others[:80], axis=0)) == 80


def test_an_image_without_detections_has_a_map(tmp_path: Path) -> None:
    LabelMaps(tmp_path / "i", LABELS, of_classes=False).write(FRAME, Detections.empty())
    LabelMaps(tmp_path / "c", LABELS, of_classes=True).write(FRAME, Detections.empty())
    assert (read(tmp_path / "i" / "a.png") == 0).all()
    assert (read(tmp_path / "c" / "a.png") == 255).all()


def test_more_than_255_values_take_16_bits(tmp_path: Path) -> None:
    masks = tuple(Rle.of(np.arange(48 * 64).reshape(48, 64) == place) for place in range(300))
    many = Detections(np.zeros((300, 4)), np.ones(300, np.float32), np.arange(300), masks)
    labels = ClassLabels.from_names([f"class {number}" for number in range(300)])
    LabelMaps(tmp_path / "i", labels, of_classes=False).write(FRAME, many)
    LabelMaps(tmp_path / "c", labels, of_classes=True).write(FRAME, many)
    assert set(np.unique(read(tmp_path / "i" / "a.png"))) == set(range(301))
    assert set(np.unique(read(tmp_path / "c" / "a.png"))) == {*range(300), 65535}
    for name in ("i", "c"):
        with Image.open(tmp_path / name / "a.png") as image:
            assert image.mode == "I;16", "no palette has so many colors"


def test_every_8_bit_value_is_read_back_as_written(tmp_path: Path) -> None:
    masks = tuple(Rle.of(np.arange(48 * 64).reshape(48, 64) == place) for place in range(255))
    many = Detections(np.zeros((255, 4)), np.ones(255, np.float32), np.arange(255), masks)
    labels = ClassLabels.from_names([f"class {number}" for number in range(255)])
    LabelMaps(tmp_path / "i", labels, of_classes=False).write(FRAME, many)
    LabelMaps(tmp_path / "c", labels, of_classes=True).write(FRAME, many)
    assert read(tmp_path / "i" / "a.png").ravel()[:256].tolist() == [*range(1, 256), 0]
    assert read(tmp_path / "c" / "a.png").ravel()[:256].tolist() == [*range(255), 255]


def test_folders_are_those_of_the_input_and_failures_have_no_map(tmp_path: Path, segments: list[Result]) -> None:
    sink = LabelMaps(tmp_path, LABELS, of_classes=False)
    for result in segments:
        sink.write(*result)
    assert (tmp_path / "sub" / "b.png").exists()
    assert len(list(tmp_path.rglob("*.png"))) == len(segments) - 1
    for frame, detections in segments:
        if isinstance(detections, Detections) and len(frame.origin.stem) < 100:
            found = read(tmp_path / f"{frame.origin.stem}.png")
            for number, mask in enumerate(detections.masks or (), 1):
                np.testing.assert_array_equal(found == number, mask.decode())


def test_existing_maps_can_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"mine")
    LabelMaps(tmp_path, LABELS, of_classes=False, skip_existing=True).write(FRAME, halves(0))
    assert (tmp_path / "a.png").read_bytes() == b"mine"


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    odd = Frame(Origin(0, "in/a.jpg", "a.jpg", "a"), (48, 63), None)
    with pytest.raises(ValueError, match="does not belong"):
        LabelMaps(tmp_path, LABELS, of_classes=False).write(odd, halves(0))
