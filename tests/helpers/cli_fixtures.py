"""A tiny model on the disk, images next to it, and two ways to run detcli: in this process, and in one of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.conftest import TINY_CONFIG
from tests.helpers.cli_runs import Run, image

LABELS = ("person", "dog", "traffic light")
PREPROCESSOR = {
    "do_resize": True,
    "size": {"height": 64, "width": 96},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
    "image_processor_type": "RTDetrImageProcessor",
}


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the user's settings nor the shell's environment reach a test."""
    for name in set(os.environ) - {"DETCLI_RUNTIME_CACHE"}:
        if name.startswith("DETCLI_") or name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "SOURCE_DATE_EPOCH"):
            monkeypatch.delenv(name)
    nowhere = str(tmp_path_factory.mktemp("config"))
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("DETCLI_DETECT_DEVICE", "cpu")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiny networks are no work for several threads, which only wait for those of other tests."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of processes that tests start
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny D-FINE, 20 queries, whose random weights find other boxes of all classes in every image."""
    import torch

    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.models.dfine import FAMILY
    from tests.helpers.dfine_samples import images, random_network

    folder = tmp_path_factory.mktemp("models") / "tiny"
    config = replace(FAMILY.read_config(TINY_CONFIG), labels=LABELS)
    network = random_network(config, seed=5)
    with torch.inference_mode():
        head = network.decoder.class_heads[-1]
        head.weight *= 4
        head.bias -= network(images(8, 64, 96).float()).logits.mean((0, 1))  # no class wins everywhere
    tensors = FAMILY.write_weights(network.state_dict(), config)
    write_checkpoint(folder, FAMILY.write_config(config), PREPROCESSOR, tensors)
    return folder


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in an empty folder with five images in `in/`, two of them in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        image(tmp_path / "in" / ("sub" if number > 2 else "") / f"{number}.png", number)
    return tmp_path / "in"


@pytest.fixture
def detcli() -> Callable[..., Run]:
    """Run detcli here: quick, for all that does not depend on a process."""

    def run(*arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Run:
        from detcli.cli.main import cli

        result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Run(result.exit_code, result.stdout_bytes.decode("utf-8", "surrogateescape"), result.stderr)

    return run


@pytest.fixture
def detect(detcli: Callable[..., Run], model: Path) -> Callable[..., Run]:
    """Run `detcli detect` here, with the tiny model."""

    def run(*arguments: str | Path, **others: Any) -> Run:
        return detcli("detect", "--model", model, "--threshold", "0.01", "--max-det", "2", *arguments, **others)

    return run


@pytest.fixture
def command(model: Path) -> list[str]:
    """The words that start `detcli detect` with the tiny model in a process of its own."""
    return [
        *(sys.executable, "-m", "detcli", "detect", "--model", str(model)),
        *("--threshold", "0.01", "--max-det", "2", "--workers", "1"),
    ]
