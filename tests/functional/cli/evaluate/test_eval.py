"""`detcli eval`: results of any format and a model itself, evaluated, reported, drawn and held against a gate."""

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from detcli.datasets.boxes.box_formats import ALL_FORMATS, COCO, BoxFormat
from detcli.evaluation.coco_metrics import METRIC_NAMES
from detcli.evaluation.report import to_json
from detcli.io.output_paths import OUTPUT_TAG
from detcli.sinks.folders.written_files import LIST_NAME
from tests.helpers.box_format_scenes import scene as scene_of_boxes
from tests.helpers.cli_runs import Run, broken, image

Detcli = Callable[..., Run]
IDS = {"person": 4, "dog": 2, "traffic light": 9}  # other than detect would number them


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETCLI_EVAL_DEVICE", "cpu")
    for name in ("DETECT", "EVAL"):
        monkeypatch.setenv(f"DETCLI_{name}_PROGRESS", "0")


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A folder with images in `in/`, what the model finds in them in every format, and annotations: of each image
    what it finds best, moved a little."""
    folder = tmp_path_factory.mktemp("scene")
    with contextlib.chdir(folder):
        for number in range(5):
            image(Path("in", "sub" if number > 2 else "", f"{number}.png"), number)
        detect(
            "in", "-m", model, "-o", "out.jsonl", "-o", "out.json", "-o", "out.csv", "-o", "texts/", "-o", "out.parquet"
        )
        detect("in", "-m", model, "-o", "boxes.parquet", "--rows", "boxes")
        detect("in", "-m", model, "-o", "tasks.json", "-f", "label-studio")
        detect("in", "-m", model, "-o", "xml", "-f", "voc")
        records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        Path("in/gt.json").write_text(json.dumps(moved(records)))
        detect("in", "-m", model, "-f", "coco-results", "-o", "cr.json", "--gt", "in/gt.json")
    return folder


def detect(*arguments: str | Path) -> None:
    """Find everything in this process, keeping every score."""
    from detcli.cli.main import cli

    done = CliRunner().invoke(cli, ["detect", "-d", "cpu", "-t", "0", *map(str, arguments)])
    assert done.exit_code == 0, done.stderr


def moved(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for record in records:
        for found in record["detections"][:4]:
            left, top, width, height = found["bbox"]
            share = 0.063 + 0.08 * (len(annotations) % 6)  # no IoU of the evaluate's is met exactly
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 50 - record["index"],
                    "category_id": IDS[found["label"]],
                    "bbox": [left + share * width, top, (1 - share) * width, height],
                    "area": (1 - share) * width * height,
                    "iscrowd": 0,
                }
            )
    images = [
        {
            "id": 50 - record["index"],
            "file_name": Path(record["file"]).relative_to("in").as_posix(),
            "width": record["width"],
            "height": record["height"],
        }
        for record in records
    ]
    categories = [{"id": number, "name": name} for name, number in IDS.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture
def data(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a copy of the scene; returns the annotations."""
    shutil.copytree(scene, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("in/gt.json")


def metrics(run: Run) -> dict[str, float | None]:
    assert run.code == 0, run.err
    document: dict[str, dict[str, float | None]] = json.loads(run.out)
    return document["metrics"]


FORMATS = ("out.jsonl", "out.json", "out.csv", "texts", "cr.json", "out.parquet", "boxes.parquet", "tasks.json", "xml")


def test_every_format_gives_the_metrics_of_the_model(data: Path, detcli: Detcli, model: Path) -> None:
    itself = metrics(detcli("eval", "--json", "-m", model, "--data", data))
    assert tuple(itself) == METRIC_NAMES
    assert 0.1 < (itself["AP"] or 0) < 0.9
    for name in FORMATS:
        of_file = metrics(detcli("eval", "--json", name, "--gt", data))
        assert of_file == pytest.approx(itself, abs=1e-6), name


def test_it_is_what_pycocotools_says_of_the_same_files(
    data: Path, detcli: Detcli, capsys: pytest.CaptureFixture[str]
) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ground_truth = COCO(str(data))
    evaluation = COCOeval(ground_truth, ground_truth.loadRes("cr.json"), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    ours = [
        -1 if value is None else value for value in metrics(detcli("eval", "--json", "cr.json", "--gt", data)).values()
    ]
    assert ours == pytest.approx(evaluation.stats.tolist(), abs=1e-6)
    capsys.readouterr()


def test_a_pipe_gets_the_table_with_every_metric_and_class(data: Path, detcli: Detcli) -> None:
    shown = detcli("eval", "out.jsonl", "--gt", data)
    assert shown.code == 0
    assert shown.out == detcli("eval", "out.jsonl", "--gt", data, "-f", "table").out
    assert [line.split()[0] for line in shown.out.splitlines()[:12]] == list(METRIC_NAMES)
    for name in IDS:
        assert f"\n{name} " in shown.out
    assert "from 0 to 1" in shown.out.splitlines()[0], "the unit; `models list` has percent"
    assert "scores above 0.4 (the default of detect):" in shown.out
    assert shown.err.splitlines()[-1].startswith("AP 0.")


def test_json_is_one_document_by_option_and_by_format(data: Path, detcli: Detcli) -> None:
    documents = [
        json.loads(detcli("eval", "out.jsonl", "--gt", data, *how).out) for how in (["--json"], ["-f", "json"])
    ]
    for document in documents:
        del document["created"]
    assert documents[0] == documents[1]
    both = detcli("eval", "out.jsonl", "--gt", data, "--json", "-f", "table")
    assert (both.code, both.out) == (2, "")
    assert both.err.startswith("detcli: --json cannot be combined with --format table")


def test_the_report_plots_and_worst_images_are_written(data: Path, detcli: Detcli) -> None:
    arguments = ["-o", "r/report.json", "--save-plots", "plots", "--save-worst", "worst", "--worst", "2"]
    done = detcli("eval", "--json", "out.jsonl", "--gt", data, *arguments, "--score", "0.01")
    assert done.code == 0, done.err
    document = json.loads(Path("r/report.json").read_text())
    assert to_json(document) == Path("r/report.json").read_bytes()
    assert document == json.loads(done.out) | {"created": document["created"]}
    assert document["settings"] == {"results": "out.jsonl", "format": "jsonl", "gt": str(data), "score": 0.01}
    names = [LIST_NAME, OUTPUT_TAG, "calibration.png", "confusion.png", "errors.png", "pr_curves.png"]
    assert sorted(path.name for path in Path("plots").glob("*.*")) == names
    assert (Path("worst") / OUTPUT_TAG).is_file()
    drawn = sorted(Path("worst").glob("*.jpg"))
    assert len(drawn) == 2
    with Image.open(drawn[0]) as first:
        assert first.width > 2 * 640, "two panels of at least 640 pixels"
    assert "-> r/report.json, plots, worst" in done.err


def counted_at(report: Path) -> tuple[float, float, str]:
    document = json.loads(report.read_text())
    return document["settings"]["score"], document["confusion"]["score"], document["confusion"]["score_source"]


@pytest.mark.parametrize(
    ("threshold", "kind", "expected"),
    [
        ("0.3", ["-o", "r.jsonl", "--header"], (0.3, 0.3, "the threshold of the results")),
        ("0.3", ["-o", "r.json"], (0.3, 0.3, "the threshold of the results")),
        ("0", ["-o", "r.json"], (0.4, 0.4, "the default of detect")),
        ("0.01", ["-o", "r.jsonl", "--header"], (0.4, 0.4, "the default of detect")),
        ("0.3", ["-o", "r.csv"], (0.4, 0.4, "the default of detect")),
    ],
)
def test_mistakes_count_at_the_threshold_of_the_results(
    threshold: str, kind: list[str], expected: tuple[float, float, str], data: Path, detcli: Detcli, model: Path
) -> None:
    done = detcli("detect", "in", "-m", model, "-d", "cpu", "-t", threshold, *kind)
    assert done.code == 0, done.err
    done = detcli("eval", kind[1], "--gt", data, "-o", "report.json")
    assert done.code == 0, done.err
    assert counted_at(Path("report.json")) == expected
    assert f"scores above {expected[0]:g} ({expected[2]}):" in done.out


@pytest.mark.parametrize("samples", ["1", "39"])
def test_too_few_bootstrap_samples_are_refused(samples: str, data: Path, detcli: Detcli) -> None:
    done = detcli("eval", "out.jsonl", "--gt", data, "--bootstrap", samples)
    assert done.code == 2
    assert f"--bootstrap must be at least 40 for an interval of 95%, or 0 for none, not {samples}" in done.err
    assert detcli("eval", "out.jsonl", "--gt", data, "--bootstrap", "40").code == 0


def test_mistakes_count_at_the_threshold_of_the_model_of_results(data: Path, detcli: Detcli) -> None:
    header = json.dumps({"detcli": {"model": "detr-r50", "arguments": {"threshold": 0.0}}})
    Path("named.jsonl").write_text(header + "\n" + Path("out.jsonl").read_text())
    done = detcli("eval", "named.jsonl", "--gt", data)
    assert "scores above 0.7 (the threshold of their model):" in done.out


def test_mistakes_of_a_model_count_at_what_detect_keeps(data: Path, detcli: Detcli, model: Path) -> None:
    for arguments, expected in (
        ([], (0.4, 0.4, "the default of detect")),
        (["-t", "0.6"], (0.6, 0.6, "the threshold of this run")),
        (["-t", "0.6", "--score", "0.2"], (0.2, 0.2, "given")),
    ):
        assert detcli("eval", "-m", model, "--data", data, "-o", "report.json", "-y", *arguments).code == 0
        assert counted_at(Path("report.json")) == expected
    assert detcli("eval", "-m", "shapes", "--data", "shapes:3:2", "-o", "report.json", "-y").code == 0
    assert counted_at(Path("report.json"))[2] == "the threshold of the model"


def test_a_model_report_says_which_model_and_how(data: Path, detcli: Detcli, model: Path) -> None:
    done = detcli("eval", "-m", model, "--data", data, "-o", "report.json", "--save-worst", "worst")
    assert done.code == 0, done.err
    settings = json.loads(Path("report.json").read_text())["settings"]
    assert settings["model"] == str(model)
    assert len(settings["sha256"]) == 64
    assert (settings["threshold"], settings["max_det"], settings["imgsz"]) == (0.0, 300, [64, 96])
    assert list(Path("worst").glob("*.jpg"))


def test_a_failed_gate_is_exit_10_and_the_report_is_written(data: Path, detcli: Detcli) -> None:
    done = detcli("eval", "out.jsonl", "--gt", data, "--min-map", "0.99", "-o", "report.json")
    assert done.code == 10
    assert "less than --min-map 0.99" in done.err
    average = json.loads(Path("report.json").read_text())["metrics"]["AP"]
    assert f"AP is {average:.4f}" in done.err
    assert detcli("eval", "out.jsonl", "--gt", data, "--min-map", str(average)).code == 0


def test_an_unreadable_image_is_named_and_is_exit_3(data: Path, detcli: Detcli, model: Path) -> None:
    whole = metrics(detcli("eval", "--json", "-m", model, "--data", data))
    broken(data.parent / "1.png")
    done = detcli("eval", "--json", "-m", model, "--data", data)
    assert done.code == 3, done.err
    assert "1.png" in done.err
    assert "counts as false negatives" in done.err
    document = json.loads(done.out)
    assert document["counts"]["failed"] == len(document["failed"]) == 1
    assert document["metrics"]["AR100"] < (whole["AR100"] or 0)


def test_a_threshold_for_a_model_is_a_warning(data: Path, detcli: Detcli, model: Path) -> None:
    done = detcli("eval", "-m", model, "--data", data, "-t", "0.3")
    assert "scores up to 0.3 are left out" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-t", "0.9"), "--threshold is for models"),
        (("--max-det", "1", "--imgsz", "64"), "--max-det and --imgsz are for models"),
        (("--queries", "3", "--precision", "bf16"), "--precision and --queries are for models"),
        ((), None),
    ],
)
def test_settings_of_models_are_said_to_change_no_results(
    data: Path, detcli: Detcli, options: tuple[str, ...], said: str | None
) -> None:
    run = detcli("eval", FORMATS[0], "--gt", data, *options)
    assert run.code == 0, run.err
    assert ("are for models" in run.err or "is for models" in run.err) == (said is not None)
    assert said is None or said in run.err


def test_drawn_shapes_are_data_too_and_need_a_common_class(detcli: Detcli, model: Path) -> None:
    done = detcli("eval", "-m", model, "--data", "shapes:3:2")
    assert done.code == 4
    assert "no class in common" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "nothing to evaluate"),
        (["out.jsonl"], 2, "missing --gt"),
        (["out.jsonl", "--gt", "in/gt.json", "--data", "in"], 2, "--data is for evaluating a model"),
        (["out.jsonl", "--gt", "in/gt.json", "-m", "dfine-s"], 2, "--model is for evaluating a model"),
        (["--data", "in/gt.json", "--gt", "in/gt.json"], 2, "--gt is for stored results"),
        (["gone.jsonl", "--gt", "in/gt.json"], 4, "no such file"),
        (["gone.json", "--gt", "in/gt.json"], 4, "no such file"),
        (["gone/", "--gt", "in/gt.json"], 4, "no such file"),
        (["out.jsonl", "--gt", "gone.json"], 4, "cannot read the annotations"),
        (["--data", "gone", "-m", "shapes"], 4, "'gone' does not exist; a dataset is"),
        (["--data", "gone.json", "-m", "shapes"], 4, "'gone.json' does not exist; a dataset is"),
        (["--data", "in/0.png", "-m", "shapes"], 4, "'in/0.png' is not a dataset"),
        (["--data", "in/sub", "-m", "shapes"], 4, "'in/sub' is not a dataset"),
        (["out.jsonl", "--gt", "in/gt.json", "-o", "report.txt"], 2, "'report.txt' must end in .json"),
        (["out.jsonl", "--gt", "in/gt.json", "-o", "in/gt.json"], 2, "both input and output"),
        (["out.jsonl", "--gt", "in/gt.json", "-o", "r.json", "--save-plots", "r.json"], 2, "two outputs"),
        (["out.jsonl", "--gt", "in/gt.json", "--min-map", "30"], 2, "not a number from 0 to 1"),
        (["--data", "in/gt.json", "-m", "dfine-zz"], 5, "dfine-zz"),
    ],
)
def test_invalid_options_are_errors_before_anything_is_read(
    arguments: list[str], code: int, said: str, data: Path, detcli: Detcli
) -> None:
    done = detcli("eval", *arguments)
    assert (done.code, said in done.err) == (code, True), done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda rows: [], 4, "has no detections"),
        (lambda rows: [row | {"image_id": str(row["image_id"])} for row in rows], 4, "image_id is the text"),
        (lambda rows: [row | {"image_id": row["image_id"] + 1000} for row in rows], 4, "image ids in"),
        (lambda rows: [row | {"category_id": 77} for row in rows], 4, "none of the categories"),
        (lambda rows: [row | {"category_id": i % 3} for i, row in enumerate(rows)], 4, "look like class indices"),
        (lambda rows: [{k: v for k, v in row.items() if k != "score"} for row in rows], 4, "has no score"),
    ],
)
def test_results_that_pycocotools_accepts_silently_are_errors(
    change: Callable[[Any], Any], code: int, said: str, data: Path, detcli: Detcli
) -> None:
    path = Path("cr.json")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    done = detcli("eval", path, "--gt", data, "-o", "report.json")
    assert (done.code, said in done.err) == (code, True), done.err
    assert not Path("report.json").exists()


def as_corners(box: list[float]) -> list[float]:
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def as_centers(box: list[float]) -> list[float]:
    return [box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]]


def as_fractions(box: list[float]) -> list[float]:
    return [value / 1000 for value in box]


def with_swapped_axes(box: list[float]) -> list[float]:
    return [box[1], box[0], box[3], box[2]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (as_corners, "as two corners (left, top, right, bottom) in pixels all fit"),
        (as_centers, "as centers (center x, center y, width, height) in pixels all fit"),
        (as_fractions, "smaller than a pixel, as fractions of the image are"),
        (with_swapped_axes, "as top, left, height, width in pixels all fit"),
    ],
)
@pytest.mark.parametrize("door", ["gt", "data", "train"])
def test_ground_truth_in_another_format_is_exit_4(
    door: str, change: Callable[[list[float]], list[float]], said: str, tmp_path: Path, detcli: Detcli, model: Path
) -> None:
    made = scene_of_boxes(1, images=10, boxes=3, size_wh=(60, 100))
    (tmp_path / "in").mkdir()
    for entry in made.images:
        Image.new("RGB", (60, 100)).save(tmp_path / "in" / entry["file_name"])
    for entry in made.annotations:
        entry["bbox"] = change(entry["bbox"])
    gt, results = tmp_path / "in" / "gt.json", tmp_path / "r.json"
    gt.write_text(json.dumps(made.document))
    results.write_text(json.dumps(made.results))
    command = {
        "gt": ["eval", results, "--gt", gt],
        "data": ["eval", "-m", model, "--data", gt],
        "train": ["train", "--data", gt, "-m", "shapes", "-o", tmp_path / "run", "-d", "cpu"],
    }[door]
    done = detcli(*command)
    assert (done.code, said in done.err) == (4, True), done.err


@pytest.mark.parametrize("box_format", [one for one in ALL_FORMATS if one != COCO], ids=str)
def test_results_in_another_format_are_never_a_silent_zero(
    box_format: BoxFormat, tmp_path: Path, detcli: Detcli
) -> None:
    made = scene_of_boxes(2, kind="small")
    (tmp_path / "gt.json").write_text(json.dumps(made.document))
    (tmp_path / "r.json").write_text(json.dumps(made.written(made.results, box_format)))
    done = detcli("eval", tmp_path / "r.json", "--gt", tmp_path / "gt.json")
    assert done.code in ((0, 4) if not box_format.fractions else (4,)), done.err
    assert f"look like {box_format}" in done.err
    from detcli import DetcliError, evaluate

    if done.code:
        with pytest.raises(DetcliError, match="look like"):
            evaluate(tmp_path / "r.json", ground_truth=tmp_path / "gt.json")


def test_right_results_have_no_word_about_formats(tmp_path: Path, data: Path, detcli: Detcli, model: Path) -> None:
    made = scene_of_boxes(3)
    (tmp_path / "gt.json").write_text(json.dumps(made.document))
    (tmp_path / "r.json").write_text(json.dumps(made.results))
    done = detcli("eval", tmp_path / "r.json", "--gt", tmp_path / "gt.json")
    others = [detcli("eval", name, "--gt", data) for name in FORMATS]
    for run in (done, *others, detcli("eval", "-m", model, "--data", data)):
        assert run.code == 0
        assert "look like" not in run.err
        assert "all fit" not in run.err


def test_results_with_positions_as_ids_are_said(tmp_path: Path, detcli: Detcli) -> None:
    made = scene_of_boxes(4, images=20)  # in another order than that of the names
    numbers = {entry["id"]: number for number, entry in enumerate(made.images, 1)}
    names = sorted(entry["file_name"] for entry in made.images)
    positions = {numbers[entry["id"]]: names.index(entry["file_name"]) + 1 for entry in made.images}
    for entry in (*made.annotations, *made.results):
        entry["image_id"] = numbers[entry["image_id"]]
    for entry in made.images:
        entry["id"] = numbers[entry["id"]]
    (tmp_path / "gt.json").write_text(json.dumps(made.document))
    results = [{**entry, "image_id": positions[entry["image_id"]]} for entry in made.results]
    (tmp_path / "r.json").write_text(json.dumps(results))
    done = detcli("eval", tmp_path / "r.json", "--gt", tmp_path / "gt.json")
    assert "r.json' look like positions in a list of the images, from 1" in done.err
    assert "Detect with --gt" in done.err


def test_detections_are_never_ground_truth(data: Path, detcli: Detcli, model: Path) -> None:
    for arguments in (("out.json", "--gt", "out.json"), ("-m", model, "--data", "out.json", "--images", "in")):
        done = detcli("eval", *arguments)
        assert (done.code, done.out) == (4, ""), done.err
        assert "annotations have scores, as detections have" in done.err


def test_the_files_that_were_taken_are_named(data: Path, detcli: Detcli, model: Path) -> None:
    done = detcli("eval", "-m", model, "--data", data)
    assert "data: annotations 'in/gt.json', images in 'in'" in done.err
    done = detcli("eval", "out.jsonl", "--gt", data, "--save-worst", "worst")
    assert "gt: images in" in done.err


def test_an_unknown_result_format_names_the_option(data: Path, detcli: Detcli) -> None:
    Path("empty.json").write_bytes(b"")
    done = detcli("eval", "empty.json", "--gt", data)
    assert (done.code, "set --results-format to one of jsonl" in done.err) == (2, True), done.err


def test_results_cut_off_at_a_threshold_give_a_warning(data: Path, detcli: Detcli, model: Path) -> None:
    records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    for record in records:
        for found in record["detections"]:
            found["score"] = 0.6
    Path("cut.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = detcli("eval", "cut.jsonl", "--gt", data)
    assert done.code == 0
    assert "the lowest score is 0.6" in done.err


def test_an_existing_report_is_exit_8_skipped_or_replaced(data: Path, detcli: Detcli) -> None:
    Path("report.json").write_text("mine")
    refused = detcli("eval", "out.jsonl", "--gt", data, "-o", "report.json")
    assert (refused.code, "(or -y) replaces" in refused.err, "--resume" in refused.err) == (8, True, False)
    skipped = detcli("eval", "out.jsonl", "--gt", data, "-o", "report.json", "--if-exists", "skip")
    assert (skipped.code, Path("report.json").read_text()) == (0, "mine")
    assert detcli("eval", "out.jsonl", "--gt", data, "-o", "report.json", "-y").code == 0
    assert Path("report.json").read_text() != "mine"


def test_without_matplotlib_there_are_metrics_but_no_plots(
    data: Path, detcli: Detcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = detcli("eval", "--json", "out.jsonl", "--gt", data, "--save-plots", "plots", "-o", "report.json")
    assert done.code == 0
    assert "pip install matplotlib scipy" in done.err
    assert json.loads(done.out)["metrics"]["AP"] == json.loads(Path("report.json").read_text())["metrics"]["AP"]
    assert not Path("plots").exists()
    assert done.err.splitlines()[-1].endswith(" -> report.json")


def test_a_signal_before_the_last_image_leaves_no_report(
    data: Path, detcli: Detcli, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detcli.structures.stop_signal import StopSignal

    real = StopSignal.__init__

    def stopped(stop: StopSignal) -> None:
        real(stop)
        stop.set("SIGTERM")

    monkeypatch.setattr(StopSignal, "__init__", stopped)
    done = detcli("eval", "-m", model, "--data", data, "-o", "report.json")
    assert (done.code, done.out) == (143, "")
    assert "interrupted by SIGTERM before the last image" in done.err
    assert not Path("report.json").exists()


def test_worst_images_need_the_images(data: Path, detcli: Detcli) -> None:
    elsewhere = Path("far/away/gt.json")
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(data.read_bytes())
    done = detcli("eval", "out.jsonl", "--gt", elsewhere, "--save-worst", "worst")
    assert (done.code, "name their folder with --images" in done.err) == (2, True)
    assert detcli("eval", "out.jsonl", "--gt", elsewhere, "--save-worst", "worst", "--images", data.parent).code == 0
    assert list(Path("worst").glob("*.jpg"))


def test_a_name_in_annotations_never_leads_out_of_the_folder(data: Path, detcli: Detcli) -> None:
    image(Path("secret.png"))
    document = json.loads(data.read_text())
    document["images"] = document["images"][:1]
    document["images"][0]["file_name"] = "../secret.png"
    document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] == 50]
    data.write_text(json.dumps(document))
    found = {"image_id": 50, "category_id": 2, "bbox": [0, 0, 9, 9], "score": 0.9}
    Path("cr.json").write_text(json.dumps([found]))
    done = detcli("eval", "cr.json", "--gt", data, "--save-worst", "worst", "--images", "in")
    assert (done.code, "--images" in done.err) == (2, True), done.err
    assert not Path("worst").exists()


def test_report_on_standard_output_is_json_even_where_a_table_would_be(data: Path, detcli: Detcli) -> None:
    done = detcli("eval", "out.jsonl", "--gt", data, "-o", "-", "-f", "json")
    assert set(json.loads(done.out)) >= {"metrics", "classes", "confusion"}
