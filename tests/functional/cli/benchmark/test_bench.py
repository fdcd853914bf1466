"""`detcli bench` with the bundled model and few images: figures of every stage, refusals, files, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from detcli.checkpoints.catalog import BUNDLED_MODELS
from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.cli.setup.demo import BUNDLED_IMAGES, GROUND_TRUTH
from detcli.models.detr import FAMILY
from tests.helpers import detr_samples
from tests.helpers.cli_runs import Run, image
from tests.helpers.processes import environment
from tests.helpers.segment_samples import LABELS, write_panoptic_model

Detcli = Callable[..., Run]
RUNTIMES = ["torch", "openvino", "onnx"]
STAGES = ["read", "decode", "resize", "batch", "network", "postprocess"]
QUICK = ("--limit", "2", "--repeat", "1")


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cases_of(run: Run) -> list[dict[str, Any]]:
    assert run.code == 0, run.err
    cases: list[dict[str, Any]] = json.loads(run.out)["cases"]
    return cases


def test_every_runtime_has_every_figure(detcli: Detcli) -> None:
    run = detcli("bench", "shapes", *QUICK, "--sinks", "jsonl,images,crops,coco", "--json", "-o", "report.json")
    cases = cases_of(run)
    assert [case["runtime"] for case in cases] == ["torch", "openvino", "onnx"]
    for case in cases:
        assert case["error"] is None
        assert case["images"] == 2
        assert list(case["stages_ms"]) == [*STAGES, "jsonl", "images", "crops", "coco"]
        assert all(value > 0 for value in case["stages_ms"].values())
        assert case["bottleneck"] in case["stages_ms"]
        assert case["images_per_second"] > 0
        assert 0 < case["latency_ms"]["p50"] <= case["latency_ms"]["p99"]
        assert 0 < case["start_s"] < case["first_result_s"]
        assert case["peak_memory_mib"] > 50
    torch, _, onnx = cases
    assert onnx["peak_memory_mib"] < torch["peak_memory_mib"], "its process does not load torch"
    assert json.loads(Path("report.json").read_text())["cases"] == cases


def test_images_of_the_user_and_ap_of_their_data(detcli: Detcli) -> None:
    run = detcli(
        *("bench", "shapes", BUNDLED_IMAGES, *QUICK, "--runtime", "torch", "--queries", "40,2", "--json"),
        *("--data", BUNDLED_IMAGES / GROUND_TRUTH, "--plot", "speed.png"),
    )
    whole, few = cases_of(run)
    assert (whole["queries"], few["queries"]) == (40, 2)
    assert whole["ap_is_measured"]
    assert whole["ap"] > few["ap"]
    assert Path("speed.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_measured_is_said_and_the_rest_measured(detcli: Detcli) -> None:
    run = detcli("bench", "-m", "shapes", *QUICK, "--runtime", "torch", "--decoder-layers", "1,9")
    assert run.code == 0, run.err
    assert "--decoder-layers must be at most 3, not 9" in run.err
    assert "10 million images would take" in run.out
    assert "shapes, 1 layer " in run.out


def test_nothing_measured_is_exit_code_4(detcli: Detcli) -> None:
    run = detcli("bench", "shapes", *QUICK, "--runtime", "torch", "--queries", "41")
    assert (run.code, run.out) == (4, "")
    assert "--queries must be at most 40" in run.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dfine-q",), "dfine-q"),
        (("shapes", "--runtime", "tensorrt"), "'tensorrt' is not one of"),
        (("shapes", "--batch", "0"), "'0' is neither auto nor an integer"),
        (("shapes", "--imgsz", "64x"), "is not an input size"),
        (("shapes", "--plot", "speed.jpg"), "must end in .png"),
        (("shapes", "-o", "report.txt"), "must end in .json"),
        (("shapes", "--json", "-f", "table"), "cannot be combined"),
    ],
)
def test_mistakes_are_found_before_anything_runs(detcli: Detcli, arguments: tuple[str, ...], message: str) -> None:
    run = detcli("bench", *arguments, "--repeat", "1000")
    assert run.code not in (0, 130)
    assert message in run.err


def test_an_existing_file_is_not_replaced_without_y(detcli: Detcli) -> None:
    Path("report.json").write_text("mine")
    run = detcli("bench", "shapes", "-o", "report.json", "--repeat", "1000")
    assert run.code != 0
    assert "'report.json' exists" in run.err
    assert Path("report.json").read_text() == "mine"


TASK_SINKS = {"panoptic": "coco-panoptic,images,masks", "instance": "coco-results", "semantic": "jsonl,csv,coco,masks"}


@pytest.mark.parametrize(("task", "sinks"), TASK_SINKS.items())
def test_masks_are_measured_in_every_runtime(detcli: Detcli, task: str, sinks: str, tmp_path: Path) -> None:
    model = write_panoptic_model(tmp_path / "tiny")
    run = detcli("bench", model, *QUICK, "--task", task, "--sinks", sinks, "--json")
    cases = cases_of(run)
    assert [(case["runtime"], case["error"]) for case in cases] == [(name, None) for name in RUNTIMES]
    for case in cases:
        assert list(case["stages_ms"]) == [*STAGES, *sinks.split(",")]
        assert all(value > 0 for value in case["stages_ms"].values())
    assert json.loads(run.out)["settings"]["task"] == task


def test_masks_of_a_model_without_them_are_an_error(detcli: Detcli) -> None:
    run = detcli("bench", "shapes", *QUICK, "--runtime", "torch", "--task", "panoptic")
    assert run.code == 4
    assert "shapes" in run.err
    assert "mask" in run.err


def test_accuracy_of_masks_is_measured_on_data(detcli: Detcli, tmp_path: Path) -> None:
    model = write_panoptic_model(tmp_path / "tiny")
    run = detcli("bench", model, *QUICK, "--runtime", "torch", "--task", "instance", "--data", mask_data(), "--json")
    (case,) = cases_of(run)
    assert case["mask_ap_is_measured"]
    assert 0 <= case["mask_ap"] <= 1
    table = detcli("bench", model, *QUICK, "--runtime", "torch", "--task", "instance", "--data", mask_data())
    assert "mask AP" in table.out


def mask_data() -> Path:
    """A dataset of one image with one mask, in the classes of the tiny model."""
    path = Path("masks.json")
    image(Path("0.png"))
    triangle = [[5, 5, 40, 5, 5, 40]]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 35, 35], "area": 612, "iscrowd": 0}
    document = {
        "images": [{"id": 1, "file_name": "0.png", "width": 64, "height": 48}],
        "annotations": [annotation | {"segmentation": triangle}],
        "categories": [{"id": index, "name": name} for index, name in enumerate(LABELS, 1)],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sinks", "masks"), "masks cannot hold boxes"),
        (("--sinks", "coco-panoptic"), "coco-panoptic cannot hold boxes"),
        (("--task", "instance", "--sinks", "coco-panoptic"), "coco-panoptic cannot hold instance masks"),
        (("--task", "panoptic", "--sinks", "yolo"), "yolo cannot hold panoptic masks"),
        (("--sinks", "coco,coco-results"), "coco-results cannot be combined with other formats"),
        (("--sinks", "jsonl,coco-results"), "coco-results cannot be combined with other formats"),
        (("--task", "semantic", "--data", "shapes"), "--data measures no semantic masks"),
        (("--revision", "main"), "--revision is for repositories of the Hub; 'shapes' is a local model"),
        (("--queries", "10", "--plot", "speed.png"), "no AP is known for any combination; --data measures it"),
    ],
)
def test_impossible_combinations_are_found_at_once(detcli: Detcli, arguments: tuple[str, ...], message: str) -> None:
    run = detcli("bench", "shapes", "--runtime", "torch", *arguments, "--repeat", "1000")
    assert run.code == 2
    assert message in run.err
    assert not Path("speed.png").exists()


@pytest.mark.parametrize("sinks", ["coco-results", "yolo,csv,coco", "crops,images"])
def test_each_sink_is_the_one_that_was_asked_for(detcli: Detcli, sinks: str) -> None:
    (case,) = cases_of(detcli("bench", "shapes", *QUICK, "--runtime", "torch", "--sinks", sinks, "--json"))
    assert list(case["stages_ms"]) == [*STAGES, *sinks.split(",")]


def test_a_revision_in_another_cache_is_measured(detcli: Detcli, tmp_path: Path) -> None:
    """A cache as huggingface_hub writes it: offline, both options find the model, and without them it is missing."""
    commit, weights = "a" * 40, BUNDLED_MODELS / "shapes"
    repository = tmp_path / "hub" / "models--someone--shapes"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (snapshot / name).write_bytes((weights / name).read_bytes())
    (repository / "refs").mkdir()
    (repository / "refs" / "mine").write_text(commit)
    where = ("--offline", "--cache-dir", tmp_path / "hub", "--revision", "mine")
    cases = cases_of(detcli("bench", "someone/shapes", *QUICK, "--runtime", "torch,onnx", *where, "--json"))
    assert [case["error"] for case in cases] == [None, None]
    assert detcli("bench", "someone/shapes", *QUICK, *where[:3]).code == 5


def test_the_users_cache_of_networks_is_left_alone(
    detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second round loads what the first one compiled, from a folder of the benchmark."""
    monkeypatch.setenv("DETCLI_RUNTIME_CACHE", str(tmp_path / "mine"))
    (case,) = cases_of(detcli("bench", "shapes", "--limit", "1", "--repeat", "2", "--runtime", "openvino", "--json"))
    assert len(case["images_per_second_runs"]) == 2
    assert not (tmp_path / "mine").exists()


def test_images_that_do_not_exist_are_said(detcli: Detcli) -> None:
    run = detcli("bench", "shapes", "missing.jpg", *QUICK, "--runtime", "torch")
    assert run.code == 4
    assert "missing.jpg" in run.err


def test_a_model_of_many_image_sizes_is_measured(detcli: Detcli) -> None:
    config = detr_samples.tiny()
    tensors = FAMILY.write_weights(detr_samples.random_network(config).state_dict(), config)
    size = {"size": {"shortest_edge": 64, "longest_edge": 107}}
    write_checkpoint(Path("detr"), FAMILY.write_config(config), {**FAMILY.preprocessor, **size}, tensors)
    arguments = ("bench", "detr", "--limit", "7", "--repeat", "1", "--runtime", "torch", "--batch", "1,4", "--json")
    one, many = cases_of(detcli(*arguments, "--decoder-layers", "1", "--imgsz", "64x96"))
    assert (one["batch_size"], many["batch_size"]) == (1, 4)
    assert one["images"] == many["images"] == 7
    assert one["ap"] is None
    assert one["image_size"] == [64, 96]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_what_was_measured(number: signal.Signals, code: int) -> None:
    """Both the benchmark and the process that measures end; a measurement that was cut off does not count."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "detcli", "bench", "shapes", "--runtime", "torch", "--limit", "2"),
            *("--repeat", "1000", "--json", "-v"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | {"TMPDIR": str(Path.cwd())},
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "2 of 1000" in line:
            break
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    document = json.loads(out)
    assert document["interrupted"] == number.name
    assert len(document["cases"][0]["images_per_second_runs"]) == 1
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(child.is_running() for child in children)
    assert not list(Path.cwd().glob("detcli-bench-*"))
