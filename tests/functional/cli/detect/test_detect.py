"""`detcli detect` from the command line to files: what is written where, and how it ends."""

import csv
import json
import os
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from tests.helpers.cli_runs import Run, broken, image

Detect = Callable[..., Run]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_without_an_output_records_go_to_standard_output(detect: Detect, images: Path) -> None:
    run = detect("in")
    assert run.code == 0
    results = records(run.out)
    assert [record["file"] for record in results] == [f"in/{name}.png" for name in ("0", "1", "2", "sub/3", "sub/4")]
    assert [record["index"] for record in results] == list(range(5))
    assert all(len(record["detections"]) == 2 and record["error"] is None for record in results)
    assert run.err.startswith("5 images, 10 boxes in ")


def test_suffixes_choose_the_formats_of_several_outputs(detect: Detect, images: Path) -> None:
    run = detect("in", "-o", "a.jsonl", "-o", "b.coco.json", "-o", "c.csv", "-o", "d/", "--save-images", "drawn")
    assert (run.code, run.out) == (0, "")
    assert run.err.splitlines()[-1].endswith(" -> a.jsonl, b.coco.json, c.csv, d/, drawn/")
    lines = records(Path("a.jsonl").read_text())
    boxes = [box for record in lines for box in record["detections"]]
    coco = json.loads(Path("b.coco.json").read_text())
    assert [annotation["bbox"] for annotation in coco["annotations"]] == [box["bbox"] for box in boxes]
    assert coco["info"]["arguments"]["sources"] == ["in"]
    rows = list(csv.DictReader(StringIO(Path("c.csv").read_text())))
    assert [float(row["score"]) for row in rows] == [box["score"] for box in boxes]
    drawn = {"0.png", "1.png", "2.png", "sub/3.png", "sub/4.png"}
    assert {path.relative_to("drawn").as_posix() for path in Path("drawn").rglob("*.png")} == drawn
    assert len(list(Path("d").rglob("*.txt"))) == 6
    assert not list(Path().glob("*.journal"))


@pytest.mark.parametrize("name", ["jsonl", "csv", "coco", "coco-results"])
def test_a_named_format_goes_to_standard_output(detect: Detect, images: Path, name: str) -> None:
    run = detect("in", "-f", name, "-o", "-")
    assert run.code == 0
    if name == "csv":
        assert run.out.startswith("file,frame,time_s,width,height,label,")
    elif name != "jsonl":
        json.loads(run.out)


def test_coco_results_keep_every_score_and_load_as_results(
    detcli: Callable[..., Run], model: Path, images: Path
) -> None:
    assert detcli("detect", "in", "-m", model, "-o", "truth.json", "-t", "0.01").code == 0
    run = detcli("detect", "in", "-m", model, "-o", "results.json", "-f", "coco-results", "--gt", "truth.json")
    assert run.code == 0
    assert len(json.loads(Path("results.json").read_text())) == 5 * 20, "all queries of the model"
    assert len(COCO("truth.json").loadRes("results.json").anns) == 100


def test_ids_that_are_positions_are_said_with_coco_results(
    detcli: Callable[..., Run], detect: Detect, model: Path, images: Path
) -> None:
    said = "the image ids in the COCO results are positions in the input, from 1"
    alone = detect("in", "-f", "coco-results", "-o", "results.json")
    assert alone.code == 0
    assert alone.err.count(said) == 1
    assert "detect with --gt" in alone.err
    assert {entry["image_id"] for entry in json.loads(Path("results.json").read_text())} <= set(range(1, 6))
    detect("in", "-o", "truth.json")
    for arguments in (["-f", "coco-results", "--gt", "truth.json"], ["-f", "coco"], ["-f", "jsonl"]):
        assert said not in detect("in", *arguments, "-o", "-").err


def test_the_table_is_human_readable(detect: Detect, images: Path) -> None:
    run = detect("in", "-f", "table", env={"COLUMNS": "60"})
    assert run.code == 0
    assert run.out.startswith("file\n  label")
    assert max(len(line) for line in run.out.splitlines()) <= 60


def test_an_image_that_cannot_be_read_is_a_record_and_a_line(detect: Detect, images: Path) -> None:
    broken(images / "2.png")
    run = detect("in")
    assert run.code == 3
    bad = records(run.out)[2]
    assert (bad["width"], bad["detections"], bad["error"]["code"]) == (None, None, "truncated")
    assert run.err.splitlines()[0].startswith("detcli: 'in/2.png': truncated")
    assert run.err.splitlines()[0].endswith("; skipped")
    assert run.err.splitlines()[-1].startswith("5 images, 1 failed, 8 boxes in ")


def test_nothing_processed_is_4(detect: Detect, images: Path) -> None:
    run = detect("not/there.jpg", "nor/*.jpg")
    assert run.code == 4
    assert [record["error"]["code"] for record in records(run.out)] == ["not-found", "not-found"]
    assert "detcli: 'not/there.jpg': " in run.err


def test_videos_and_streams_get_a_hint_to_the_video_command(detect: Detect, images: Path) -> None:
    Path("in.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    first, second, third = records(detect("in.mp4", "rtsp://me:secret@camera/1", "cam9").out)
    assert first["error"]["message"] == "a video, not an image"
    assert second["error"]["message"].endswith("and those of object stores; streams are read as videos")
    assert third["error"]["message"] == "no such file or folder; cameras are read as videos"


def test_an_empty_folder_is_an_error_with_its_name(detect: Detect, images: Path) -> None:
    Path("empty").mkdir()
    run = detect("empty", "-o", "out.jsonl")
    assert (run.code, run.out) == (4, "")
    assert run.err == "detcli: there are no images in 'empty'\n'detcli video' reads videos, cameras and streams\n"
    assert not Path("out.jsonl").exists()


def test_files_of_other_suffixes_are_counted_on_screen(detect: Detect, images: Path) -> None:
    for name in ("in/a.dng", "in/sub/b.dng", "in/README"):
        Path(name).write_bytes(b"x")
    said = "detcli: skipped 3 files of other suffixes: 2 .dng, 1 without suffix"
    run = detect("in", "-o", "a.jsonl")
    assert (run.code, run.err.splitlines()[:-1]) == (0, [said])
    assert said in detect("in", "--dry-run").err
    assert detect("in", "-o", "b.jsonl", "-q").err == ""
    Path("raw").mkdir()
    Path("raw/a.dng").write_bytes(b"x")
    assert "there are no images in 'raw'; skipped 1 file of other suffixes: 1 .dng" in detect("raw").err


def test_strict_ends_at_the_first_failure(detect: Detect, images: Path) -> None:
    broken(images / "0.png")
    run = detect("in", "--strict", "-b", "1", "-o", "out.jsonl")
    assert run.code == 3
    assert "detcli: the run ended at the first failed input, because --strict is set" in run.err
    assert records(Path("out.jsonl").read_text())[0]["error"]["code"] == "truncated"


def test_max_failures_is_the_number_of_accepted_failures(detect: Detect, images: Path) -> None:
    for name in ("0.png", "1.png"):
        broken(images / name)
    assert "2 failed" in detect("in", "--max-failures", "2").err
    run = detect("in", "--max-failures", "1")
    assert run.code == 3
    assert "2 inputs failed, more than --max-failures 1 allows" in run.err


def test_classes_select_labels_and_a_typo_gets_a_suggestion(detect: Detect, images: Path) -> None:
    run = detect("in", "--classes", "Dog,2")
    assert {box["label"] for record in records(run.out) for box in record["detections"]} <= {"dog", "traffic light"}
    typo = detect("in", "--classes", "persn", "-o", "out.jsonl")
    assert typo.code == 2
    assert "the model has no class 'persn': did you mean 'person'?" in typo.err
    assert not Path("out.jsonl").exists()


def test_an_unknown_model_is_5_with_suggestions(detcli: Callable[..., Run], images: Path) -> None:
    run = detcli("detect", "in", "-m", "dfine-xl")
    assert (run.code, run.out) == (5, "")
    assert "there is no model 'dfine-xl'; did you mean 'dfine-x" in run.err


def test_offline_and_not_downloaded_is_5(detcli: Callable[..., Run], images: Path, tmp_path: Path) -> None:
    run = detcli("detect", "in", "-m", "dfine-s", "--offline", "--cache-dir", tmp_path / "cache")
    assert run.code == 5
    assert "'dfine-s' is not downloaded" in run.err


def test_an_existing_output_is_not_replaced_by_default(detect: Detect, images: Path) -> None:
    Path("out.jsonl").write_text("mine")
    run = detect("in", "-o", "out.jsonl")
    assert run.code == 8
    assert "--if-exists" in run.err
    assert "--resume" in run.err
    assert Path("out.jsonl").read_text() == "mine"
    skipped = detect("in", "-o", "out.jsonl", "--if-exists", "skip")
    assert (skipped.code, skipped.out) == (0, "")
    assert "'out.jsonl' exists; skipped" in skipped.err
    assert Path("out.jsonl").read_text() == "mine"
    assert detect("in", "-o", "out.jsonl", "-y").code == 0
    assert len(records(Path("out.jsonl").read_text())) == 5


def test_skipping_one_output_still_writes_the_other(detect: Detect, images: Path) -> None:
    Path("a.jsonl").write_text("mine")
    run = detect("in", "-o", "a.jsonl", "-o", "b.jsonl", "--if-exists", "skip")
    assert (run.code, run.out) == (0, "")
    assert Path("a.jsonl").read_text() == "mine"
    assert len(records(Path("b.jsonl").read_text())) == 5


def test_skip_keeps_existing_annotated_images(detect: Detect, images: Path) -> None:
    assert detect("in", "--save-images", "drawn").code == 0
    Path("drawn/1.png").write_bytes(b"mine")
    Path("drawn/2.png").unlink()
    assert detect("in", "--save-images", "drawn").code == 8
    assert detect("in", "--save-images", "drawn", "--if-exists", "skip").code == 0
    assert Path("drawn/1.png").read_bytes() == b"mine"
    assert Path("drawn/2.png").exists()


def test_with_images_saved_standard_output_keeps_its_default(detect: Detect, images: Path) -> None:
    run = detect("in", "--save-images", "drawn", "--save-crops", "cut")
    assert len(records(run.out)) == 5
    assert len(list(Path("cut").rglob("*.png"))) == 10


def test_outputs_of_a_run_are_not_read_as_its_input(detect: Detect, images: Path) -> None:
    assert len(records(detect(".", "--save-images", "drawn").out)) == 5
    assert len(records(detect(".", "--save-images", "drawn", "-y").out)) == 5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nothing to process"),
        (["in", "--resume"], "--resume needs the --output"),
        (["in", "--resume", "-o", "-"], "--resume needs the --output"),
        (["in", "-o", "a.jsonl", "-o", "b.csv", "-f", "csv"], "--format csv is for one output"),
        (["in", "-o", "a.jsonl", "-o", "./a.jsonl"], "two outputs would go to 'a.jsonl'"),
        (["in", "-o", "-", "-o", "-"], "two outputs would go to standard output"),
        (["in", "-f", "yolo"], "--format yolo writes a folder of files"),
        (["in", "-f", "table", "-o", "a.txt"], "--format table is for standard output"),
        (["in", "-o", "a.feather"], "cannot tell the format of 'a.feather'"),
        (["in", "-o", ""], "--output is empty"),
        (["in", "-o", "in"], "'in' is input and output at once"),
        (["in", "--save-images", "in"], "'in' is input and output at once"),
        (["in/0.png", "-o", "in/0.png", "-f", "csv", "-y"], "'in/0.png' is input and output at once"),
        (["in", "--gt", "in/0.png", "-o", "in/0.png", "-f", "coco", "-y"], "'in/0.png' is input and output at once"),
        (["--files-from", "in/0.png", "-o", "in/0.png", "-f", "csv", "-y"], "'in/0.png' is input and output at once"),
        (["in", "--save-images", "x", "--save-crops", "x"], "'x' cannot hold the images and the crops"),
        (["in", "--gt", "none.json", "-o", "x.json"], "cannot read the annotations 'none.json'"),
        (["in", "--font", "none.ttf", "--save-images", "x"], "cannot use the font 'none.ttf'"),
        (["-", "--files-from", "-"], "standard input ('-') is named more than once"),
        (["--files-from", "none.txt"], "the list 'none.txt' does not exist"),
        (["in", "--imgsz", "50", "64"], "50 is not a multiple of 32"),
        (["in", "--device", "cuda:99"], "--device cuda:99"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_invalid_combinations_are_refused_before_any_output(
    detect: Detect, images: Path, arguments: list[str], complaint: str
) -> None:
    before = sorted(path.name for path in Path().iterdir())
    run = detect(*arguments)
    assert (run.code, run.out) == (2, "")
    assert complaint in run.err
    assert sorted(path.name for path in Path().iterdir()) == before


def test_huge_limits_are_accepted(detect: Detect, images: Path) -> None:
    beyond = str(10**30)
    run = detect("in", "--limit", beyond, "--max-pixels", beyond, "--max-failures", beyond)
    assert (run.code, len(records(run.out))) == (0, 5)


def test_a_settings_file_is_not_overwritten(detect: Detect, images: Path) -> None:
    Path("mine.csv").write_text("[detect]\n")
    assert detect("in", "--config", "mine.csv", "-o", "mine.csv", "-y").code == 2
    assert Path("mine.csv").read_text() == "[detect]\n"


@pytest.mark.skipif(os.name != "posix", reason="only POSIX allows to delete the working folder")
def test_a_deleted_working_folder_is_reported(detect: Detect, images: Path) -> None:
    Path("gone").mkdir()
    os.chdir("gone")
    Path("../gone").rmdir()
    run = detect(images, "-o", images.parent / "out.jsonl")
    assert (run.code, run.out) == (2, "")
    assert "the working folder cannot be found" in run.err


def test_a_dry_run_lists_images_and_writes_nothing(detect: Detect, images: Path) -> None:
    run = detect("in", "--dry-run", "-o", "out.jsonl", "--save-images", "drawn", "--limit", "4")
    assert run.code == 0
    assert run.out.splitlines() == ["in/0.png", "in/1.png", "in/2.png", "in/sub/3.png"]
    for words in ("would process 4 images", "model: ", "device: cpu", "output: out.jsonl (jsonl)", "output: drawn/"):
        assert words in run.err
    assert not Path("out.jsonl").exists()
    assert not Path("drawn").exists()
    again = detect("-0", "--files-from", "-", stdin=detect("in", "-n", "-0").out.encode())
    assert len(records(again.out)) == 5, "what is listed can be given back"


def test_a_dry_run_tells_what_would_be_downloaded(detcli: Callable[..., Run], images: Path, tmp_path: Path) -> None:
    run = detcli("detect", "in", "-n", "--cache-dir", tmp_path / "cache")
    assert run.code == 0
    assert "dfine-s (ustc-community/dfine-small-coco), not on this machine; it would be downloaded" in run.err
    assert not (tmp_path / "cache").exists()
    assert run.err.endswith("detcli: time: not measured, since the model is not on this machine\n")


def test_paths_and_images_come_from_standard_input(detect: Detect, images: Path) -> None:
    listed = detect("-", "-b", "1", stdin=b"in/1.png\nin/sub/4.png\n")
    assert [record["file"] for record in records(listed.out)] == ["in/1.png", "in/sub/4.png"]
    piped = detect("-", stdin=Path("in/1.png").read_bytes())
    assert records(piped.out)[0]["detections"] == records(listed.out)[0]["detections"]
    assert detect("-", stdin=b"").code == 4


def test_the_header_has_model_version_and_arguments(detect: Detect, model: Path, images: Path) -> None:
    first = records(detect("in", "--header", env={"SOURCE_DATE_EPOCH": "0"}).out)[0]["detcli"]
    assert first["model"] == str(model)
    assert first["created"] == "1970-01-01T00:00:00Z"
    assert first["arguments"]["threshold"] == 0.01
    assert first["arguments"]["max_det"] == 2


def test_ids_come_from_the_annotations(detect: Detect, images: Path) -> None:
    ground_truth = {
        "images": [{"id": 70 + n, "file_name": name} for n, name in enumerate(["0.png", "1.png", "sub/3.png"])],
        "annotations": [],
        "categories": [{"id": 5, "name": "dog"}, {"id": 9, "name": "person"}],
    }
    Path("truth.json").write_text(json.dumps(ground_truth))
    run = detect("in/0.png", "in/1.png", "-o", "out.json", "--gt", "truth.json")
    assert run.code == 0
    assert "no category for 1 of the model's labels: 'traffic light'" in run.err
    out = json.loads(Path("out.json").read_text())
    assert {image["id"] for image in out["images"]} == {70, 71}
    assert {annotation["category_id"] for annotation in out["annotations"]} <= {5, 9, 12}


def test_results_do_not_depend_on_the_batch(detect: Detect, images: Path) -> None:
    single_batches = records(detect("in", "-b", "1").out)
    three = records(detect("in", "-b", "3").out)
    for single, batched in zip(single_batches, three, strict=True):
        for left, right in zip(single["detections"], batched["detections"], strict=True):
            assert left["score"] == pytest.approx(right["score"], abs=1e-5)
            assert left["bbox"] == pytest.approx(right["bbox"], abs=1e-3)


def test_deterministic_runs_write_identical_bytes(detect: Detect, images: Path) -> None:
    runs = {detect("in", "--deterministic", "-b", "2", "-j", jobs).out for jobs in ("1", "3")}
    assert len(runs) == 1


@pytest.mark.skipif(os.name != "posix", reason="only there may a name be any bytes")
def test_hostile_names_are_exact_in_data_and_escaped_on_screen(detect: Detect, images: Path) -> None:
    names = [
        b"\x1b[31mred.png",
        b"[red]x[/red].png",
        b":smile:.png",
        b"new\nline.png",
        b"\xff\xfe.png",
        '"\u202e.png'.encode(),
    ]
    for number, name in enumerate(names):
        path = Path(os.fsdecode(b"in/" + name))
        (broken if number % 2 else image)(path)
    run = detect("in")
    assert run.code == 3
    files = {os.fsencode(record["file"]) for record in records(run.out)}
    assert {b"in/" + name for name in names} <= files
    assert "\x1b" not in run.err
    assert "\u202e" not in run.err
    assert "\\xff\\xfe" in run.err or "in/[red]" in run.err
    lines = [line for line in run.err.splitlines() if line.endswith("; skipped")]
    assert len(lines) == 3


def test_messages_can_be_json(detect: Detect, images: Path) -> None:
    broken(images / "2.png")
    run = detect("in", "--log-format", "json", "-o", "out.jsonl")
    messages = records(run.err)
    assert [message["level"] for message in messages] == ["failure", "summary"]
    assert messages[0]["file"] == "in/2.png"
    assert {name: messages[1][name] for name in ("images", "failed", "boxes", "outputs")} == {
        "images": 5,
        "failed": 1,
        "boxes": 8,
        "outputs": ["out.jsonl"],
    }


def test_quiet_prints_nothing_for_a_successful_run(detect: Detect, images: Path) -> None:
    assert detect("in", "-q", "-o", "out.jsonl") == Run(0, "", "")


def test_verbose_names_model_and_device(detect: Detect, images: Path) -> None:
    stderr = detect("in", "-v", "-o", "out.jsonl").err
    assert "model " in stderr
    assert "cpu, fp32, batches of " in stderr


def test_only_an_interrupted_run_can_be_resumed(detect: Detect, images: Path) -> None:
    assert detect("in", "-o", "out.jsonl", "--resume").code == 0, "nothing to continue from is no harm"
    run = detect("in", "-o", "out.jsonl", "--resume")
    assert run.code == 8
    assert "there is no interrupted run to resume" in run.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_an_output_on_a_full_disk_is_8(detect: Detect, images: Path) -> None:
    run = detect("in", "-o", "/dev/full")
    assert run.code == 8
    assert run.err.startswith("detcli: cannot write '/dev/full': the disk is full")


def test_a_usage_error_keeps_the_existing_output(detect: Detect, images: Path) -> None:
    Path("out.jsonl").write_text("mine")
    for options in (["--font", "none.ttf", "--save-images", "x"], ["--classes", "persn"], ["--gt", "none.json"]):
        assert detect("in", "-o", "out.jsonl", "-y", *options).code == 2
        assert Path("out.jsonl").read_text() == "mine"
        assert not Path("out.jsonl.journal").exists()


def test_unusual_model_files_get_a_warning(
    detcli: Callable[..., Run], model: Path, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((model / name).read_bytes())
    run = detcli("detect", "in/0.png", "-m", folder)
    assert run.code == 0
    assert "has no preprocessor_config.json" in run.err


def test_an_output_without_suffix_is_said_to_be_a_folder(detect: Callable[..., Run], images: Path) -> None:
    first = detect(images, "-o", "results", "--limit", "1")
    assert first.code == 0
    assert first.err.splitlines()[0] == (
        "detcli: 'results' has no suffix: it becomes a folder of YOLO text files; one file is 'results.json' (COCO) or "
        "'results.jsonl'"
    )
    for given in (["-o", "labels/"], ["-o", "results", "-y"], ["-f", "yolo", "-o", "other"], ["-o", "a.csv"]):
        run = detect(images, "--limit", "1", *given)
        assert (run.code, "no suffix" in run.err) == (0, False)


def test_a_video_among_images_is_answered_with_its_command(detect: Callable[..., Run], images: Path) -> None:
    (images / "a b.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100))
    run = detect(images / "0.png", images / "a b.mp4")
    assert run.code == 3
    assert run.err.splitlines()[-1].endswith(f"detcli video '{images / 'a b.mp4'}'")


def test_a_dry_run_measures_how_long_the_run_takes(detect: Callable[..., Run], images: Path) -> None:
    run = detect("in", "-n", "-o", "out.jsonl")
    assert run.code == 0
    assert re.search(
        r"\ndetcli: time: about [\d.]+ s for 5 images, at [\d.,]+ images/s on cpu, measured on 5 images "
        r"without writing results\n$",
        run.err,
    )
    assert not Path("out.jsonl").exists()
    facts = json.loads(detect("in", "-n", "--log-format", "json").err.splitlines()[-1])
    assert facts["seconds"] == pytest.approx(5 / facts["per_second"], abs=0.06)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["in", "http://127.0.0.1:9/a.jpg"], "the inputs are not files on this machine"),
        (["--files-from", "-"], "the inputs are not files on this machine"),
        (["no.jpg"], "no image can be read"),
    ],
)
def test_a_dry_run_says_why_it_measures_nothing(
    detect: Callable[..., Run], images: Path, words: list[str], reason: str
) -> None:
    run = detect(*words, "-n", stdin=b"in/0.png\n")
    assert run.code == 0
    assert run.err.endswith(f"detcli: time: not measured, since {reason}\n")


def test_a_quiet_dry_run_only_lists(detect: Callable[..., Run], images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*_: object) -> None:
        raise AssertionError("nothing is shown, so nothing is measured")

    monkeypatch.setattr("detcli.engine.inputs.preview.measure_speed", measure)
    run = detect("in", "-n", "-q")
    assert (run.code, len(run.out.splitlines()), run.err) == (0, 5, "")
