"""RT-DETR and RT-DETRv2 from a `.pth` or from drawn shapes to detections: every command takes them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import Version
from tests.helpers.cli_runs import Run
from tests.helpers.original_layouts import rtdetr
from tests.helpers.rtdetr_samples import random_network, tiny
from tests.helpers.video_frames import video

NAMES = ("person", "dog", "traffic light")
Detcli = Callable[..., Run]
IN_A_PROCESS_OF_ITS_OWN = ("test_a_file_becomes_a_folder_that_detects",)
USUAL = {"id2label": dict(enumerate(NAMES)), "encoder_attention_heads": 8, "decoder_attention_heads": 8}
VERSIONS: tuple[Version, ...] = (1, 2)


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> Version:
    chosen: Version = request.param
    return chosen


@pytest.fixture(scope="session")
def original(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network of three classes as its own repository saves a training run."""
    path = tmp_path_factory.mktemp("original") / "checkpoint0071.pth"
    config = tiny(version, num_queries=300, **USUAL)
    tensors = rtdetr(FAMILY.write_weights(random_network(config).state_dict(), config), second=version == 2)
    torch.save({"model": {}, "ema": {"module": tensors, "updates": 1}, "last_epoch": 71}, path)
    return path


@pytest.fixture(scope="session")
def folder(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a folder, for images of 64 x 96."""
    made = tmp_path_factory.mktemp("models") / f"version{version}"
    config = tiny(version, **USUAL)
    size = {"size": {"height": 64, "width": 96}}
    weights = FAMILY.write_weights(random_network(config).state_dict(), config)
    write_checkpoint(made, FAMILY.write_config(config), {**FAMILY.preprocessor, **size}, weights)
    return made


def test_a_file_becomes_a_folder_that_detects(version: Version, original: Path, detcli: Detcli, images: Path) -> None:
    done = detcli("models", "convert", original, "-o", "made", "--labels", ",".join(NAMES), "--imgsz", "64", "96")
    assert done.code == 0, done.err
    title = "RT-DETR" if version == 1 else "RT-DETRv2"
    assert f"'{original}': recognized as an {title} of custom size\n" in done.err
    assert "its weights are the moving average (EMA)" in done.err
    assert "num_queries=300" in done.err
    assert json.loads(Path("made/config.json").read_text())["model_type"] == (
        "rt_detr" if version == 1 else "rt_detr_v2"
    )
    found = detcli("detect", images / "0.png", "-m", "made", "-f", "jsonl", "-t", "0", "--max-det", "5")
    assert found.code == 0, found.err
    assert {one["label"] for one in json.loads(found.out)["detections"]} <= set(NAMES)
    info = detcli("models", "info", "made", "--json")
    assert info.code == 0, info.err
    assert [one["label"] for one in json.loads(info.out)["classes"]] == list(NAMES)
    assert json.loads(info.out)["family"] == "rtdetr"


def test_a_field_that_the_file_does_not_tell_is_given(original: Path, detcli: Detcli, images: Path) -> None:
    common = ("--labels", ",".join(NAMES), "--imgsz", "64", "96")
    done = detcli("models", "convert", original, "-o", "made", *common, "--field", "decoder_layers=1")
    assert done.code == 0, done.err
    assert "predicts after decoder layer 1 of 2" in done.err
    assert json.loads(Path("made/config.json").read_text())["decoder_layers"] == 1
    refused = detcli("models", "convert", original, "-o", "more", *common, "--field", "decoder_layers=7")
    assert (refused.code, "'decoder_layers' is 7; it must be at most 2" in refused.err) == (2, True), refused.err


def test_a_file_that_is_named_after_deim_is_a_question(original: Path, detcli: Detcli, images: Path) -> None:
    named = Path("deim_r18vd.pth").resolve()
    named.write_bytes(original.read_bytes())
    common = ("models", "convert", named, "--labels", ",".join(NAMES), "--imgsz", "64", "96")
    asked = detcli(*common, "-o", "made")
    assert (asked.code, "may be of DEIM by its name" in asked.err) == (5, True), asked.err
    assert "--field decoder_activation_function=relu, or decoder_activation_function=silu" in asked.err
    done = detcli(*common, "-o", "made", "--field", "decoder_activation_function=silu")
    assert done.code == 0, done.err
    assert json.loads(Path("made/config.json").read_text())["decoder_activation_function"] == "silu"


def test_fewer_queries_and_layers_are_taken(folder: Path, detcli: Detcli, images: Path) -> None:
    how = ("-m", folder, "-f", "jsonl", "-t", "0", "--queries", "5", "--decoder-layers", "1")
    done = detcli("detect", images / "0.png", *how)
    assert done.code == 0, done.err
    assert {one["label"] for one in json.loads(done.out)["detections"]} <= set(NAMES)


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_an_exported_file_gives_the_same_detections(form: str, folder: Path, detcli: Detcli, images: Path) -> None:
    done = detcli("export", folder, "--to", form, "-o", "exported")
    assert done.code == 0, done.err
    [made] = [path for path in Path("exported").rglob("*") if path.suffix in (".onnx", ".xml")]
    found = []
    for model in (folder, made):
        run = detcli("detect", images / "0.png", "-m", model, "-f", "jsonl", "-t", "0.3")
        assert run.code == 0, run.err
        found.append(json.loads(run.out)["detections"])
    ours, theirs = found
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
        assert one["bbox"] == pytest.approx(other["bbox"], abs=0.1)


def test_openvino_gives_the_detections_of_torch(folder: Path, detcli: Detcli, images: Path) -> None:
    found = {}
    for runtime in ("torch", "openvino"):
        how = ("-m", folder, "-f", "jsonl", "-t", "0.3", "--runtime", runtime)
        done = detcli("detect", images / "0.png", *how, env={"DETCLI_RUNTIME_CACHE": str(Path("cache").resolve())})
        assert done.code == 0, done.err
        found[runtime] = json.loads(done.out)["detections"]
    assert len(found["torch"]) == len(found["openvino"]) > 0
    for one, other in zip(*found.values(), strict=True):
        assert one["label"] == other["label"]
        assert one["bbox"] == pytest.approx(other["bbox"], abs=0.1)


def test_a_video_is_tracked(folder: Path, detcli: Detcli, images: Path) -> None:
    frames = [np.full((48, 64, 3), 40 * number, np.uint8) for number in range(3)]
    video(Path("clip.mp4"), frames)
    done = detcli("video", "clip.mp4", "-m", folder, "-f", "jsonl", "-t", "0.2", "--track")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["frame"] for record in records] == [0, 1, 2]


def test_a_network_learns_shapes_and_is_evaluated(folder: Path, detcli: Detcli, images: Path) -> None:
    short = ("--epochs", "1", "--batch", "4", "--workers", "1", "--device", "cpu")
    trained = detcli("train", "-m", folder, "--data", "shapes:0:8", "--val", "shapes:1:4", "-o", "run", *short)
    assert trained.code == 0, trained.err
    losses = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert losses
    evaluated = detcli("eval", "-m", "run/last", "--data", "shapes:1:4", "--device", "cpu")
    assert evaluated.code == 0, evaluated.err
    written = json.loads(Path("run/last/config.json").read_text())
    assert written["freeze_backbone_batch_norms"] is False
