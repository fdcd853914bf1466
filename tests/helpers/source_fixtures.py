"""Fixtures for tests of sources: an image, a tree of images, and ways to open them."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.sources.source import Source, SourceSettings, make_source
from detcli.structures.frame import Frame


@pytest.fixture(scope="session")
def image() -> bytes:
    """A small JPEG."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: bytes) -> Callable[..., Path]:
    """Make images of these names in the folder the test stands in."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image)
        return tmp_path

    return make


@pytest.fixture
def opened() -> Callable[..., Source]:
    """Open a source by arguments, with settings as keywords."""

    def open_it(*arguments: str, **settings: Any) -> Source:
        return make_source(arguments, SourceSettings(**settings))

    return open_it


@pytest.fixture
def files(opened: Callable[..., Source]) -> Callable[..., list[str]]:
    """The `file` of every image that arguments name; checks order, count and repetition on the way."""

    def list_them(*arguments: str, **settings: Any) -> list[str]:
        source = opened(*arguments, **settings)
        found = [read.origin for read in source]
        assert [origin.index for origin in found] == list(range(len(found)))
        assert source.count() == len(found)
        assert [read.origin for read in source] == found
        return [origin.file for origin in found]

    return list_them


@pytest.fixture
def codes(opened: Callable[..., Source]) -> Callable[..., dict[str, str]]:
    """`file` -> "ok" or the code of the refusal, of every image that arguments name."""

    def read_them(*arguments: str, **settings: Any) -> dict[str, str]:
        answers = [read() for read in opened(*arguments, **settings)]
        return {a.origin.file: "ok" if isinstance(a, Frame) else a.code for a in answers}

    return read_them


@pytest.fixture
def relatives(opened: Callable[..., Source]) -> Callable[..., list[str]]:
    """The relative name of every image that arguments name."""

    def name_them(*arguments: str, **settings: Any) -> Sequence[str]:
        return [read.origin.relative for read in opened(*arguments, **settings)]

    return name_them
