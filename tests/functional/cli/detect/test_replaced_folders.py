"""`-y` removes the files that an earlier run wrote into a folder, for every kind of folder."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.io.output_paths import OUTPUT_TAG
from detcli.sinks.folders.written_files import LIST_NAME
from tests.helpers.cli_runs import Run, image, start
from tests.helpers.processes import environment
from tests.helpers.video_frames import images as frames_of
from tests.helpers.video_frames import video

Detcli = Callable[..., Run]
OWN = (LIST_NAME, OUTPUT_TAG, "classes.txt")
KINDS = {
    "images": ("detect", "out", ["--save-images", "out"]),
    "crops": ("detect", "out", ["--save-crops", "out", "-t", "0"]),
    "yolo": ("detect", "out", ["-o", "out/", "-f", "yolo"]),
    "masks": ("segment", "out", ["--save-masks", "out"]),
    "drawn segments": ("segment", "out", ["--save-images", "out"]),
    "panoptic": ("segment", "out", ["-o", "out.json", "-f", "coco-panoptic"]),
}


def files(folder: str) -> set[str]:
    """The files below a folder but those that every run writes."""
    paths = (path for path in Path(folder).rglob("*") if path.is_file() and path.name not in OWN)
    return {path.relative_to(folder).as_posix() for path in paths}


@pytest.fixture
def run(detcli: Detcli, model: Path, images: Path, request: pytest.FixtureRequest) -> Detcli:
    """Run a command with the tiny model that it needs."""

    def command(name: str, *arguments: str) -> Run:
        more = ["-t", "0.2"] if name == "segment" else []
        chosen = request.getfixturevalue("segment_model") if name == "segment" else model
        return detcli(name, "-m", chosen, "-d", "cpu", *more, *arguments)

    return command


@pytest.fixture(scope="module")
def segment_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with masks."""
    from tests.helpers.segment_samples import write_panoptic_model

    return write_panoptic_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_overwrites_leaves_only_its_own_files(run: Detcli, kind: str) -> None:
    command, folder, options = KINDS[kind]
    assert run(command, "in/0.png", "in/sub", *options).code == 0
    first = files(folder)
    assert run(command, "in/0.png", *options, "-y").code == 0
    second = files(folder)
    assert run(command, "in/0.png", *(word.replace("out", "new") for word in options)).code == 0
    assert second == files("new")
    assert len(second) < len(first)
    (Path(folder) / "own.png").write_bytes(b"own")
    assert run(command, "in/1.png", *options, "-y").code == 0
    assert (Path(folder) / "own.png").read_bytes() == b"own"
    assert not files(folder) & second - {"own.png"}


def test_what_changed_since_is_kept_and_named(run: Detcli) -> None:
    run("detect", "in", "--save-images", "out")
    Path("out/2.png").write_bytes(b"mine")
    done = run("detect", "in/0.png", "--save-images", "out", "-y")
    assert done.code == 0
    assert "1 file in 'out' changed since an earlier run and is not removed: '2.png'" in done.err
    assert Path("out/2.png").read_bytes() == b"mine"


def test_runs_that_skip_or_resume_continue_the_list(run: Detcli) -> None:
    run("detect", "in/0.png", "-o", "a.jsonl", "--save-images", "out")
    assert run("detect", "in", "-o", "b.jsonl", "--save-images", "out", "--if-exists", "skip").code == 0
    assert len(files("out")) == 5
    assert run("detect", "in/0.png", "-o", "c.jsonl", "--save-images", "out", "-y").code == 0
    assert files("out") == {"0.png"}


@pytest.mark.parametrize("end", ["--resume", "-y"])
def test_an_interrupted_run_leaves_its_list(run: Detcli, images: Path, end: str) -> None:
    options = ["-o", "a.jsonl", "--save-images", "out"]
    Path("in/2.png").rename("kept.png")
    Path("in/2.png").write_bytes(b"broken")
    assert run("detect", "in", *options, "-b", "1", "--strict").code == 3
    Path("kept.png").replace("in/2.png")
    assert run("detect", "in", *options, end).code == (3 if end == "--resume" else 0), (
        "the failed image is resumed, too"
    )
    assert len(files("out")) == (4 if end == "--resume" else 5)
    assert run("detect", "in/0.png", *options, "-y").code == 0
    assert files("out") == {"0.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_run_leaves_its_list(command: list[str], run: Detcli, model: Path) -> None:
    for number in range(60):
        image(Path("many") / f"{number:02}.png", number)
    process = start(
        command, "detect", "many", "-m", model, "-d", "cpu", "-b", "1", "--save-images", "out", "-o", "a.jsonl",
        env=environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(files("out")) < 5 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert files("out")
    assert run("detect", "in/0.png", "--save-images", "out", "-o", "a.jsonl", "-y").code == 0
    left = {name for name in files("out") if not Path(name).name.startswith(".detcli-")}
    assert left == {"0.png"}


def test_the_model_in_the_folder_is_not_removed(run: Detcli, detcli: Detcli, model: Path) -> None:
    run("detect", "in/0.png", "--save-images", "out")
    copy = Path("out/m")
    shutil.copytree(model, copy)
    with Path("out", LIST_NAME).open("a") as listed:  # as a stranger may have written it
        for path in copy.iterdir():
            listed.write(f"{path.stat().st_size} {path.stat().st_mtime_ns} m/{path.name}\n")
    before = files("out/m")
    done = detcli("detect", "in/0.png", "-m", "out/m", "-d", "cpu", "--save-images", "out", "-y")
    assert done.code == 0
    assert files("out/m") == before
    assert "'out' has inputs of this run" in done.err


@pytest.mark.parametrize("argument", ["drawn/0.png", "drawn", "drawn/sub", "drawn/*.png", "list"])
def test_inputs_in_the_folder_are_not_removed(run: Detcli, argument: str) -> None:
    run("detect", "in", "--save-images", "drawn")
    before = files("drawn")
    arguments = [argument]
    if argument == "list":
        Path("drawn/list.txt").write_text("0.png\n")
        os.chdir("drawn")
        arguments = ["--files-from", "list.txt"]
    target = "../drawn" if argument == "list" else "drawn"
    done = run("detect", *arguments, "--save-crops", target, "-y")
    if argument == "list":
        os.chdir("..")
    assert before <= files("drawn")
    if done.code == 0:
        assert f"'{target}' has inputs of this run: files of earlier runs in it are not removed" in done.err
    else:
        assert "input and output at once" in done.err


def test_nothing_is_removed_where_a_run_cannot_start(run: Detcli, tmp_path: Path) -> None:
    options = ["-o", "a.jsonl", "--save-images", "out"]
    run("detect", "in", *options)
    before = files("out")
    (tmp_path / "font.ttf").write_bytes(b"none")
    assert run("detect", "in/0.png", *options, "-y", "--font", "font.ttf").code == 2
    assert run("detect", "in/0.png", *options, "-y", "--classes", "unicorn").code == 2
    Path("empty").mkdir()
    assert run("detect", "empty", *options, "-y").code != 0
    assert files("out") == before


def test_frames_of_videos_are_replaced(run: Detcli) -> None:
    for name, count in (("a.mp4", 4), ("b.mp4", 2)):
        video(Path(name), frames_of(count))
    options = ["--save-images", "frames", "--save-video", "films"]
    assert run("video", "a.mp4", "b.mp4", *options).code == 0
    assert len(files("frames")) == 6
    assert run("video", "b.mp4", *options, "-y").code == 0
    assert len(files("frames")) == 2
    assert files("films") == {"a.mp4", "b.mp4"}, "each film is an output of its own"


def test_python_replaces_folders_too(run: Detcli, model: Path) -> None:
    import detcli as package

    for sources in (["in"], ["in/0.png"]):
        package.detect(sources, model=model, save_images="out", device="cpu", if_exists="overwrite")
    assert files("out") == {"0.png"}


def test_worst_images_and_plots_are_replaced(run: Detcli, detcli: Detcli) -> None:
    boxes = [
        {"image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9], "id": n + 1, "area": 81, "iscrowd": 0} for n in (0, 1)
    ]
    document = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in (0, 1)],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "person"}],
    }
    Path("in/gt.json").write_text(json.dumps(document))
    Path("r.json").write_text(json.dumps([{"image_id": 0, "category_id": 1, "bbox": [30, 30, 9, 9], "score": 0.9}]))
    options = ["--gt", "in/gt.json", "--images", "in", "--save-worst", "worst", "--save-plots", "plots"]
    assert detcli("eval", "r.json", *options).code == 0
    assert len(files("worst")) == 2
    assert detcli("eval", "r.json", *options, "--worst", "1", "-y").code == 0
    assert len(files("worst")) == 1
    assert files("plots") == {"calibration.png", "confusion.png", "errors.png", "pr_curves.png"}
    done = detcli("eval", "r.json", "--gt", "in/gt.json", "--images", "worst", "--save-worst", "worst", "-y")
    assert len(files("worst")) == 1, done.err
