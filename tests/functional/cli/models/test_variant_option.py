"""--variant: every command that takes a .pth file asks for it where the name says DEIM, and then uses it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from detcli.models.dfine import FAMILY
from tests.helpers.cli_runs import Run
from tests.helpers.dfine_samples import random_network, tiny
from tests.helpers.original_layouts import dfine
from tests.helpers.video_samples import write_video

Detcli = Callable[..., Run]
SHORT = ("--epochs", "1", "-b", "4", "--imgsz", "64", "96", "--set", "base_batch=4", "-d", "cpu", "-j", "1")
COMMANDS: dict[str, tuple[str, ...]] = {
    "detect": ("detect", "in/0.png", "-m", "deim_n.pth", "-o", "out.jsonl"),
    "video": ("video", "in.mp4", "-m", "deim_n.pth", "-o", "out.jsonl"),
    "segment": ("segment", "in/0.png", "-m", "deim_n.pth", "-o", "out.json"),
    "eval": ("eval", "--data", "shapes:0:2", "-m", "deim_n.pth"),
    "train": ("train", "-m", "deim_n.pth", "--data", "shapes:0:4", "-o", "run", *SHORT),
    "export": ("export", "deim_n.pth", "-o", "exported/"),
    "models info": ("models", "info", "deim_n.pth"),
    "models convert": ("models", "convert", "deim_n.pth", "-o", "made/"),
}


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    config = tiny(num_queries=300, id2label={str(i): f"class {i}" for i in range(80)})
    state = dict(random_network(config).state_dict())
    return dfine(FAMILY.write_weights(state, config), grid_hw=(64, 96), strides=(8, 16, 32))


@pytest.fixture
def folder(images: Path, tensors: dict[str, Tensor]) -> Path:
    """The test stands in a folder with images and the same weights under two names."""
    for name in ("deim_n.pth", "best_stg2.pth"):
        torch.save({"model": tensors}, name)
    write_video(Path("in.mp4"), 2)
    return Path()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_asks_for_the_variant(command: str, detcli: Detcli, folder: Path) -> None:
    done = detcli(*COMMANDS[command])
    assert done.code == 5, done.err
    assert "'deim_n.pth' may be of DEIM or RT-DETRv4 by its name" in done.err
    assert "add --variant deim, or --variant dfine for a D-FINE" in done.err
    assert not any(Path(name).exists() for name in ("out.jsonl", "out.json", "run", "made", "exported/deim_n.onnx"))


@pytest.mark.parametrize("command", ["detect", "video", "models info", "models convert"])
def test_every_command_takes_the_variant(command: str, detcli: Detcli, folder: Path) -> None:
    done = detcli(*COMMANDS[command], "--variant", "deim")
    assert done.code == 0, done.err
    assert "taken as D-FINE" not in done.err


def test_segment_says_that_there_are_no_masks(detcli: Detcli, folder: Path) -> None:
    done = detcli(*COMMANDS["segment"], "--variant", "deim")
    assert done.code == 5
    assert "detects boxes, not masks" in done.err


def scores(detcli: Detcli, *arguments: str) -> list[float]:
    done = detcli("detect", "in/0.png", "-f", "jsonl", "-t", "0", *arguments)
    assert done.code == 0, done.err
    return [one["score"] for one in json.loads(done.out)["detections"]]


def test_the_variant_reaches_every_form_of_the_model(detcli: Detcli, folder: Path) -> None:
    expected = scores(detcli, "-m", "deim_n.pth", "--variant", "deim")
    assert scores(detcli, "-m", "deim_n.pth", "--variant", "dfine") != expected
    assert detcli("models", "convert", "deim_n.pth", "-o", "made", "--variant", "deim").code == 0
    assert scores(detcli, "-m", "made") == pytest.approx(expected, abs=2e-3)
    assert detcli("export", "deim_n.pth", "-o", "deim.onnx", "--variant", "deim").code == 0
    assert scores(detcli, "-m", "deim.onnx") == pytest.approx(expected, abs=2e-3)


def test_a_trained_model_keeps_the_activations(detcli: Detcli, folder: Path) -> None:
    done = detcli(*COMMANDS["train"], "--variant", "deim")
    assert done.code == 0, done.err
    config = json.loads(Path("run/last/config.json").read_text())
    assert {config[f"{part}_activation_function"] for part in ("decoder", "head", "lqe")} == {"silu"}


def test_a_letterboxed_model_stays_so_unless_the_recipe_stretches(
    detcli: Detcli, folder: Path, tensors: dict[str, Tensor]
) -> None:
    meta = {"label_to_name": {i: f"own {i}" for i in range(80)}, "img_size": [64, 96], "keep_ratio": True}
    torch.save({"model": tensors, "meta": meta}, "model.pt")
    assert scores(detcli, "-m", "model.pt")
    command = ("train", "-m", "model.pt", "--data", "shapes:0:4", *SHORT)
    done = detcli(*command, "-o", "kept")
    assert done.code == 0, done.err
    assert "trained on letterboxed images" not in done.err
    written = json.loads(Path("kept/last/preprocessor_config.json").read_text())
    assert (written["pad_position"], written["pad_value"]) == ("center", 114)
    assert written["size"] == {"max_height": 64, "max_width": 96}
    done = detcli(*command, "-o", "run", "--set", "resize=stretch")
    assert done.code == 0, done.err
    assert "trained on letterboxed images, and this training stretches them to --imgsz" in done.err
    written = json.loads(Path("run/last/preprocessor_config.json").read_text())
    assert written["size"] == {"height": 64, "width": 96}
    assert not {"pad_position", "pad_value", "pad_size"} & written.keys()


def test_the_note_names_the_assumption_and_the_option(detcli: Detcli, folder: Path) -> None:
    done = detcli("detect", "in/0.png", "-m", "best_stg2.pth", "-o", "out.jsonl")
    assert done.code == 0, done.err
    assert done.err.count("taken as D-FINE, with ReLU") == 1
    assert "for one of them add --variant deim" in done.err


def test_results_know_the_variant(detcli: Detcli, folder: Path) -> None:
    run = ("detect", "in", "-m", "best_stg2.pth", "-o", "out.jsonl", "--header")
    assert detcli(*run, "--variant", "deim").code == 0
    header = json.loads(Path("out.jsonl").read_text().splitlines()[0])["detcli"]
    assert header["arguments"]["variant"] == "deim"


def test_bench_gives_the_variant_to_files_only(detcli: Detcli, folder: Path) -> None:
    arguments = ("bench", "--runtime", "torch", "--repeat", "1", "--limit", "1", "--json")
    done = detcli(*arguments, "shapes", "deim_n.pth", "--variant", "deim")
    assert done.code == 0, done.err
    assert [case["error"] for case in json.loads(done.out)["cases"]] == [None, None]
    done = detcli(*arguments, "shapes", "--variant", "deim")
    assert done.code == 2
    assert "--variant is for .pth files, and none of the models is one" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("detect", "in", "-m", "shapes", "--variant", "deim"), 2, "--variant is for .pth files of D-FINE, DEIM and RT-DETRv4"),
        (("detect", "in", "-m", "deim_n.pth", "--variant", "rtv4"), 2, "did you mean 'deim'?"),
        (("models", "convert", "deim_n.pth", "-o", "made", "--variant", "other"), 2, "is not one of 'dfine', 'deim'"),
        (("detect", "in", "-m", "rtdetrv4-s"), 5, "'rtdetrv4-s' is not on the Hub"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(
    arguments: tuple[str, ...], code: int, sentence: str, detcli: Detcli, folder: Path
) -> None:
    done = detcli(*arguments)
    assert done.code == code, done.err
    assert sentence in done.err


def test_a_name_of_the_catalog_gets_the_command(detcli: Detcli, folder: Path) -> None:
    done = detcli("detect", "in", "-m", "deim-n")
    assert "'detcli models convert FILE -o deim-n/ --variant deim' converts it" in done.err
    shown = detcli("models", "info", "deim-n")
    assert (shown.code, "AP          43.0 %" in shown.out) == (0, True), shown.out
    assert "published   https://github.com/ShihuaHuang95/DEIM" in shown.out
    assert "license     Apache-2.0" in shown.out
    rows = {row["name"]: row for row in json.loads(detcli("models", "list", "--json").out)}
    assert (rows["rtdetrv4-x"]["average_precision"], rows["rtdetrv4-x"]["cached"]) == (57.0, False)
