"""The comparison on real photographs: budgets, data for other programs, results that are evaluated alike, table, curves."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import real_data
from benchmarks.training_programs import coco_folder, results, run_log
from benchmarks.training_programs.detcli_program import _Times, epochs_in
from benchmarks.training_programs.run_log import Job, RunLog, best_at, last_at
from detcli.datasets.dataset import open_dataset
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_events import EpochEnded, TrainingStep
from tests.helpers.annotated_datasets import annotation, image, write_coco

CATEGORIES = [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}]
IMAGES = [image(10, "a.png"), image(20, "b.png"), image(30, "c.png")]
ANNOTATIONS = [
    annotation(1, 10, 9, [1, 2, 10, 20], area=200, iscrowd=0),
    annotation(2, 10, 4, [50, 6, 20, 8], area=160, iscrowd=0),  # 6 pixels of it are outside
    annotation(3, 20, 4, [5, 5, 20, 20], area=400, iscrowd=0),
    annotation(4, 20, 9, [30, 30, 0, 5], area=0, iscrowd=0),
    annotation(5, 20, 9, [0, 0, 64, 48], area=3072, iscrowd=1),
]


def write_parts(folder: Path) -> Path:
    for name in ("train.json", "val.json", "test.json"):
        write_coco(folder / "images", images=IMAGES, annotations=ANNOTATIONS, categories=CATEGORIES, name=name)
        (folder / "images" / name).rename(folder / name)
    return folder


def job(folder: Path, *marks_s: float, age_s: float = 0.0) -> Job:
    return Job(str(folder), str(folder), marks_s, time.time() - age_s, size=64, threads=1, seed=0)


def test_a_job_passes_unchanged_through_the_command_line(tmp_path: Path) -> None:
    made = replace(job(tmp_path, 1.5, 60), options={"recipe": None, "set": ["batch=4"]})
    assert Job.from_json(made.to_json()) == made


def test_the_best_model_of_a_budget_was_complete_before_it() -> None:
    points = [
        {"seconds": seconds, "kept": kept}
        for seconds, kept in ((10, "a"), (20, None), (30, "b"), (40, "c"), (50, None))
    ]
    marks = (5, 10, 29, 30, 39, 45, 100)
    assert [(point or {}).get("kept") for point in (best_at(points, mark) for mark in marks)] == [
        None, "a", "a", "b", "b", "c", "c",
    ]  # fmt: skip
    assert [(point or {}).get("seconds") for point in (last_at(points, mark) for mark in marks)] == [
        None, 10, 20, 30, 30, 40, 50,
    ]  # fmt: skip


def test_only_the_best_model_of_each_budget_is_kept(tmp_path: Path) -> None:
    log = RunLog(job(tmp_path, 100, 200))
    ages = (10, 50, 90, 110, 150, 250)
    for number, age_s in enumerate(ages):
        log.job = job(tmp_path, 100, 200, age_s=age_s)
        better = number in (0, 1, 3, 4, 5)
        log.add(epoch=number + 1, images=8 * number, ap=0.1, save=(lambda path: write_name(path)) if better else None)
    kept = sorted(folder.name for folder in (tmp_path / "kept").iterdir())
    assert kept == ["00002", "00005"]
    log.finish(lambda folder: [{"model": folder.name}], epochs=6)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [entry["results"][0]["model"] for entry in report["marks"]] == ["00002", "00005"]
    assert [entry["last"]["epoch"] for entry in report["marks"]] == [3, 5]
    assert [round(seconds) for seconds, _ in report["curve"]] == list(ages)
    assert round(report["wall_s"]) == 250


def write_name(folder: Path) -> None:
    (folder / "model").write_text(folder.name)


def test_a_run_without_validation_has_no_results(tmp_path: Path) -> None:
    RunLog(job(tmp_path, 1)).finish(lambda folder: pytest.fail("no model"), epochs=1)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["marks"] == [{"mark_s": 1, "best": None, "last": None, "results": None}]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="times of running children are read on Linux")
def test_the_time_of_running_children_counts() -> None:
    before = run_log.cpu_seconds()
    code = "import sys, time\nwhile time.process_time() < 0.5: pass\nprint('done', flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        running = run_log.cpu_seconds() - before
    assert running >= 0.45  # the kernel counts in hundredths
    assert run_log.cpu_seconds() - before >= running


def test_boxes_for_other_programs_are_those_of_detcli(tmp_path: Path) -> None:
    data = write_parts(tmp_path)
    ours = open_dataset(str(data / "train.json"), images=data / "images")
    theirs = coco_folder.image_boxes(coco_folder.read_part(data, "train"))
    assert coco_folder.class_names(coco_folder.read_part(data, "train")) == ["cat", "dog"]
    for index in range(len(ours)):
        truth = ours.ground_truth(index)
        names = [ours.labels.names[class_id] for class_id in truth.class_ids[~truth.crowd].tolist()]
        boxes = theirs[ours.image_id(index)]
        assert [["cat", "dog"][class_id] for class_id, _ in boxes] == names
        np.testing.assert_allclose([box for _, box in boxes] or np.zeros((0, 4)), truth.boxes_xyxy[~truth.crowd])


def test_the_yolo_folder_has_the_same_images_and_boxes(tmp_path: Path) -> None:
    data = write_parts(tmp_path / "coco")
    yolo = open_dataset(str(coco_folder.write_yolo(data, tmp_path / "yolo")))
    expected = coco_folder.image_boxes(coco_folder.read_part(data, "train"))
    assert len(yolo) == 3
    assert yolo.labels.names == ("cat", "dog")
    for index in range(len(yolo)):
        frame, truth = yolo.read(index), yolo.ground_truth(index)
        image_id = int(Path(frame.origin.file).stem)
        assert truth.class_ids.tolist() == [class_id for class_id, _ in expected[image_id]]
        boxes = np.array([box for _, box in expected[image_id]]).reshape(-1, 4)
        np.testing.assert_allclose(truth.boxes_xyxy, boxes, atol=1e-3)


def test_perfect_results_have_ap_1_and_no_false_boxes() -> None:
    truth = {"images": IMAGES, "annotations": ANNOTATIONS[:3], "categories": CATEGORIES}
    right = [
        {**{key: entry[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.9} for entry in ANNOTATIONS[:3]
    ]
    found = results.evaluated(truth, right)
    assert found["ap"] == found["ap50"] == found["ap75"] == pytest.approx(1)
    assert found["class_ap"] == pytest.approx({"cat": 1, "dog": 1})
    assert found["false_boxes"] == 0


def test_false_boxes_are_wrong_repeated_or_of_another_class() -> None:
    truth = {"images": IMAGES, "annotations": ANNOTATIONS[:1], "categories": CATEGORIES}
    rows = [
        (9, [1, 2, 10, 20], 0.9),
        (9, [1, 2, 10, 19], 0.8),  # again
        (4, [1, 2, 10, 20], 0.7),  # another class
        (9, [40, 2, 10, 20], 0.25),  # elsewhere
        (9, [40, 2, 10, 20], 0.24),  # the same, below the score
    ]
    made = [{"image_id": 10, "category_id": kind, "bbox": box, "score": score} for kind, box, score in rows]
    assert results.evaluated(truth, made)["false_boxes"] == 3


def line(program: str, minutes: float, **more: Any) -> dict[str, Any]:
    values = {"run_minutes": 45.0, "epochs": 12, "images_seen": 2400, "cpu_s": 1200.4, "curve": None}
    return {"program": program, "minutes": minutes, **values, **more}


def test_the_table_has_a_row_for_each_program_and_budget() -> None:
    metrics = {"ap": 0.4444, "ap50": 0.7, "ap75": 0.5, "false_boxes": 1484}
    classes = {"class_ap": {"RBC": 0.5, "WBC": None}, "class_ap50": {"RBC": 0.625, "WBC": None}}
    lines = [
        line("detcli", 45.0, ap=0.1),
        line("detcli", 45.0, **metrics, **classes),
        line("detcli", 10.0, ap=None, epochs=None, images_seen=None, cpu_s=None),
        line("a", 45.0, **metrics, **classes),
    ]
    head, *rows = (row.split() for row in results.table(lines).splitlines())
    assert head[-4:] == ["RBC", "AP50", "WBC", "AP", "WBC", "AP50"][-4:]
    assert [row[0] for row in rows] == ["a", "detcli", "detcli"]
    assert rows[1] == ["detcli", "10", "of", "45", *["-"] * 11]
    assert rows[2][1:] == ["45", "12", "2,400", "1,200", "0.444", "0.700", "0.500", "1,484", "0.500", "0.625", "-", "-"]


def test_curves_are_drawn_of_every_program(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    curve = [[60.0, 0.1], [120.0, 0.2]]
    results.plot_curves([line("detcli", 45.0, curve=curve), line("other", 45.0, curve=curve), line("x", 10.0)], path)
    with Image.open(path) as drawn:
        assert drawn.size[0] > 400


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("left_s", [0.5, 7.0, 100.0, 1234.5])
def test_the_most_epochs_are_chosen_that_fit(left_s: float, every: int) -> None:
    def needed_s(epochs: int) -> float:
        return epochs * 5.0 + -(-epochs // every) * 2.0

    epochs = epochs_in(left_s, 5.0, 2.0, every=every)
    assert epochs == 1 or needed_s(epochs) <= left_s
    assert epochs >= max((count for count in range(1, 300) if needed_s(count) <= left_s), default=1) - 1


def test_a_probe_leaves_out_the_first_step() -> None:
    times = iter([10.0, 12.0, 14.0, 19.0])
    probe = _Times(now=lambda: next(times))
    for step in range(3):
        probe(TrainingStep(0, step, {}, 0.1, 1.0, 1.0, 0))
    probe(EpochEnded(0, {}, {}))
    assert (probe.step_s(), probe.validation_s()) == (2.0, 5.0)


def test_budgets_share_a_run_or_have_their_own(tmp_path: Path) -> None:
    given = [str(write_parts(tmp_path)), "--results", "r", "--program", "detcli", "--minutes", "20", "10", "45"]
    assert real_data.runs(real_data.parsed(given)) == [("detcli", (10, 20, 45))]
    assert real_data.runs(real_data.parsed([*given, "--separate"])) == [
        ("detcli", (10,)), ("detcli", (20,)), ("detcli", (45,)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["data", "--results", "r"], "--ultralytics-python"),
        (["--results", "r"], "give DIR"),
        (["data/images", "--results", "r"], "'data/images' has no train.json, val.json, test.json, images"),
    ],
)
def test_missing_arguments_are_named(
    given: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parts(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        real_data.parsed(given)
    assert message in capsys.readouterr().err


def test_every_program_is_described_and_has_its_script(tmp_path: Path) -> None:
    given = [
        str(write_parts(tmp_path)),
        "--results",
        "r",
        "--ultralytics-python",
        "/other/python",
        "--recipe",
        "mine.toml",
    ]
    arguments = real_data.parsed(given)
    assert arguments.program == list(real_data.PROGRAMS)
    for name, program in real_data.PROGRAMS.items():
        script, python, _ = program(arguments)
        assert f"    {name} " in (real_data.__doc__ or "")
        assert (Path(coco_folder.__file__).parent / f"{script}.py").is_file()
        assert python == (Path("/other/python") if name == "ultralytics" else Path(sys.executable))
    assert real_data.PROGRAMS["detcli"](arguments)[2]["recipe"] == str(Path("mine.toml").resolve())


def test_an_earlier_run_is_not_overwritten(tmp_path: Path) -> None:
    data = str(write_parts(tmp_path / "data"))
    given = [data, "--results", "r", "--program", "detcli", "--minutes", "2", "--work", str(tmp_path / "work")]
    (tmp_path / "work" / "detcli-2-seed0").mkdir(parents=True)
    with pytest.raises(SystemExit, match="has an earlier run: remove it"):
        real_data.run_program("detcli", [2.0], real_data.parsed(given))


def test_the_plain_recipe_is_a_recipe_of_small_rates() -> None:
    recipe = Recipe.read_toml(real_data.PLAIN_RECIPE)
    assert (recipe.batch, recipe.lr * recipe.batch / recipe.base_batch) == (8, pytest.approx(5e-5))
    assert recipe.merged({"epochs": 120}).stop_augmentation_epoch == 110
