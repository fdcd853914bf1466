"""YOLO labels without scores are a dataset: images, data.yaml, lists and class names in the places that tools expect."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from detcli.datasets.dataset import has_part, open_dataset
from detcli.errors import DataError, OutputError
from detcli.sinks.results.yolo_labels import YoloLabels
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from tests.helpers.annotated_datasets import write_image

BOXES = np.array([[8.0, 12.0, 40.0, 36.0], [0.0, 0.0, 64.0, 48.0]])


@pytest.fixture
def settings(settings: SinkSettings) -> SinkSettings:
    return replace(settings, no_scores=True)


def found(count: int = 2) -> Detections:
    return Detections(BOXES[:count], np.array([0.9, 0.5], np.float32)[:count], np.array([1, 0])[:count])


def frame(file: Path | str, index: int, relative: str | None = None, stem: str | None = None) -> Frame:
    name = relative or Path(file).name
    return Frame(Origin(index, str(file), name, stem or name.rpartition(".")[0]), (48, 64), None)


def write(output: Path, settings: SinkSettings, *frames: Frame, count: int = 2) -> YoloLabels:
    sink = YoloLabels(output, settings)
    for each in frames:
        sink.write(each, found(count))
    sink.close(complete=True)
    return sink


def photos(folder: Path, *names: str) -> list[Frame]:
    for place, name in enumerate(names):
        write_image(folder / name, seed=place)
    return [frame(folder / name, index, name) for index, name in enumerate(names)]


@pytest.mark.parametrize("name", ["out", "labels"])
def test_detcli_reads_the_same_boxes_back(tmp_path: Path, settings: SinkSettings, name: str) -> None:
    frames = photos(tmp_path / "photos", "b.png", "sub/a.png")
    sink = write(tmp_path / "data" / name, settings, *frames)
    root = tmp_path / "data" / ("out" if name == "out" else "")
    dataset = open_dataset(str(root))
    assert sink.remarks == []
    assert dataset.labels.names == settings.info.labels.names
    assert [dataset.read(index).origin.relative for index in range(2)] == ["images/b.png", "images/sub/a.png"]
    for index in range(2):
        np.testing.assert_allclose(dataset.ground_truth(index).boxes_xyxy, BOXES, atol=1e-4)
        assert dataset.ground_truth(index).class_ids.tolist() == [1, 0]
    assert not has_part(str(root), "val")
    with pytest.raises(DataError, match=r"there are no images in '.*val.txt'"):
        open_dataset(str(root), part="val")
    assert open_dataset(str(root / "data.yaml")).report.boxes == 4


def test_every_row_has_five_numbers(tmp_path: Path, settings: SinkSettings) -> None:
    tracked = replace(found(), track_ids=np.array([3, 4]))
    sink = YoloLabels(tmp_path, settings)
    sink.write(photos(tmp_path / "x", "a.png")[0], tracked)
    rows = (tmp_path / "labels/a.txt").read_text().splitlines()
    assert [len(row.split()) for row in rows] == [5, 5]


def test_the_files_are_those_of_the_layout(tmp_path: Path, settings: SinkSettings) -> None:
    write(tmp_path / "out", settings, *photos(tmp_path / "photos", "classes.png", "a.png"))
    data = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert data == {"train": "train.txt", "val": "val.txt", "names": dict(enumerate(settings.info.labels.names))}
    assert (tmp_path / "out/train.txt").read_text() == "./images/classes.png\n./images/a.png\n", (
        "in the order of the run"
    )
    assert (tmp_path / "out/val.txt").read_text() == ""
    assert (tmp_path / "out/classes.txt").read_text().splitlines() == list(settings.info.labels.names)
    assert {path.name for path in (tmp_path / "out/labels").iterdir()} == {"classes.txt", "a.txt"}
    assert (tmp_path / "out/images/a.png").samefile(tmp_path / "photos/a.png"), "a link, not a copy"


@pytest.mark.parametrize("names", [("N/A", "cat", "N/A"), ("yes", "1", "a: b"), ("", "x\ny", " x  y")])
def test_odd_and_repeated_names_are_read_back(tmp_path: Path, settings: SinkSettings, names: tuple[str, ...]) -> None:
    labels = ClassLabels(names, (1, 2, 3))
    write(
        tmp_path / "out",
        replace(settings, info=replace(settings.info, labels=labels)),
        *photos(tmp_path / "p", "a.png"),
    )
    read = open_dataset(str(tmp_path / "out")).labels.names
    assert len(set(read)) == 3
    assert read[1] == " ".join(names[1].split())


def test_images_that_are_in_place_are_not_linked(tmp_path: Path, settings: SinkSettings) -> None:
    write_image(tmp_path / "data/images/part/a.png")
    place = frame(tmp_path / "data/images/part/a.png", 0, "a.png")  # as `detect data/images/part` names it
    write(tmp_path / "data/labels", settings, place)
    assert sorted(path.name for path in (tmp_path / "data/images").iterdir()) == ["part"]
    assert (tmp_path / "data/labels/part/a.txt").exists()
    assert open_dataset(str(tmp_path / "data")).report.boxes == 2


def test_two_images_of_one_stem_get_labels_of_their_own(tmp_path: Path, settings: SinkSettings) -> None:
    photos(tmp_path / "photos", "a.png", "a.bmp")
    first, second = frame(tmp_path / "photos/a.bmp", 0), frame(tmp_path / "photos/a.png", 1, stem="a.png")
    write(tmp_path / "out", settings, first, second)
    dataset = open_dataset(str(tmp_path / "out"))
    assert (len(dataset), dataset.report.boxes) == (2, 4)
    photos(tmp_path / "data/images", "a.png", "a.bmp")
    first, second = frame(tmp_path / "data/images/a.bmp", 0), frame(tmp_path / "data/images/a.png", 1, stem="a.png")
    remarks = write(tmp_path / "data/labels", settings, first, second).remarks
    assert remarks == ["1 image has the label file of another one that differs only in its suffix, and got no labels"]
    assert (tmp_path / "data/train.txt").read_text() == "./images/a.bmp\n"


def test_images_without_a_file_are_told(tmp_path: Path, settings: SinkSettings) -> None:
    of_video = Frame(Origin(0, "in.mp4", "in/000001.jpg", "in/000001", frame=1), (48, 64), None)
    sink = write(tmp_path / "out", settings, of_video, frame("https://example.org/a.jpg", 1, "example.org/a.jpg"))
    assert len(sink.remarks) == 1
    assert sink.remarks[0].startswith("2 images are not in ")
    assert (tmp_path / "out/train.txt").read_text().splitlines() == [
        "./images/in/000001.jpg",
        "./images/example.org/a.jpg",
    ]
    assert (tmp_path / "out/labels/in/000001.txt").exists()


@pytest.mark.parametrize("name", ["data.yaml", "train.txt", "val.txt", "classes.txt"])
@pytest.mark.parametrize("output", ["out", "labels"])
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_file_of_others_is_never_overwritten(
    tmp_path: Path, settings: SinkSettings, name: str, output: str, kind: str
) -> None:
    root = tmp_path / "data" / ("out" if output == "out" else "")
    root.mkdir(parents=True)
    (tmp_path / "theirs").write_text("theirs")
    if kind == "file":
        (root / name).write_text("theirs")
    elif kind == "link":
        (root / name).symlink_to(tmp_path / "theirs")
    else:
        (root / name).mkdir()
    with pytest.raises(OutputError, match="is not of detcli"):
        write(tmp_path / "data" / output, settings, *photos(tmp_path / "photos", "a.png"))
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert kind != "file" or (root / name).read_text() == "theirs"
    assert [path.name for path in root.iterdir() if path.name[0] != "."] in ([name], [name, "labels"], ["labels", name])


def test_a_foreign_image_of_the_same_name_stays(tmp_path: Path, settings: SinkSettings) -> None:
    write_image(tmp_path / "out/images/a.png", seed=7)
    before = (tmp_path / "out/images/a.png").read_bytes()
    sink = write(tmp_path / "out", settings, *photos(tmp_path / "photos", "a.png"))
    assert (tmp_path / "out/images/a.png").read_bytes() == before
    assert "1 image is not in " in sink.remarks[0]


def test_a_later_run_keeps_lines_that_were_moved_to_val(tmp_path: Path, settings: SinkSettings) -> None:
    frames = photos(tmp_path / "photos", "a.png", "b.png")
    write(tmp_path / "out", settings, *frames)
    (tmp_path / "out/val.txt").write_text("./images/b.png\n")
    write(tmp_path / "out", settings, *frames)
    assert (tmp_path / "out/train.txt").read_text() == "./images/a.png\n"
    assert has_part(str(tmp_path / "out"), "val")
    assert len(open_dataset(str(tmp_path / "out"), part="val")) == 1


def test_skipped_label_files_stay(tmp_path: Path, settings: SinkSettings) -> None:
    frames = photos(tmp_path / "photos", "a.png", "b.png")
    write(tmp_path / "out", settings, frames[0])
    write(tmp_path / "out", replace(settings, skip_existing=True), *frames, count=1)
    assert len((tmp_path / "out/labels/a.txt").read_text().splitlines()) == 2
    assert len((tmp_path / "out/labels/b.txt").read_text().splitlines()) == 1
    assert len((tmp_path / "out/train.txt").read_text().splitlines()) == 2


def test_hostile_names_stay_inside_and_are_read_back(
    tmp_path: Path, settings: SinkSettings, make_frame: Callable[..., Frame]
) -> None:
    frames = photos(tmp_path / "photos", "comma, space.png", "汽车.png", "a" * 240 + ".png", "-x.png", "a b.png")
    write(tmp_path / "out", settings, *frames)
    assert len(open_dataset(str(tmp_path / "out"))) == 5
    assert open_dataset(str(tmp_path / "out")).report.boxes == 10
