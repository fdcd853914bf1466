"""`detcli detect` with models that keep an image's proportions: mixed folders, `--pad`, `--imgsz` and same bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.models.detr import FAMILY
from tests.helpers import detr_samples
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]
SIZES = [(48, 64), (64, 48), (48, 64), (50, 50), (96, 128), (30, 200), (64, 48), (48, 64)]


@pytest.fixture(scope="session")
def detr(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny DETR of 12 queries whose images' shorter side is 64."""
    folder = tmp_path_factory.mktemp("models") / "detr"
    config = detr_samples.tiny()
    tensors = FAMILY.write_weights(detr_samples.random_network(config).state_dict(), config)
    size = {"size": {"shortest_edge": 64, "longest_edge": 107}}
    write_checkpoint(folder, FAMILY.write_config(config), {**FAMILY.preprocessor, **size}, tensors)
    return str(folder)


@pytest.fixture
def mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with images of many sizes in `in/`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    random = np.random.default_rng(0)
    for index, (height, width) in enumerate(SIZES):
        coarse = Image.fromarray(random.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height))
        coarse.save(tmp_path / "in" / f"{index}.png")
    return tmp_path


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_mixed_folder_keeps_order_and_results_per_image(detcli: Detcli, detr: str, mixed: Path) -> None:
    together = detcli("detect", "in", "-m", detr, "-t", "0", "-b", "4")
    assert together.code == 0, together.err
    results = records(together.out)
    assert [record["file"] for record in results] == [f"in/{index}.png" for index in range(len(SIZES))]
    assert [(record["height"], record["width"]) for record in results] == SIZES
    for record in results:
        [alone] = records(detcli("detect", record["file"], "-m", detr, "-t", "0").out)
        assert len(alone["detections"]) == len(record["detections"]) > 0
        for one, other in zip(alone["detections"], record["detections"], strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-5)


def test_deterministic_runs_are_identical_for_any_batch_size(detcli: Detcli, detr: str, mixed: Path) -> None:
    runs = {detcli("detect", "in", "-m", detr, "-t", "0", "--deterministic", "-b", batch).out for batch in ("1", "5")}
    assert len(runs) == 1
    assert len(records(runs.pop())) == len(SIZES)


def test_padding_is_recorded_and_changes_results_little(detcli: Detcli, detr: str, mixed: Path) -> None:
    plain = detcli("detect", "in", "-m", detr, "-t", "0", "-b", "4", "--header")
    padded = detcli("detect", "in", "-m", detr, "-t", "0", "-b", "4", "--header", "--pad")
    assert padded.code == 0, padded.err
    asked = [records(run.out)[0]["detcli"]["arguments"] for run in (plain, padded)]
    assert [arguments.get("pad") for arguments in asked] == [None, True]
    assert [one["file"] for one in records(padded.out)[1:]] == [one["file"] for one in records(plain.out)[1:]]
    assert padded.out.splitlines()[1:] != plain.out.splitlines()[1:]


def test_imgsz_is_the_shortest_and_the_longest_side(detcli: Detcli, detr: str, mixed: Path) -> None:
    small = detcli("detect", "in", "-m", detr, "-t", "0", "--imgsz", "32", "64")
    assert small.code == 0, small.err
    assert small.out != detcli("detect", "in", "-m", detr, "-t", "0").out
    turned = detcli("detect", "in", "-m", detr, "--imgsz", "64", "32")
    assert turned.code == 2
    assert "--imgsz 32 64" in turned.err


def test_pad_with_deterministic_is_a_usage_error(detcli: Detcli, detr: str, mixed: Path) -> None:
    run = detcli("detect", "in", "-m", detr, "--pad", "--deterministic")
    assert run.code == 2
    assert "--pad cannot be combined with --deterministic" in run.err


def test_a_dry_run_says_that_images_would_be_padded(detcli: Detcli, detr: str, mixed: Path) -> None:
    assert "padded" in detcli("detect", "in", "-m", detr, "--pad", "--dry-run").err
    assert "padded" not in detcli("detect", "in", "-m", detr, "--dry-run").err
