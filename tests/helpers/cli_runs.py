"""Images to run over, and runs in processes of their own."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from detcli.cli.framework.console import Console


@dataclass(frozen=True)
class Run:
    """What a run left: its exit code, and its two streams as text."""

    code: int
    out: str
    err: str


def image(path: Path, seed: int = 0) -> Path:
    """A small image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def broken(path: Path) -> Path:
    """An image whose end is missing."""
    whole = image(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def start(command: Sequence[str], *arguments: str | Path | bytes, **how: Any) -> subprocess.Popen[bytes]:
    """Start a process with pipes to all its streams."""
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*command, *arguments], **(streams | how))


class _RecordingDict(dict[str, Any]):
    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)


def options_read(
    command: click.Command, make_request: Callable[[Console, dict[str, Any]], object]
) -> tuple[set[str], set[str]]:
    """The options of a command that a function reads, and those that the command has."""
    with command.make_context("command", ["a.jpg"]) as context:
        options = _RecordingDict(context.params)
    make_request(Console(), options)
    return options.read & options.keys(), set(options)


def assert_refused(detcli: Callable[..., Run], option: str, value: str) -> None:
    """`detcli detect` refuses a value of an option, and names the option."""
    run = detcli("detect", option, value, "a.jpg")
    assert (run.code, run.out) == (2, "")
    assert option in run.err
