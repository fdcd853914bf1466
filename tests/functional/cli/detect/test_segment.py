"""`detcli segment` from the command line to files: every task, every format, and what makes no sense."""

import contextlib
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detcli.cli.main import COMMANDS
from detcli.sinks.folders.written_files import LIST_NAME
from detcli.structures.masks import Rle
from tests.helpers.cli_runs import Run, broken
from tests.helpers.segment_samples import LABELS, write_panoptic_model

Segment = Callable[..., Run]


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panoptic_model(tmp_path_factory.mktemp("panoptic") / "tiny")


@pytest.fixture
def segment(detcli: Callable[..., Run], panoptic: Path) -> Segment:
    """Run `detcli segment` here, with the tiny model; image by image, since last bits depend on the company."""

    def run(*arguments: str | Path, **others: Any) -> Run:
        return detcli("segment", "--model", panoptic, "--threshold", "0.2", "--batch", "1", *arguments, **others)

    return run


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def masks(record: dict[str, Any]) -> list[np.ndarray]:
    return [Rle.from_json(results["segmentation"]).decode() for results in record["detections"]]


def values(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def tree(folder: str) -> dict[str, bytes]:
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != LIST_NAME]  # has times
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_by_default_each_pixel_has_at_most_one_segment(segment: Segment, images: Path) -> None:
    run = segment("in")
    assert run.code == 0
    results = records(run.out)
    assert len(results) == 5
    assert sum(len(record["detections"]) for record in results) > 5
    assert {d["is_thing"] for record in results for d in record["detections"]} == {True, False}
    for record in results:
        assert [d["segment_id"] for d in record["detections"]] == list(range(1, len(record["detections"]) + 1))
        assert all(d["is_thing"] == (d["label"] in LABELS[:2]) for d in record["detections"])
        covered = np.sum(masks(record), axis=0)
        assert covered.shape == (record["height"], record["width"])
        assert covered.max() == 1
        stuff = [d["label"] for d in record["detections"] if not d["is_thing"]]
        assert len(set(stuff)) == len(stuff), "stuff of a class is one segment"
    count = sum(len(record["detections"]) for record in results)
    assert run.err.startswith(f"5 images, {count} segments in ")


def test_instances_are_things_and_may_overlap(segment: Segment, images: Path) -> None:
    results = records(segment("in", "--task", "instance").out)
    assert {d["label"] for record in results for d in record["detections"]} <= set(LABELS[:2])
    assert max(np.sum(masks(record), axis=0).max() for record in results if record["detections"]) > 1


def test_semantic_segmentation_assigns_a_class_to_every_pixel(segment: Segment, images: Path) -> None:
    for record in records(segment("in", "--task", "semantic", "-t", "0").out):
        labels = [d["label"] for d in record["detections"]]
        assert len(set(labels)) == len(labels)
        assert (np.sum(masks(record), axis=0) == 1).all()


def test_rule_and_thresholds_can_be_set(segment: Segment, images: Path) -> None:
    assert segment("in").out != segment("in", "--rule", "transformers").out
    asked = records(segment("in", "--rule", "transformers", "--overlap-threshold", "0.7", "--header").out)[0]["detcli"]
    shown = {name: asked["arguments"][name] for name in ("task", "rule", "mask_threshold", "overlap_threshold")}
    assert shown == {"task": "panoptic", "rule": "transformers", "mask_threshold": 0.5, "overlap_threshold": 0.7}
    instances = [segment("in", "--task", "instance", "--mask-threshold", at).out for at in ("0.3", "0.7")]
    areas = [sum(mask.sum() for record in records(out) for mask in masks(record)) for out in instances]
    assert areas[0] > areas[1]


OVERLAP, MASK = ["--overlap-threshold", "0.7"], ["--mask-threshold", "0.7"]


@pytest.mark.parametrize(
    ("task", "thresholds", "idle"),
    [
        ([], OVERLAP, OVERLAP),
        ([], MASK, MASK),
        (["--task", "semantic", "--rule", "transformers"], [*OVERLAP, *MASK], [*OVERLAP, *MASK]),
        (["--task", "instance"], MASK, []),
        (["--rule", "transformers"], [*OVERLAP, *MASK], []),
    ],
)
def test_a_threshold_without_effect_gets_a_warning(
    segment: Segment, images: Path, task: list[str], thresholds: list[str], idle: list[str]
) -> None:
    run = segment("in", *task, *thresholds)
    assert run.code == 0, run.err
    shown = [line.split()[1] for line in run.err.splitlines() if "has no effect here" in line]
    assert shown == idle[::2]
    assert (run.out == segment("in", *task).out) is bool(idle)


def test_classes_and_max_det_select_segments(segment: Segment, images: Path) -> None:
    named = records(segment("in", "--classes", "Sky").out)
    assert {d["label"] for record in named for d in record["detections"]} == {"sky"}
    best = records(segment("in", "--max-det", "1").out)
    every = records(segment("in").out)
    for first, all_of_them in zip(best, every, strict=True):
        assert first["detections"] == all_of_them["detections"][:1]


def test_every_format_can_be_written_at_once(segment: Segment, images: Path) -> None:
    run = segment(
        *("in", "-o", "a.jsonl", "-o", "b.coco.json", "-o", "c.csv"),
        *("--save-images", "drawn", "--save-masks", "maps", "--save-crops", "cut"),
    )
    assert (run.code, run.out) == (0, "")
    assert run.err.splitlines()[-1].endswith(" -> a.jsonl, b.coco.json, c.csv, drawn/, cut/, maps/")
    lines = records(Path("a.jsonl").read_text())
    results = [d for record in lines for d in record["detections"]]
    coco = json.loads(Path("b.coco.json").read_text())
    assert [a["segmentation"] for a in coco["annotations"]] == [d["segmentation"] for d in results]
    assert [a["area"] for a in coco["annotations"]] == [int(mask.sum()) for record in lines for mask in masks(record)]
    assert {a["iscrowd"] for a in coco["annotations"]} == {0}
    assert coco["info"]["arguments"]["task"] == "panoptic"
    assert coco["info"]["arguments"]["threshold"] == 0.2
    rows = list(csv.DictReader(io.StringIO(Path("c.csv").read_text())))
    assert [float(row["score"]) for row in rows] == [d["score"] for d in results]
    names = {"0.png", "1.png", "2.png", "sub/3.png", "sub/4.png"}
    for folder in ("drawn", "maps"):
        assert {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.png")} == names
    for record in lines:
        numbers = values(Path("maps") / Path(record["file"]).relative_to("in"))
        for entry, mask in zip(record["detections"], masks(record), strict=True):
            np.testing.assert_array_equal(numbers == entry["segment_id"], mask)
    assert (values("drawn/0.png") != values("in/0.png")).any()
    assert not list(Path().glob("*.journal"))


def test_coco_panoptic_is_a_file_and_a_folder_of_the_same_name(segment: Segment, images: Path) -> None:
    run = segment("in", "-f", "coco-panoptic", "-o", "out.json", "-t", "0.2")
    assert (run.code, run.out) == (0, "")
    assert run.err.splitlines()[-1].endswith(" -> out.json, out/")
    results = json.loads(Path("out.json").read_text())
    assert {c["name"]: c["isthing"] for c in results["categories"]} == {"person": 1, "dog": 1, "sky": 0, "grass": 0}
    assert len(results["images"]) == len(results["annotations"]) == 5
    for record, annotation in zip(records(segment("in").out), results["annotations"], strict=True):
        colors = values(Path("out") / annotation["file_name"]).astype(int)
        ids = colors[:, :, 0] + 256 * colors[:, :, 1] + 256 * 256 * colors[:, :, 2]
        assert set(np.unique(ids)) - {0} == {segment["id"] for segment in annotation["segments_info"]}
        for entry, mask in zip(record["detections"], masks(record), strict=True):
            np.testing.assert_array_equal(ids == entry["segment_id"], mask)


def test_instances_load_as_ground_truth_and_as_results(segment: Segment, images: Path) -> None:
    assert segment("in", "--task", "instance", "-o", "ground_truth.json").code == 0
    instances = ("in", "--task", "instance", "-f", "coco-results", "-o", "results.json", "--gt", "ground_truth.json")
    assert segment(*instances).code == 0
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO("ground_truth.json")
        evaluation = COCOeval(ground_truth, ground_truth.loadRes("results.json"), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    assert evaluation.stats[3:6].max() == pytest.approx(1.0), "sorted by the masks' own areas"


def test_coco_results_of_instances_keep_every_score(detcli: Callable[..., Run], panoptic: Path, images: Path) -> None:
    run = detcli("segment", "in", "-m", panoptic, "--task", "instance", "-f", "coco-results", "-o", "-")
    low = [entry["score"] for entry in json.loads(run.out)]
    assert min(low) < 0.2
    shown = detcli("segment", "in", "-m", panoptic, "--task", "instance")
    assert min([d["score"] for record in records(shown.out) for d in record["detections"]], default=1) > 0.5


def test_eval_evaluates_the_boxes_of_segments(segment: Segment, detcli: Callable[..., Run], images: Path) -> None:
    assert segment("in", "-o", "results.jsonl", "-o", "ground_truth.json").code == 0
    assert segment("in", "-o", "results.json", "-f", "coco-results").code == 0
    refused = detcli("eval", "results.jsonl", "--gt", "ground_truth.json")
    assert "annotations have scores, as detections have" in refused.err
    Path("detections.json").write_bytes(Path("ground_truth.json").read_bytes())
    checked = json.loads(Path("ground_truth.json").read_text())
    for annotation in checked["annotations"]:
        del annotation["score"]
    Path("ground_truth.json").write_text(json.dumps(checked))
    for name in ("results.jsonl", "detections.json", "results.json"):
        run = detcli("eval", name, "--gt", "ground_truth.json", "-f", "json")
        assert run.code == 0, run.err
        assert json.loads(run.out)["metrics"]["AP"] == pytest.approx(1.0)
    assert segment("in", "-o", "p.json", "-f", "coco-panoptic").code == 0
    assert "COCO panoptic" in detcli("eval", "p.json", "--gt", "ground_truth.json").err


def test_class_maps_come_with_the_class_names(segment: Segment, images: Path) -> None:
    run = segment("in", "--task", "semantic", "--save-masks", "maps", "-t", "0")
    assert run.code == 0
    assert Path("maps/classes.txt").read_text().splitlines() == list(LABELS)
    for record in records(run.out):
        numbers = values(Path("maps") / Path(record["file"]).relative_to("in"))
        for entry, mask in zip(record["detections"], masks(record), strict=True):
            np.testing.assert_array_equal(numbers == entry["label_id"], mask)


def test_the_task_of_a_local_model_is_shown(
    detcli: Callable[..., Run], panoptic: Path, model: Path, images: Path
) -> None:
    assert "task        panoptic\n" in detcli("models", "info", panoptic).out
    assert "task        detection\n" in detcli("models", "info", model).out


def test_the_table_is_human_readable(segment: Segment, images: Path) -> None:
    run = segment("in", "-f", "table", env={"COLUMNS": "100"})
    assert run.code == 0
    assert "grass" in run.out


def test_an_image_that_cannot_be_read_is_a_record_and_has_no_map(segment: Segment, images: Path) -> None:
    broken(images / "2.png")
    run = segment("in", "--save-masks", "maps")
    assert run.code == 3
    assert records(run.out)[2]["error"]["code"] == "truncated"
    assert len(list(Path("maps").rglob("*.png"))) == 4
    assert segment("none.png").code == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nothing to process"),
        (["in", "-o", "texts/"], "'texts' would be in the format yolo, which holds boxes and no masks"),
        (["in", "-f", "yolo", "-o", "texts"], "'yolo' is not one of"),
        (["in", "-f", "coco-panoptic"], "--format coco-panoptic writes a file and a folder: --output must name it"),
        (["in", "-f", "coco-panoptic", "-o", "out"], "end 'out' in .json"),
        (["in", "-f", "coco-panoptic", "-o", "out.json", "--task", "instance"], "use --task panoptic"),
        (["in", "-f", "coco-panoptic", "-o", "in.json"], "'in' is input and output at once"),
        (["in", "-f", "coco-panoptic", "-o", "x.json", "--save-masks", "x"], "'x' cannot hold the masks and"),
        (["in", "--save-images", "x", "--save-masks", "x"], "'x' cannot hold the images and the masks"),
        (["in", "--save-masks", "in"], "'in' is input and output at once"),
        (["in", "--task", "things"], "--task"),
        (["in", "--mask-threshold", "2"], "--mask-threshold"),
        (["in", "--resume"], "--resume needs the --output"),
        (["in", "--classes", "skyy", "-o", "x.jsonl"], "did you mean 'sky'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_invalid_combinations_are_refused_before_any_output(
    segment: Segment, images: Path, arguments: list[str], complaint: str
) -> None:
    before = sorted(path.name for path in Path().iterdir())
    run = segment(*arguments)
    assert (run.code, run.out) == (2, "")
    assert complaint in run.err
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_model_without_masks_is_5(detcli: Callable[..., Run], model: Path, images: Path) -> None:
    for name in ("dfine-s", model):
        run = detcli("segment", "in", "-m", name)
        assert (run.code, run.out) == (5, "")
        assert "detects boxes, not masks" in run.err
        assert "detr-r50-panoptic" in run.err


def test_detect_returns_the_boxes_of_a_segmentation_model(
    detcli: Callable[..., Run], panoptic: Path, images: Path
) -> None:
    run = detcli("detect", "in", "-m", panoptic, "-t", "0.2")
    assert run.code == 0
    assert not any("segmentation" in d for record in records(run.out) for d in record["detections"])
    assert "coco-panoptic" not in detcli("detect", "--help").out


def test_existing_outputs_and_panoptic_folders_are_not_replaced(segment: Segment, images: Path) -> None:
    Path("out").mkdir()
    Path("out/mine.png").write_bytes(b"mine")
    run = segment("in", "-f", "coco-panoptic", "-o", "out.json")
    assert run.code == 8
    assert "the folder 'out' is not empty" in run.err
    assert not Path("out.json").exists()
    assert segment("in", "-f", "coco-panoptic", "-o", "out.json", "-y").code == 0
    assert len(list(Path("out").rglob("*.png"))) == 6
    skipped = segment("in", "-f", "coco-panoptic", "-o", "out.json", "--if-exists", "skip")
    assert (skipped.code, "skipped" in skipped.err) == (0, True)


def test_a_dry_run_names_every_output(segment: Segment, images: Path) -> None:
    run = segment("in", "-n", "-f", "coco-panoptic", "-o", "out.json", "--save-masks", "maps", "--save-images", "drawn")
    assert run.code == 0
    for message in (
        "output: out.json (coco-panoptic)",
        "output: out/ (PNGs with segment ids)",
        "output: drawn/ (annotated images)",
        "output: maps/ (label maps)",
    ):
        assert message in run.err
    assert not any(Path(name).exists() for name in ("out.json", "out", "maps", "drawn"))


def test_the_default_model_is_the_panoptic_detr(detcli: Callable[..., Run], images: Path, tmp_path: Path) -> None:
    run = detcli("segment", "in", "-n", "--cache-dir", tmp_path / "cache")
    assert "detr-r50-panoptic (facebook/detr-resnet-50-panoptic), not on this machine" in run.err


def test_settings_files_have_a_table_for_segment(segment: Segment, images: Path) -> None:
    Path("detcli.toml").write_text('[segment]\ntask = "semantic"\nmask-threshold = 0.3\n[detect]\nthreshold = 0.9\n')
    first = records(segment("in", "--header").out)[0]["detcli"]["arguments"]
    assert (first["task"], first["mask_threshold"], first["threshold"]) == ("semantic", 0.3, 0.2)
    assert "segment" in COMMANDS


@pytest.mark.parametrize("done", [1, 3])
def test_a_resumed_run_writes_the_same_bytes(
    segment: Segment, images: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for folder in ("complete", "again"):
        Path(folder).mkdir()

    def run(folder: str, *more: str) -> Run:
        outputs = ("-o", "a.jsonl", "-o", "b.json", "--save-masks", "maps", "--save-images", "drawn")
        arguments = [word if word.startswith("-") else f"{folder}/{word}" for word in outputs]
        return segment("in", *arguments, "-b", "1", *more)

    def run_panoptic(folder: str, *more: str) -> Run:
        return segment("in", "-f", "coco-panoptic", "-o", f"{folder}/p.json", "-b", "1", *more)

    for kind in (run, run_panoptic):
        assert kind("complete").code == 0
        names = ("0.png", "1.png", "2.png", "sub/3.png")
        good = {name: (images / name).read_bytes() for name in names[done:]}
        for name in good:
            broken(images / name)
        assert kind("again", "--strict").code == 3
        [journal] = Path("again").glob("*.journal")
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[: done + 1]))
        for name, data in good.items():
            (images / name).write_bytes(data)
        assert kind("again", "--resume").code == 0
    assert tree("again") == tree("complete")


def test_outputs_of_a_run_are_not_read_as_its_input(segment: Segment, images: Path) -> None:
    for _ in range(2):
        run = segment(".", "-f", "coco-panoptic", "-o", "out.json", "--save-masks", "maps", "-y")
        assert run.code == 0
        assert run.err.startswith("5 images, ")


def test_messages_count_segments(segment: Segment, images: Path) -> None:
    run = segment("in", "--log-format", "json", "-o", "out.jsonl")
    [message] = records(run.err)
    count = sum(len(record["detections"]) for record in records(Path("out.jsonl").read_text()))
    assert (message["images"], message["segments"]) == (5, count)
    assert "boxes" not in message


def test_names_that_differ_in_suffix_get_different_maps(segment: Segment, images: Path) -> None:
    Image.open("in/0.png").convert("RGB").save("in/0.jpg")
    assert segment("in", "--save-masks", "maps", "-f", "coco-panoptic", "-o", "out.json").code == 0
    names = {annotation["file_name"] for annotation in json.loads(Path("out.json").read_text())["annotations"]}
    assert len(names) == 6
    for folder in ("maps", "out"):
        assert {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.png")} == names


def test_duplicates_are_removed_from_instances_alone(segment: Segment, images: Path) -> None:
    plain = segment("in", "--task", "instance", "-o", "all.jsonl")
    assert plain.code == 0
    assert (
        segment("in", "--task", "instance", "--nms", "0.5", "--nms-agnostic", "-o", "few.jsonl", "--header").code == 0
    )
    every, few = (Path(name).read_text().count('"segment_id"') for name in ("all.jsonl", "few.jsonl"))
    assert 0 < few < every
    first = json.loads(Path("few.jsonl").read_text().splitlines()[0])["detcli"]["arguments"]
    assert (first["nms"], first["nms_agnostic"]) == (0.5, True)
    for task in ("panoptic", "semantic"):
        run = segment("in", "--task", task, "--nms", "0.5")
        assert (run.code, run.out) == (2, "")
        assert f"--nms is for boxes and --task instance: with --task {task}" in " ".join(run.err.split())


def test_classes_of_segments_have_their_own_thresholds(segment: Segment, images: Path) -> None:
    def found(*options: str) -> list[tuple[str, float]]:
        run = segment("in", "--task", "instance", *options)
        assert run.code == 0, run.err
        return [(one["label"], one["score"]) for record in records(run.out) for one in record["detections"]]

    every = found()
    score = sorted(score for label, score in every if label == every[0][0])[-1]
    above = found("-t", f"{every[0][0]}={score}")
    assert above == [(label, one) for label, one in every if label != every[0][0]]


def test_segments_are_counted_by_class(segment: Segment, images: Path) -> None:
    run = segment(images, "-o", "out.jsonl", "--counts", "counts.csv")
    with Path("counts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected: dict[tuple[str, str], int] = {}
    for line in Path("out.jsonl").read_text().splitlines():
        record = json.loads(line)
        for label in ["", *(segment["label"] for segment in record["detections"] or ())]:
            number = len(record["detections"] or ()) if not label else 1
            expected[record["file"], label] = expected.get((record["file"], label), 0) + number
    assert {(row["file"], row["label"]): int(row["count"] or 0) for row in rows} == expected
    assert run.code in (0, 3)
    assert sum(expected.values()) > 0
