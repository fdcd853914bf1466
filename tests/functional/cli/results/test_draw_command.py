"""`detcli draw`: the images of a run, drawn from its results, on the command line and in Python."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import detcli as package
from tests.helpers.cli_runs import Run, image
from tests.helpers.stored_results import content

Detcli = Callable[..., Run]


@pytest.fixture
def drawn(detcli: Detcli, images: Path, model: Path) -> Path:
    """The images that a run drew; its results are next to them."""
    outputs = ("-o", "run.jsonl", "-o", "run.json", "-o", "run.csv", "-o", "labels/", "--save-images", "drawn/")
    done = detcli("detect", "in/", "-m", model, "-t", "0", *outputs)
    assert done.code == 0, done.err
    return Path("drawn")


def files(folder: str | Path) -> dict[str, bytes]:
    """The images of a folder by name."""
    found = content(Path(folder))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["run.jsonl", "run.json", "run.csv"])
def test_images_are_those_that_the_run_drew(name: str, drawn: Path, detcli: Detcli) -> None:
    done = detcli("draw", name, "--images", "in/", "--save-images", "again/", "--save-crops", "crops/")
    assert done.code == 0, done.err
    again = files("again")
    assert set(again) == set(files(drawn))
    same = [again[file] == data for file, data in files(drawn).items()]
    assert sum(same) >= len(same) - 1  # a box may be on another pixel, since results are rounded to float32
    assert files("crops")
    assert "5 images" in done.err


def test_yolo_labels_are_drawn_too(drawn: Path, detcli: Detcli) -> None:
    done = detcli("draw", "labels", "--images", "in/", "--save-images", "again/")
    assert done.code == 0, done.err
    assert set(files("again")) == set(files(drawn))


def test_images_are_found_where_the_results_say(drawn: Path, detcli: Detcli) -> None:
    assert detcli("draw", "run.jsonl", "--save-images", "again/").code == 0
    assert set(files("again")) == set(files(drawn))
    shutil.move("in", "moved")
    done = detcli("draw", "run.jsonl", "--save-images", "none/")
    assert done.code == 4
    assert "5 failed" in done.err
    assert detcli("draw", "run.jsonl", "--images", "moved/", "--save-images", "moved-again/").code == 0
    assert set(files("moved-again")) == set(files(drawn))


def test_missing_and_changed_images_are_named_and_others_drawn(drawn: Path, detcli: Detcli) -> None:
    Path("in/1.png").unlink()
    shutil.copy(image(Path("other.png")), "in/2.png")
    lines = Path("run.jsonl").read_bytes().splitlines(keepends=True)
    record = json.loads(lines[0])
    lines[0] = json.dumps(record | {"width": 30}).encode() + b"\n"
    Path("changed.jsonl").write_bytes(b"".join(lines))
    done = detcli("draw", "changed.jsonl", "--images", "in/", "--save-images", "again/")
    assert done.code == 3
    assert "no image of this name is in 'in'" in done.err
    assert "it has 64 x 48 pixels, and the results are of an image with 30 x 48" in done.err
    assert set(files("again")) == set(files(drawn)) - {"0.png", "1.png"}
    assert detcli("draw", "changed.jsonl", "--images", "in/", "--save-images", "strict/", "--strict").code == 3


def test_drawing_options_change_the_images(drawn: Path, detcli: Detcli) -> None:
    for number, options in enumerate((["--hide-labels"], ["--line-width", "9"])):
        assert detcli("draw", "run.jsonl", "--save-images", f"again-{number}/", *options).code == 0
        assert files(f"again-{number}") != files(drawn)


def test_names_of_results_lead_out_of_no_folder(drawn: Path, detcli: Detcli, tmp_path: Path) -> None:
    """With --images, no other file is read; outputs stay in their folder."""
    image(tmp_path / "secret.png", 7)
    record = json.loads(Path("run.jsonl").read_bytes().splitlines()[0])
    hostile = [record | {"index": i, "file": file} for i, file in enumerate(("../secret.png", "/etc/passwd", "0.png"))]
    Path("hostile.jsonl").write_text("".join(json.dumps(line) + "\n" for line in hostile))
    done = detcli("draw", "hostile.jsonl", "--images", "in/", "--save-images", "out/again/")
    assert done.code == 3
    assert done.err.count("no image of this name") == 2
    assert len(files("out")) == 1


def test_requests_that_make_no_sense_change_nothing(drawn: Path, detcli: Detcli) -> None:
    before = files(".")
    for arguments, code, message in (
        (("run.jsonl",), 2, "name a folder in --save-images"),
        (("run.jsonl", "--save-images", "drawn/"), 8, "the folder 'drawn' is not empty"),
        (("run.jsonl", "--save-images", "in/"), 8, "'in' is not empty"),
        (("run.json", "--images", "none/", "--save-images", "again/"), 2, "must be a folder or an archive of images"),
        (("none.json", "--save-images", "again/"), 4, "no such file or folder"),
        (("labels", "--save-images", "again/"), 2, "name the folder of the images in --images"),
    ):
        done = detcli("draw", *arguments)
        assert done.code == code, done.err
        assert message in done.err
    assert files(".") == before


def test_results_of_a_video_are_refused(drawn: Path, detcli: Detcli) -> None:
    record = json.loads(Path("run.jsonl").read_bytes().splitlines()[0])
    Path("video.jsonl").write_text(json.dumps(record | {"frame": 0, "time_s": 0.0}) + "\n")
    done = detcli("draw", "video.jsonl", "--save-images", "again/")
    assert done.code == 2
    assert "results of a video" in done.err
    assert not Path("again").exists()


def test_python_draws_without_torch(drawn: Path) -> None:
    stats = package.draw_results("run.jsonl", "again", images="in")
    assert (stats.images, stats.failed, stats.exit_code) == (5, 0, 0)
    script = "import sys, detcli; detcli.draw_results('run.jsonl', 'more'); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
    with pytest.raises(package.UsageError, match="`save_images`"):
        package.draw_results("run.jsonl")
