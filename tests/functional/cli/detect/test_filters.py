"""Thresholds of classes and non-maximum suppression with every other option: one rule, in every command and format."""

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.datasets.shapes import CLASSES
from detcli.engine.observer import Observer
from detcli.engine.requests.run_request import (
    ComputeSettings,
    DetectionSettings,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
)
from detcli.engine.run import run
from detcli.inference.postprocessing.non_maximum_suppression import suppress_duplicates
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from detcli.tracking.box_iou import pairwise_iou
from tests.helpers.cli_runs import Run
from tests.helpers.shape_images import shape_images, shape_video

Detcli = Callable[..., Run]
IMAGES, QUERIES = 8, 40
TORCH = ("-m", "shapes", "--runtime", "torch")


@pytest.fixture(autouse=True)
def _images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shape_images(Path("in"), count=IMAGES)


def detections_of(path: str) -> list[Detections]:
    """The detections of JSON Lines, one per image."""
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [detections(line["detections"]) for line in lines if "detections" in line]


def detections(entries: list[dict[str, Any]]) -> Detections:
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Detections(boxes, [entry["score"] for entry in entries], [entry["label_id"] for entry in entries])  # type: ignore[arg-type]


def duplicates(found: Detections, iou: float, *, across: bool = False) -> int:
    """Pairs of boxes that overlap by more, of one class or of any."""
    overlaps = np.triu(pairwise_iou(found.boxes_xyxy, found.boxes_xyxy), 1) > iou
    if not across:
        overlaps &= found.class_ids[:, None] == found.class_ids
    return int(overlaps.sum())


def filtered(every: Detections, settings: dict[str, Any]) -> Detections:
    """The documented order on the detections of a run that keeps everything."""
    chosen = every
    if "classes" in settings:
        chosen = chosen[np.isin(chosen.class_ids, [CLASSES.index(name) for name in settings["classes"]])]
    thresholds = settings["threshold"]
    least = [thresholds.get(CLASSES[class_id], thresholds["*"]) for class_id in chosen.class_ids.tolist()]
    chosen = chosen[chosen.scores > np.array(least)][:QUERIES]
    if settings["nms"] != "off":
        chosen = suppress_duplicates(chosen, settings["nms"], across_classes=settings["nms_agnostic"])
    return chosen[: settings["max_detections"]]


def request(output: str, settings: dict[str, Any], *, resume: bool = False, **compute: Any) -> ImageRequest:
    return ImageRequest(
        input=ImageInputSettings(sources=("in",)),
        model=ModelSettings(model="shapes"),
        detection=DetectionSettings(**settings),
        compute=ComputeSettings(device="cpu", runtime="torch", workers=1, **compute),
        output=OutputSettings(outputs=(output,), resume=resume, if_exists="error" if resume else "overwrite"),
    )


def everything() -> list[Detections]:
    """All scores above 0.05 of every class, from one run for each class."""
    found: list[list[Detections]] = []
    for name in CLASSES:
        settings = {"threshold": 0.05, "nms": "off", "classes": (name,)}
        run(request("class.jsonl", settings, batch_size=4))
        found.append(detections_of("class.jsonl"))
    merged = []
    for of_image in zip(*found, strict=True):
        scores = np.concatenate([one.scores for one in of_image])
        boxes = np.concatenate([one.boxes_xyxy for one in of_image])
        class_ids = np.concatenate([one.class_ids for one in of_image])
        merged.append(Detections(boxes, scores, class_ids)[np.argsort(-scores, kind="stable")])
    return merged


COMBINATIONS = [
    {"threshold": threshold, "nms": nms, "nms_agnostic": agnostic and nms != "off", "max_detections": limit} | classes
    for threshold, (nms, agnostic), limit, classes in itertools.product(
        ({"*": 0.4}, {"*": 0.3, "circle": 0.7, "star": 0.15}),
        (("off", False), (0.7, False), (0.5, True)),
        (300, 3),
        ({}, {"classes": ("circle", "star", "heart")}),
    )
]


class StopAfter(Observer):
    """Stops a run after some results."""

    def __init__(self, count: int, stop: StopSignal) -> None:
        self.left, self.stop = count, stop

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.left -= 1
        if not self.left:
            self.stop.set("SIGTERM")


def assert_same(found: list[Detections], expected: list[Detections]) -> None:
    assert len(found) == len(expected) == IMAGES
    for one, other in zip(found, expected, strict=True):
        assert one.class_ids.tolist() == other.class_ids.tolist()
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.05)


def test_every_combination_is_the_same_filter_and_resumes() -> None:
    every = everything()
    assert sum(duplicates(one, 0.7) for one in every) > 3, "there is something to remove"
    for number in range(8):  # a third of the combinations, in which each value occurs
        settings = COMBINATIONS[5 * number % len(COMBINATIONS)]
        batch, deterministic = (1, 3)[number % 2], bool(number // 2 % 2)
        compute = {"batch_size": batch, "deterministic": deterministic}
        run(request("out.jsonl", settings, **compute))
        assert_same(detections_of("out.jsonl"), [filtered(one, settings) for one in every])
        complete, stop = Path("out.jsonl").read_bytes(), StopSignal()
        Path("out.jsonl").unlink()
        first = run(request("out.jsonl", settings, **compute), observer=StopAfter(1, stop), stop=stop)
        assert first.images < IMAGES
        run(request("out.jsonl", settings, resume=True, **compute))
        if deterministic or batch == 1:
            assert Path("out.jsonl").read_bytes() == complete
        assert_same(detections_of("out.jsonl"), [filtered(one, settings) for one in every])
        Path("out.jsonl").unlink()


@pytest.mark.parametrize(
    "changed", [{"nms": 0.6}, {"nms": "off"}, {"nms_agnostic": True}, {"threshold": {"star": 0.9}}]
)
def test_other_filters_cannot_resume_a_run(changed: dict[str, Any]) -> None:
    settings, stop = {"threshold": {"*": 0.4}}, StopSignal()
    run(request("out.jsonl", settings, batch_size=1), observer=StopAfter(2, stop), stop=stop)
    with pytest.raises(ValueError, match=r"cannot resume.*(nms|star)"):
        run(request("out.jsonl", settings | changed, resume=True, batch_size=1))


def test_the_bundled_model_removes_duplicates_unless_it_is_off(detcli: Detcli) -> None:
    assert detcli("detect", "in", *TORCH, "-o", "usual.jsonl").code == 0
    assert detcli("detect", "in", *TORCH, "--nms", "0.7", "-o", "given.jsonl").code == 0
    assert detcli("detect", "in", *TORCH, "--nms", "off", "-o", "off.jsonl").code == 0
    usual, off = detections_of("usual.jsonl"), detections_of("off.jsonl")
    assert Path("usual.jsonl").read_bytes() == Path("given.jsonl").read_bytes()
    assert sum(duplicates(one, 0.7) for one in off) > 0
    assert sum(duplicates(one, 0.7) for one in usual) == 0
    assert [suppress_duplicates(one, 0.7) for one in off] == usual


def test_agnostic_suppression_mixes_classes(detcli: Detcli) -> None:
    options = ("-t", "0.1", "--nms", "0.6")
    assert detcli("detect", "in", *TORCH, *options, "-o", "own.jsonl").code == 0
    assert detcli("detect", "in", *TORCH, *options, "--nms-agnostic", "-o", "any.jsonl").code == 0
    assert sum(duplicates(one, 0.6, across=True) for one in detections_of("own.jsonl")) > 0
    assert sum(duplicates(one, 0.6, across=True) for one in detections_of("any.jsonl")) == 0


def test_every_format_has_the_same_boxes(detcli: Detcli) -> None:
    outputs = [name for path in ("a.jsonl", "a.csv", "a.coco.json", "labels") for name in ("-o", path)]
    options = ("-t", "0.3,circle=0.7", "-t", "star=0.15", "--nms", "0.5", "--header")
    assert detcli("detect", "in", *TORCH, *options, *outputs, "--save-crops", "crops").code == 0
    counts = [len(one) for one in detections_of("a.jsonl")]
    document = json.loads(Path("a.coco.json").read_text())
    assert [
        sum(box["image_id"] == image["id"] for box in document["annotations"]) for image in document["images"]
    ] == counts
    rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    assert len([row for row in rows if row["score"]]) == sum(counts) > 0
    assert [len(Path(f"labels/{n}.txt").read_text().splitlines()) for n in range(IMAGES)] == counts
    assert len(list(Path("crops").rglob("*.png"))) + len(list(Path("crops").rglob("*.jpg"))) == sum(counts)
    header = json.loads(Path("a.jsonl").read_text().splitlines()[0])["detcli"]
    for arguments in (header["arguments"], document["info"]["arguments"]):
        assert arguments["threshold"] == 0.3
        assert arguments["class_thresholds"] == {"circle": 0.7, "star": 0.15}
        assert (arguments["nms"], "nms_agnostic" in arguments) == (0.5, False)


def test_results_for_evaluation_keep_duplicates_unless_asked(detcli: Detcli) -> None:
    assert detcli("detect", "in", *TORCH, "-f", "coco-results", "-o", "all.json").code == 0
    assert detcli("detect", "in", *TORCH, "-f", "coco-results", "-o", "few.json", "--nms", "0.7").code == 0
    every, few = (json.loads(Path(name).read_text()) for name in ("all.json", "few.json"))
    assert len(every) == IMAGES * QUERIES, "as many as queries"
    assert 0 < len(few) < len(every)


def test_exported_files_keep_the_default_and_give_the_same(detcli: Detcli) -> None:
    assert detcli("export", "shapes", "--to", "onnx", "-o", "x.onnx").code == 0
    assert detcli("detect", "in", *TORCH, "-o", "torch.jsonl").code == 0
    for runtime in ("onnx", "openvino"):
        name = f"{runtime}.jsonl"
        assert detcli("detect", "in", "-m", "x.onnx", "--runtime", runtime, "-o", name).code == 0
        assert_same(detections_of(name), detections_of("torch.jsonl"))
    assert json.loads(detcli("models", "info", "x.onnx", "--json").out)["nms"] == 0.7


@pytest.mark.parametrize("options", [(), ("--nms", "0.4", "--nms-agnostic"), ("--nms", "off"), ("-t", "0.3,star=0.7")])
def test_tracking_changes_no_box_above_its_threshold(detcli: Detcli, options: tuple[str, ...]) -> None:
    shape_video(Path("in.mp4"), frames=8)
    assert detcli("video", "in.mp4", *TORCH, *options, "-o", "plain.jsonl").code == 0
    assert detcli("video", "in.mp4", *TORCH, *options, "--track", "-o", "tracked.jsonl").code == 0
    plain, tracked = detections_of("plain.jsonl"), detections_of("tracked.jsonl")
    assert sum(map(len, tracked)) > 8
    for every, of_tracks in zip(plain, tracked, strict=True):
        known = set(map(tuple, every.boxes_xyxy.tolist()))
        assert set(map(tuple, of_tracks.boxes_xyxy.tolist())) <= known


def test_eval_takes_the_same_options_of_a_model_and_of_results(detcli: Detcli) -> None:
    def metrics(*arguments: str) -> dict[str, float]:
        done = detcli("eval", *arguments, "--json")
        assert done.code == 0, done.err
        report: dict[str, Any] = json.loads(done.out)
        return report["metrics"]  # type: ignore[no-any-return]

    data = ("--data", "shapes:1:12")
    plain = metrics(*TORCH, *data)
    assert plain == metrics(*TORCH, *data, "--nms", "off"), "off, whatever the model says"
    without = metrics(*TORCH, *data, "--nms", "0.5")
    assert without != plain
    from detcli.datasets.dataset import open_dataset

    Path("gt.json").write_text(json.dumps(open_dataset("shapes:1:12", part="val").annotations()))
    shape_images(Path("some"), count=12)
    names = {image["id"]: image["file_name"] for image in json.loads(Path("gt.json").read_text())["images"]}
    for number, name in enumerate(names.values()):
        Path(f"some/{number}.png").rename(Path("some") / Path(name).name)
    stored = ("detect", "some", *TORCH, "-f", "coco-results", "--gt", "gt.json")
    assert detcli(*stored, "-o", "r.json").code == 0
    assert metrics("r.json", "--gt", "gt.json") == pytest.approx(plain, abs=1e-9)
    assert metrics("r.json", "--gt", "gt.json", "--nms", "0.5") == pytest.approx(without, abs=2e-3)
    assert metrics(*TORCH, *data, "-t", "0.9,star=0")["AP"] < plain["AP"]


MISTAKES = [
    (("-t", "1.5"), "'1.5' is not a number from 0 to 1"),
    (("-t", "person=0.5"), "the model has no class 'person'"),
    (("-t", "star=0.5,star=0.6"), "the class 'star' cannot have two thresholds: 0.5 and 0.6"),
    (("-t", "star=0.5", "-t", "star=0.5"), "the class 'star' cannot have two thresholds"),
    (("-t", "star=0.5,Star=0.6"), "--threshold has two values for the class 'star'"),
    (("-t", "0.4,star=0.6,0.5"), "all classes cannot have two thresholds: 0.4 and 0.5"),
    (("-t", "star=2"), "'2' is not a number from 0 to 1; 2 percent is 0.02"),
    (("-t", "star=nan"), "'nan' is not a number from 0 to 1"),
    (("-t", "star="), "'' is not a number from 0 to 1"),
    (("-t", ""), "'' is not a number from 0 to 1"),
    (("-t", "=0.5"), "'=0.5' names no class"),
    (("-t", "star:0.5"), "use star=0.5"),
    (("--nms", "0"), "'0' is not a number between 0 and 1; 'off' removes no boxes"),
    (("--nms", "1"), "'1' is not a number between 0 and 1"),
    (("--nms", "2"), "'2' is not a number between 0 and 1"),
    (("--nms", "-0.5"), "'-0.5' is not a number between 0 and 1"),
    (("--nms", "nan"), "'nan' is not a number between 0 and 1"),
    (("--nms", "high"), "'high' is not a number between 0 and 1"),
    (("--nms", "off", "--nms-agnostic"), "--nms-agnostic needs --nms, such as --nms 0.7"),
]


@pytest.mark.parametrize(
    ("options", "complaint"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else None
)
@pytest.mark.parametrize(
    "words", [("detect", "in"), ("video", "in.mp4"), ("eval", "--data", "shapes:1:2")], ids=lambda w: w[0]
)
def test_a_wrong_filter_is_one_sentence(
    detcli: Detcli, words: tuple[str, ...], options: tuple[str, ...], complaint: str
) -> None:
    if words[0] == "video":
        shape_video(Path("in.mp4"), frames=2)
    done = detcli(*words, *TORCH, *options)
    assert (done.code, done.out) == (2, "")
    assert complaint in " ".join(done.err.split())


def test_settings_files_and_variables_take_thresholds_of_classes(detcli: Detcli) -> None:
    def thresholds(**env: str) -> dict[str, Any]:
        done = detcli("detect", "in", "-f", "coco", "--limit", "1", env={"DETCLI_DETECT_RUNTIME": "torch", **env})
        assert done.code == 0, done.err
        arguments: dict[str, Any] = json.loads(done.out)["info"]["arguments"]
        return {name: arguments.get(name) for name in ("threshold", "class_thresholds", "nms")}

    for written in ('"0.3,star=0.6"', '[0.3, "star=0.6"]'):
        Path("detcli.toml").write_text(f'[detect]\nmodel = "shapes"\nthreshold = {written}\nnms = 0.5')
        assert thresholds() == {"threshold": 0.3, "class_thresholds": {"star": 0.6}, "nms": 0.5}
    assert thresholds(DETCLI_DETECT_THRESHOLD="heart=0.2", DETCLI_DETECT_NMS="off") == {
        "threshold": 0.4, "class_thresholds": {"heart": 0.2}, "nms": None,
    }  # fmt: skip
    Path("detcli.toml").write_text('[detect]\nmodel = "shapes"\nnms = "off"\nthreshold = 0.25')
    assert thresholds() == {"threshold": 0.25, "class_thresholds": None, "nms": None}
    shown = json.loads(detcli("config", "show", "detect", "--json").out)["commands"]["detect"]
    assert (shown["threshold"]["value"], shown["nms"]["value"]) == (0.25, "off")


def test_verbose_output_and_dry_runs_name_the_filters(detcli: Detcli) -> None:
    done = detcli("detect", "in", *TORCH, "-t", "0.3,star=0.6", "-v", "-o", "out.jsonl")
    assert "scores above 0.3, of star above 0.6, no boxes that overlap by more than 0.7" in " ".join(done.err.split())
