"""`detcli data view`: a gallery of ground truth, on the command line and in Python."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from detcli.datasets.dataset import open_dataset
from tests.helpers.chromium import CHROMIUM, Page
from tests.helpers.cli_runs import Run, broken
from tests.helpers.data_folders import write_panoptic, write_scenes
from tests.helpers.galleries import records_of, summary_of

Detcli = Callable[..., Run]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a folder with a dataset of 12 images."""
    monkeypatch.chdir(tmp_path)
    return write_scenes(Path("data"), 12, scenes=3).parent


def test_the_gallery_has_the_ground_truth_of_every_image(folder: Path, detcli: Detcli) -> None:
    run = detcli("data", "view", folder, "-o", "gallery")
    assert run.code == 0, run.err
    assert "12 images, 18 boxes" in run.err
    assert "-> gallery/index.html" in run.err
    data, shown, summary = open_dataset("data"), records_of(Path("gallery")), summary_of(Path("gallery"))
    names = [entry["name"] for entry in summary["classes"]]
    assert (summary["boxesAre"], summary["scores"], names) == ("ground truth", None, list(data.labels.names))
    for index, record in enumerate(shown):
        truth = data.ground_truth(index)
        assert record["name"] == data.origin(index).file
        assert record["thumbnail"] == 1
        assert "scores" not in record
        assert sorted(record["classes"]) == sorted(truth.class_ids.tolist())
        assert sum(record["boxes"][3::4]) == pytest.approx(
            (truth.boxes_xyxy[:, 3] - truth.boxes_xyxy[:, 1]).sum(), abs=1
        )
    package.view_dataset("data", "again")
    assert records_of(Path("again")) == shown


def test_both_parts_are_shown_with_their_classes_united(folder: Path, detcli: Detcli) -> None:
    assert detcli("data", "split", folder, "--val", "4", "-o", "parts").code == 0
    assert detcli("data", "view", "parts", "-o", "both").code == 0
    assert detcli("data", "view", "parts", "--part", "val", "-o", "one").code == 0
    assert detcli("data", "view", folder, "--val", "shapes:1:3", "-o", "two").code == 0
    assert [summary_of(Path(name))["images"] for name in ("both", "one", "two")] == [12, 4, 15]
    names = [entry["name"] for entry in summary_of(Path("two"))["classes"]]
    assert names[:4] == ["dog", "cat", "traffic light", "circle"]
    circles = [record["classes"] for record in records_of(Path("two"))[12:]]
    assert all(number >= 3 for classes in circles for number in classes)


def test_masks_are_shown_where_the_data_has_them(tmp_path: Path, detcli: Detcli) -> None:
    data = write_panoptic(tmp_path / "data")
    assert detcli("data", "view", data, "-o", tmp_path / "out").code == 0
    assert all(record["masks"] == 1 for record in records_of(tmp_path / "out"))
    assert detcli("data", "view", "shapes:1:2", "--part", "val", "-o", tmp_path / "shapes").code == 0
    assert all(record.get("masks") == 1 for record in records_of(tmp_path / "shapes") if record["classes"])


def test_images_that_cannot_be_read_are_named_and_shown_without_pixels(folder: Path, detcli: Detcli) -> None:
    broken(folder / "cam 0/scene0_02.png")
    run = detcli("data", "view", folder, "-o", "gallery")
    assert run.code == 3
    assert "1 image cannot be shown, only its boxes: 'data/cam 0/scene0_02.png'" in run.err
    shown = {record["name"]: record for record in records_of(Path("gallery"))}["data/cam 0/scene0_02.png"]
    assert shown["problem"][0] == "missing"
    assert len(shown["classes"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "-o", "data"], 2, "'data' is input and output at once"),
        (["data", "-o", "there"], 8, "the folder 'there' is not empty: --if-exists overwrite (or -y) replaces it"),
        (["none", "-o", "out"], 4, "'none' does not exist"),
        (["data", "-o", "out", "--thumbnail", "5"], 2, "--thumbnail"),
        (["data", "-o", "-"], 2, "the output is a folder of files: --output must name it"),
    ],
)
def test_wrong_requests_are_a_sentence(
    folder: Path, detcli: Detcli, arguments: list[str], code: int, message: str
) -> None:
    Path("there").mkdir()
    Path("there/mine.txt").write_text("mine")
    run = detcli("data", "view", *arguments)
    assert (run.code, message in run.err) == (code, True), run.err
    assert not Path("out").exists()
    assert Path("there/mine.txt").read_text() == "mine"


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_filters_and_sorts_the_ground_truth(folder: Path, detcli: Detcli, tmp_path: Path) -> None:
    assert detcli("data", "view", folder, "-o", "gallery").code == 0
    shutil.move("gallery", "moved")
    with Page(tmp_path / "profile") as page:
        page.open((tmp_path / "moved/index.html").as_uri())
        assert page.evaluate("document.querySelectorAll('.card').length") == 12
        assert page.evaluate("document.querySelectorAll('.card rect.box').length") == 18
        assert "18 boxes" in page.evaluate("document.getElementById('totals').textContent")
        assert page.evaluate("[...document.querySelectorAll('label.scores')].every((label) => label.hidden)") is True
        orders = page.evaluate("[...document.querySelectorAll('#sort option')].map((option) => option.textContent)")
        assert orders == [
            "order of the dataset", "name", "number of boxes", "largest box", "smallest box", "size of the image",
        ]  # fmt: skip
        choose = """((id, value) => { const field = document.getElementById(id); field.value = value;
            field.dispatchEvent(new Event("input", { bubbles: true })); })"""
        page.evaluate(f"{choose}('sort', 'count')")
        first = page.evaluate("document.querySelector('.card').querySelectorAll('rect.box').length")
        assert first == 3
        page.evaluate(f"{choose}('class', '2')")
        assert page.evaluate("document.querySelectorAll('.card').length") == 1
        assert page.evaluate("document.querySelector('.card .line').textContent") == "1 traffic light"
        page.evaluate("document.querySelector('.card').click()")
        assert page.evaluate("document.getElementById('viewer').open") is True
        assert "traffic light" in page.evaluate("document.getElementById('viewer-boxes').textContent")
        assert page.problems == []
        assert all(url.startswith((tmp_path / "moved").as_uri()) for url in page.requests)
