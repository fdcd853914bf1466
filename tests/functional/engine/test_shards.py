"""Runs over shards: merged, they are one run; resumed, they stay the same; and their outputs do not meet."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.engine.requests.run_request import ImageRequest, ModelSettings, OutputSettings
from detcli.engine.run import run
from detcli.inference.detector import Detector
from detcli.io.results.formats import readable_formats, writable_formats
from detcli.shard import Shard
from tests.helpers.cli_runs import broken, image
from tests.helpers.engine_runs import image_request
from tests.helpers.stored_results import content, rewrite, suffix_of

IMAGES = 11


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a folder with eleven images in `in/`, one of them broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for number in range(IMAGES):
        image(tmp_path / "in" / ("sub" if number % 3 else "") / f"{number:02}.png", number)
    broken(tmp_path / "in" / "03.png")
    return tmp_path / "in"


def of_shard(
    model: Path | Detector, shard: Shard | None, *, deterministic: bool = True, limit: int | None = None, **output: Any
) -> ImageRequest:
    """A run over a shard of `in`, or over all of it, with batches of four."""
    whole = image_request(Path("model"), batch_size=4)
    return ImageRequest(
        input=replace(whole.input, shard=shard, limit=limit),
        model=ModelSettings(model=model if isinstance(model, Detector) else str(model)),
        detection=whole.detection,
        compute=replace(whole.compute, deterministic=deterministic),
        output=OutputSettings(**output),
    )


def shards(count: int) -> list[Shard]:
    return [Shard(number, count) for number in range(1, count + 1)]


def records(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_show(model: Path, many: Path) -> None:
    for name in writable_formats(boxes=True):
        suffix = suffix_of(name)
        run(of_shard(model, None, outputs=(f"{name}-one{suffix}",), format=name))
        for shard in shards(3):
            run(of_shard(model, shard, outputs=(f"{name}-part-{{shard}}{suffix}",), format=name))
        if name not in readable_formats():
            print(name, "not readable")
            continue
        try:
            said = rewrite(
                [Path(f"{name}-part-{n}{suffix}") for n in (1, 2, 3)],
                Path(f"{name}-merged{suffix}"),
                name,
                images=many if name == "yolo" else None,
            )
        except Exception as e:
            print(name, repr(e))
            continue
        a, b = content(Path(f"{name}-one{suffix}")), content(Path(f"{name}-merged{suffix}"))
        print(name, a == b, said)
        if a != b:
            print(str(a)[:600])
            print(str(b)[:600])
