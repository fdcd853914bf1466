"""The bundled model has the metrics that its catalog entry and the README publish."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.checkpoints.catalog import CATALOG
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]

# The images on which the README's AP was measured.
ALL = "shapes:1:1000"


def test_it_reaches_the_published_metrics(detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    report = tmp_path / "report.json"
    assert detcli("eval", "-m", "shapes", "--data", ALL, "-o", str(report), "--min-map", "0.85").code == 0
    figures = json.loads(report.read_text())["metrics"]
    assert 100 * figures["AP"] == pytest.approx(CATALOG["shapes"].average_precision, abs=0.1)
