"""`--uncertainty` and `--show-uncertainty`: results of every format, of video, of both runtimes, and refusals."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detcli
from detcli.cli.setup.demo import BUNDLED_IMAGES
from tests.helpers.cli_runs import Run
from tests.helpers.exported_families import CASES, write_case
from tests.helpers.video_samples import write_video

Detcli = Callable[..., Run]
IMAGES = sorted(str(path) for path in BUNDLED_IMAGES.glob("*.jpg"))
STD = ("x_min_std", "y_min_std", "x_max_std", "y_max_std")


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class StopAfter(detcli.Observer):
    """Asks the run to stop after some results."""

    def __init__(self, count: int, stop: detcli.StopSignal) -> None:
        self.left, self.stop = count, stop

    def on_result(self, frame: Any, detections: Any) -> None:
        self.left -= 1
        if not self.left:
            self.stop.set("SIGTERM")


def records(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def deviations(path: str) -> list[list[float]]:
    return [found["bbox_std"] for record in records(path) for found in record["detections"]]


def test_every_format_has_the_same_numbers(detcli: Detcli) -> None:
    outputs = ("-o", "all.jsonl", "-o", "all.csv", "-o", "all.json")
    run = detcli("detect", *IMAGES, "-m", "shapes", "--uncertainty", *outputs)
    assert run.code == 0, run.err
    expected = deviations("all.jsonl")
    assert len(expected) > 20
    assert min(min(row) for row in expected) > 0
    with Path("all.csv").open(newline="") as file:
        assert [[float(row[name]) for name in STD] for row in csv.DictReader(file)] == expected
    assert [found["bbox_std"] for found in json.loads(Path("all.json").read_text())["annotations"]] == expected
    assert (
        detcli(
            "detect", *IMAGES, "-m", "shapes", "-t", "0.4", "--uncertainty", "-o", "r.json", "-f", "coco-results"
        ).code
        == 0
    )
    assert [found["bbox_std"] for found in json.loads(Path("r.json").read_text())] == expected


def test_boxes_and_scores_stay_as_they_are(detcli: Detcli) -> None:
    detcli("detect", *IMAGES, "-m", "shapes", "--uncertainty", "-o", "with.jsonl")
    detcli("detect", *IMAGES, "-m", "shapes", "-o", "without.jsonl")
    known = records("with.jsonl")
    for record in known:
        for found in record["detections"]:
            del found["bbox_std"]
    assert known == records("without.jsonl")


@pytest.mark.parametrize("options", [("--batch", "3"), ("--deterministic",), ("--runtime", "openvino")])
def test_the_numbers_do_not_depend_on_how_it_runs(detcli: Detcli, options: tuple[str, ...]) -> None:
    common = ("detect", *IMAGES, "-m", "shapes", "--uncertainty")
    assert detcli(*common, "--runtime", "torch", "--batch", "1", "-o", "one.jsonl").code == 0
    run = detcli(*common, *options, "-o", "other.jsonl")
    assert run.code == 0, run.err
    np.testing.assert_allclose(deviations("other.jsonl"), deviations("one.jsonl"), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.coco.json"])
def test_a_resumed_run_has_the_same_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    model = detcli.load_detector("shapes", uncertainty=True, deterministic=True, batch_size=1)
    detcli.detect(IMAGES, model=model, outputs=f"whole-{name}")
    stop = detcli.StopSignal()
    first = detcli.detect(IMAGES, model=model, outputs=name, observer=StopAfter(2, stop), stop=stop)
    assert 2 <= first.images < len(IMAGES)
    detcli.detect(IMAGES, model=model, outputs=name, resume=True)
    assert Path(name).read_bytes() == Path(f"whole-{name}").read_bytes()


def test_a_run_is_not_resumed_without_its_uncertainty() -> None:
    stop = detcli.StopSignal()
    detcli.detect(IMAGES, model="shapes", uncertainty=True, outputs="out.jsonl", observer=StopAfter(2, stop), stop=stop)
    with pytest.raises(detcli.UsageError, match="uncertainty"):
        detcli.detect(IMAGES, model="shapes", outputs="out.jsonl", resume=True)


def test_video_with_tracks_has_it_too(detcli: Detcli) -> None:
    write_video(Path("in.mp4"), frames=4)
    run = detcli(
        "video",
        "in.mp4",
        "-m",
        "shapes",
        "-t",
        "0.05",
        "--track",
        "--show-uncertainty",
        "-o",
        "v.jsonl",
        "--save-video",
        "v.mp4",
    )
    assert run.code == 0, run.err
    assert all("bbox_std" in found for record in records("v.jsonl") for found in record["detections"])


def test_bands_are_drawn_on_annotated_images(detcli: Detcli) -> None:
    for name, option in (("plain", "--uncertainty"), ("bands", "--show-uncertainty")):
        run = detcli("detect", IMAGES[0], "-m", "shapes", option, "--save-images", name, "-o", f"{name}.jsonl")
        assert run.code == 0, run.err
    [plain], [bands] = Path("plain").glob("*.jpg"), Path("bands").glob("*.jpg")
    assert plain.read_bytes() != bands.read_bytes()
    assert deviations("plain.jsonl") == deviations("bands.jsonl")


def test_python_gives_it_per_detection() -> None:
    detector = detcli.load_detector("shapes", uncertainty=True)
    found = detector(IMAGES[0])
    assert found.box_std is not None
    assert found[0].box_std == tuple(found.box_std[0].tolist())
    assert detector.uncertainty
    plain = detcli.load_detector("shapes")
    assert plain(IMAGES[0]).box_std is None
    with pytest.raises(detcli.UsageError, match="`uncertainty` must be set when the detector is loaded"):
        detcli.detect(IMAGES[0], model=plain, uncertainty=True)
    with pytest.raises(TypeError, match="uncertainty"):
        detcli.load_detector("shapes", uncertainty=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["detr", "deformable-two-stage", "rtdetr"])
def test_other_families_are_refused(detcli: Detcli, family: str) -> None:
    write_case(CASES[family], Path("model"))
    write_video(Path("in.mp4"), frames=2)
    for command, source in (("detect", IMAGES[0]), ("video", "in.mp4")):
        run = detcli(command, source, "-m", "model", "--uncertainty")
        assert run.code == 5, run.err
        assert "distributions of their edges; D-FINE models have them" in run.err
        assert "--uncertainty" in run.err


def test_an_exported_file_has_it_if_it_was_exported_so(detcli: Detcli) -> None:
    assert detcli("export", "shapes", "-o", "plain.onnx").code == 0
    run = detcli("detect", IMAGES[0], "-m", "plain.onnx", "--uncertainty")
    assert run.code == 2
    assert "was exported without it" in run.err
    run = detcli("export", "shapes", "-o", "known.onnx", "--uncertainty")
    assert run.code == 0, run.err
    common = ("detect", *IMAGES, "--uncertainty")
    assert detcli(*common, "-m", "shapes", "--runtime", "torch", "-o", "torch.jsonl").code == 0
    for runtime in ("onnx", "openvino"):
        run = detcli(*common, "-m", "known.onnx", "--runtime", runtime, "-o", f"{runtime}.jsonl")
        assert run.code == 0, run.err
        np.testing.assert_allclose(deviations(f"{runtime}.jsonl"), deviations("torch.jsonl"), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--outputs", "boxes"), "--uncertainty needs --outputs raw"), (("-m", "detr"), "D-FINE models have them")],
)
def test_files_that_cannot_have_it_are_refused(detcli: Detcli, options: tuple[str, ...], message: str) -> None:
    write_case(CASES["detr"], Path("detr"))
    model = ("shapes",) if options[0] != "-m" else options[1:]
    run = detcli("export", *model, *(() if options[0] == "-m" else options), "-o", "x.onnx", "--uncertainty")
    assert run.code in (2, 5), run.err
    assert message in run.err.replace("=", " ")
    assert not Path("x.onnx").exists()


def test_formats_without_deviations_are_named_when_they_were_asked_for(detcli: Detcli) -> None:
    image, model = IMAGES[0], ("-m", "shapes")
    run = detcli("detect", image, *model, "--uncertainty", "-o", "labels/", "-o", "a.csv")
    assert run.code == 0, run.err
    assert run.err.count("does not hold") == 1
    assert "YOLO does not hold standard deviations of edges: 'labels' is without" in run.err
    for options in (("-f", "mot", "-o", "a.txt"), ("-f", "table")):
        assert (
            "does not hold standard deviations of edges"
            in detcli("detect", image, *model, "--uncertainty", *options).err
        )
    run = detcli("detect", image, *model, "--show-uncertainty", "-o", "more/", "--save-images", "drawn/")
    assert (run.code, "does not hold" in run.err) == (0, False), run.err


def test_observers_get_what_a_format_cannot_hold() -> None:
    class Remarks(detcli.Observer):
        said: tuple[str, ...] = ()

        def on_warning(self, message: str) -> None:
            self.said += (message,)

    observer = Remarks()
    detcli.detect(IMAGES[0], model="shapes", uncertainty=True, outputs="labels/", observer=observer)
    assert observer.said == ("YOLO does not hold standard deviations of edges: 'labels' is without",)
