"""`detect -f yolo --no-scores` writes a dataset that `train` and `eval` read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from detcli.cli.setup.demo import copy_images
from detcli.datasets.dataset import open_dataset
from tests.helpers.cli_runs import Run
from tests.helpers.video_samples import write_video

MODEL = ("-m", "shapes", "--device", "cpu")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a folder with images in `photos/` and `photos/sub/`."""
    monkeypatch.chdir(tmp_path)
    images = copy_images(tmp_path / "photos")
    (tmp_path / "photos/sub").mkdir()
    shutil.move(images[-1], tmp_path / "photos/sub")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("output", "data"), [("out", "out"), ("out/", "out/data.yaml"), ("set/labels", "set"), ("labels", ".")]
)
def test_the_labels_are_trained_on_and_evaluated(detcli: Callable[..., Run], output: str, data: str) -> None:
    run = detcli("detect", "photos", *MODEL, "-f", "yolo", "--no-scores", "-o", output)
    assert run.code == 0, run.err
    assert "not in" not in run.err
    trained = detcli("train", "--data", data, "-n", *MODEL, "-b", "2")
    assert trained.code == 0, trained.err
    count = len(list(Path("photos").rglob("*.jpg")))
    assert f"{count} images" in trained.err
    assert "no validation set" in trained.err
    dataset = open_dataset(data)
    assert f", {dataset.report.boxes} boxes" in run.err
    assert all(not issue.startswith(tuple("0123456789")) or "class" in issue for issue in dataset.report.issues)


def test_images_in_place_are_labeled_in_place(detcli: Callable[..., Run], photos: Path) -> None:
    shutil.copytree(photos, "data/images")
    run = detcli("detect", "data/images", *MODEL, "-f", "yolo", "--no-scores", "-o", "data/labels")
    assert run.code == 0, run.err
    images = {path.relative_to("data/images").as_posix() for path in Path("data/images").rglob("*") if path.is_file()}
    assert images == {path.relative_to(photos).as_posix() for path in photos.rglob("*") if path.is_file()}, "no links"
    labels = {path.relative_to("data/labels").as_posix() for path in Path("data/labels").rglob("*.txt")}
    assert labels == {name.replace(".jpg", ".txt") for name in images if name.endswith(".jpg")}
    assert detcli("train", "--data", "data", "-n", *MODEL, "-b", "2").code == 0
    evaluated = detcli("eval", "--data", "data", *MODEL)
    assert evaluated.code != 0
    assert "there are no images in 'data/val.txt'" in evaluated.err


def test_linked_images_are_not_read_as_input(detcli: Callable[..., Run]) -> None:
    first = detcli("detect", ".", *MODEL, "-f", "yolo", "--no-scores", "-o", "labels")
    again = detcli("detect", ".", *MODEL, "-f", "yolo", "--no-scores", "-o", "labels", "-y")
    assert (first.code, again.code) == (0, 0), again.err
    assert first.err.splitlines()[-1].split(",")[0] == again.err.splitlines()[-1].split(",")[0]


def test_a_foreign_data_yaml_stops_the_run_also_with_y(detcli: Callable[..., Run]) -> None:
    Path("data.yaml").write_text("names: [mine]")
    run = detcli("detect", "photos", *MODEL, "-f", "yolo", "--no-scores", "-o", "labels", "-y")
    assert run.code not in (0, 1)
    assert "'data.yaml' exists and is not of detcli; name another folder for the dataset" in run.err
    assert Path("data.yaml").read_text() == "names: [mine]"


def test_a_run_with_scores_is_replaced_by_one_without(detcli: Callable[..., Run]) -> None:
    assert detcli("detect", "photos", *MODEL, "-f", "yolo", "-o", "out").code == 0
    run = detcli("detect", "photos", *MODEL, "-f", "yolo", "--no-scores", "-o", "out", "-y")
    assert run.code == 0, run.err
    assert {path.name for path in Path("out").iterdir() if path.name[0] != "."} == {
        "classes.txt", "data.yaml", "images", "labels", "train.txt", "val.txt",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [("-o", "out.json"), ("-f", "csv"), ()])
def test_other_formats_refuse_the_option(detcli: Callable[..., Run], arguments: tuple[str, ...]) -> None:
    run = detcli("detect", "photos", *MODEL, "--no-scores", *arguments)
    assert (run.code, run.out) == (2, "")
    assert "--no-scores is for the formats yolo and voc" in run.err


def test_python_writes_the_same_dataset(detcli: Callable[..., Run]) -> None:
    assert detcli("detect", "photos", *MODEL, "-f", "yolo", "--no-scores", "-o", "a").code == 0
    package.detect("photos", model="shapes", device="cpu", outputs="b", format="yolo", no_scores=True)
    files = {path.relative_to("a") for path in Path("a").rglob("*") if path.is_file() and path.name != ".detcli-files"}
    assert files == {
        path.relative_to("b") for path in Path("b").rglob("*") if path.is_file() and path.name != ".detcli-files"
    }
    assert all(Path("a", name).read_bytes() == Path("b", name).read_bytes() for name in files)


def test_frames_of_a_video_are_labeled_without_images(detcli: Callable[..., Run], tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4", frames=4, size_hw=(96, 128))
    run = detcli("video", "in.mp4", *MODEL, "-f", "yolo", "--no-scores", "-o", "out")
    assert run.code == 0, run.err
    assert "4 images are not in 'out/images': put copies there under the names in 'out/train.txt'" in run.err
    assert len(Path("out/train.txt").read_text().splitlines()) == 4
    assert len(list(Path("out/labels").rglob("*.txt"))) == 4
