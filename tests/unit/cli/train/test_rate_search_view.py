"""A search for a learning rate that is interrupted has no result."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from detcli.cli.framework.console import Console
from detcli.cli.train.rate_search_view import show_rate_search
from detcli.engine.requests.training_request import TrainingPlan
from detcli.structures.stop_signal import StopSignal
from detcli.training.trials.rate_search import RateSearch


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_search_suggests_and_saves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, code: int
) -> None:
    def search_rate(*, on_step: Any, stop: StopSignal) -> RateSearch:
        on_step(1, 1e-7)
        stop.set(name)
        return RateSearch((1e-7, 2e-7, 3e-7), (3.0, 2.0, 1.0))

    plan = cast("TrainingPlan", SimpleNamespace(search_rate=search_rate))
    assert show_rate_search(Console(), plan, tmp_path / "lr.png") == code
    said = capsys.readouterr()
    assert said.out == ""
    assert f"interrupted by {name}" in said.err
    assert list(tmp_path.iterdir()) == []
