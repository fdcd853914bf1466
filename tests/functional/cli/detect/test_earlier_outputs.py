"""Outputs of earlier runs have a tag: they are not read as input of a later run, and that is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.datasets.yolo.yolo_dataset import YoloDataset
from detcli.io.output_paths import OUTPUT_TAG, is_annotated_video, is_output_folder, tag_output_folder
from tests.helpers.annotated_datasets import write_image
from tests.helpers.cli_runs import Run, image
from tests.helpers.video_frames import images as frames_of
from tests.helpers.video_frames import video

Detect = Callable[..., Run]


def _listed(run: Run) -> list[str]:
    return run.out.splitlines()


@pytest.mark.parametrize("argument", [".", "**/*.png", "list"])
def test_images_of_an_earlier_run_are_not_read_again(detect: Detect, images: Path, argument: str) -> None:
    arguments = [argument]
    if argument == "list":
        Path("list.txt").write_text(".\n")
        arguments = ["--files-from", "list.txt"]
    before = _listed(detect(*arguments, "--dry-run"))
    assert detect("in", "-o", "a.jsonl", "--save-images", "drawn", "--save-crops", "in/crops").code == 0
    later = detect(*arguments, "--dry-run")
    assert _listed(later) == before
    assert "skipped 2 folders with outputs of an earlier run: " in later.err
    assert "drawn'" in later.err
    assert "in/crops'" in later.err
    run = detect(*arguments, "-o", "b.jsonl", "--save-images", "other")
    assert run.code == 0
    assert run.err.splitlines()[-1].startswith("5 images, ")
    assert any(line.startswith("detcli: skipped 2 folders with outputs") for line in run.err.splitlines())


def test_outputs_that_are_named_themselves_are_read(detect: Detect, images: Path) -> None:
    detect("in", "-o", "a.jsonl", "--save-images", "drawn")
    for named in ("drawn", "drawn/*.png", "drawn/sub"):
        run = detect(named, "--dry-run")
        assert run.code == 0
        assert _listed(run)
        assert "outputs of an earlier run" not in run.err


def test_a_folder_with_nothing_but_outputs_is_an_error_with_its_reason(detect: Detect, images: Path) -> None:
    detect("in", "-o", "a.jsonl", "--save-images", "results/drawn")
    run = detect("results")
    assert run.code != 0
    assert (
        "there are no images in 'results'; skipped 1 folder with outputs of an earlier run: 'results/drawn'" in run.err
    )


def test_a_folder_with_files_of_the_user_gets_no_tag(detect: Detect, images: Path) -> None:
    image(Path("photos/own.png"), 9)
    assert detect("in", "-o", "a.jsonl", "--save-images", "photos", "-y").code == 0
    assert not is_output_folder("photos")
    assert "./photos/own.png" in _listed(detect(".", "--dry-run"))


def test_a_run_that_is_repeated_or_resumed_keeps_the_tag(detect: Detect, images: Path) -> None:
    for more in ((), ("-y",)):
        assert detect("in", "-o", "a.jsonl", "--save-images", "drawn", *more).code == 0
        assert is_output_folder("drawn")


def test_a_tag_without_its_first_line_is_none(tmp_path: Path) -> None:
    (tmp_path / OUTPUT_TAG).write_text("")
    assert not is_output_folder(tmp_path)
    tag_output_folder(tmp_path)
    assert is_output_folder(tmp_path)


@pytest.mark.parametrize("output", ["drawn", "drawn/{name}.mp4"])
def test_annotated_videos_of_an_earlier_run_are_not_read_again(
    detcli: Callable[..., Run], model: Path, images: Path, output: str
) -> None:
    Path("films").mkdir()
    video(Path("films/in.mp4"), frames_of(3))
    arguments = ["video", "-m", model, "-d", "cpu"]
    assert detcli(*arguments, "films", "--save-video", output).code == 0
    assert [path.name for path in Path("drawn").glob("*.mp4")] == ["in.mp4"]
    later = detcli(*arguments, ".", "--dry-run")
    assert _listed(later) == ["./films/in.mp4"]
    assert "skipped 1 folder with outputs of an earlier run: './drawn'" in later.err


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
@pytest.mark.parametrize("argument", [".", "*.*", "**/*"])
def test_a_single_annotated_video_is_not_read_again(
    detcli: Callable[..., Run], model: Path, images: Path, suffix: str, argument: str
) -> None:
    video(Path("in.mp4"), frames_of(3))
    arguments = ["video", "-m", model, "-d", "cpu"]
    drawn = f"drawn{suffix}"
    assert detcli(*arguments, "in.mp4", "--save-video", drawn).code == 0
    assert is_annotated_video(drawn)
    assert not is_annotated_video("in.mp4")
    later = detcli(*arguments, argument, "--dry-run")
    assert [Path(line).name for line in _listed(later) if line.endswith((".mp4", suffix))] == ["in.mp4"]
    assert "skipped 1 annotated video of an earlier run: '" in later.err
    named = detcli(*arguments, drawn, "--dry-run")
    assert _listed(named) == [drawn]
    assert "skipped" not in named.err


def test_labels_in_yolo_format_are_no_input(detcli: Callable[..., Run], detect: Detect, images: Path) -> None:
    before = _listed(detect(".", "--dry-run"))
    assert detect("in", "-f", "yolo", "-o", "labels/").code == 0
    assert _listed(detect(".", "--dry-run")) == before


def test_training_skips_outputs_among_its_images(tmp_path: Path) -> None:
    write_image(tmp_path / "images/a.png")
    tag_output_folder(tmp_path / "images/drawn")
    write_image(tmp_path / "images/drawn/a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat]\n")
    dataset = YoloDataset(str(tmp_path))
    assert len(dataset) == 1
    [message] = dataset.report.issues
    assert message.startswith("skipped 1 folder with outputs of an earlier run: ")
