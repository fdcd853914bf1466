"""The speed of a run is measured on its first images, and nothing is written."""

from pathlib import Path

import pytest

from detcli.engine.benchmark import measure
from detcli.engine.inputs.preview import preview
from detcli.engine.requests.run_request import (
    ComputeSettings,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
)
from tests.helpers.cli_fixtures import images, model

__all__ = ["images", "model"]


def request(model: Path, *sources: str) -> ImageRequest:
    return ImageRequest(
        input=ImageInputSettings(sources=sources),
        model=ModelSettings(model=str(model)),
        compute=ComputeSettings(device="cpu", batch_size=1, workers=1),
        output=OutputSettings(outputs=("out.jsonl",)),
    )


def test_the_measurement_ends_early(model: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MOST_IMAGES", 1)
    for number in range(40):
        (images / f"copy{number}.png").write_bytes((images / "0.png").read_bytes())
    with preview(request(model, "in")) as planned:
        assert planned is not None
        assert planned.obstacle is None
        speed = planned.measure()
        assert planned.count() == 45
        assert len(list(planned.files())) == 45, "the list is still complete"
    assert speed is not None
    assert 1 <= speed.images < 45
    assert speed.per_second > 0
    assert speed.device == "cpu"
    assert not Path("out.jsonl").exists()


def test_without_a_readable_image_there_is_no_speed(model: Path, images: Path) -> None:
    with preview(request(model, "missing.png")) as planned:
        assert planned is not None
        assert planned.measure() is None


@pytest.mark.parametrize("source", ["-", "http://127.0.0.1:9/a.jpg"])
def test_what_is_not_a_file_is_not_measured(model: Path, images: Path, source: str) -> None:
    assert not measure.is_local(request(model, source))
    assert measure.is_local(request(model, "in/*.png", "in"))
