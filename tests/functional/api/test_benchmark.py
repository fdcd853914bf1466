"""`detcli.benchmark`: the figures of `detcli bench` in Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Events(detcli.BenchmarkObserver):
    """Remembers the measurements, and may stop at one of them."""

    def __init__(self, stop: detcli.StopSignal | None = None) -> None:
        self.measured: list[tuple[str, int, int]] = []
        self._stop = stop

    def on_measurement(self, case: Any, done: int, total: int) -> None:
        self.measured.append((case.runtime, done, total))
        if self._stop is not None and done == 1:
            self._stop.set()


def test_values_are_combined_and_figures_returned(capfd: pytest.CaptureFixture[str]) -> None:
    events = Events()
    report = detcli.benchmark(
        "shapes", runtime=["torch", "onnx"], batch_size=[1, 2], images=2, repeat=1,
        output="report.json", plot="speed.png", observer=events,
    )  # fmt: skip
    assert [(result.case.runtime, result.case.batch_size) for result in report.results] == [
        ("torch", 1), ("torch", 2), ("onnx", 1), ("onnx", 2),
    ]  # fmt: skip
    for result in report.measured:
        assert result.images_per_second > 0
        assert result.bottleneck in result.stages_ms
        assert result.ap is not None
        assert result.latency_ms[50] > 0
    assert len(report.measured) == 4
    assert report.fastest in report.results
    assert events.measured == [(name, i, 4) for i, name in enumerate(["torch", "torch", "onnx", "onnx"])]
    assert json.loads(Path("report.json").read_text()) == report.as_json()
    assert Path("speed.png").read_bytes().startswith(b"\x89PNG")
    assert capfd.readouterr() == ("", "")


def test_a_signal_ends_it_with_what_was_measured() -> None:
    stop = detcli.StopSignal()
    report = detcli.benchmark("shapes", runtime="torch", images=1, repeat=1000, observer=Events(stop), stop=stop)
    assert len(report.results[0].runs) == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: detcli.benchmark("shapes", runtime="tensorrt"), detcli.UsageError, "`runtime` must be one of"),
        (lambda: detcli.benchmark("shapes", batch_size=[]), detcli.UsageError, "`batch_size` is an empty list"),
        (lambda: detcli.benchmark("shapes", batch_size=0), detcli.UsageError, "`batch_size` must be at least 1"),
        (lambda: detcli.benchmark("shapes", image_size=[64, 0]), detcli.UsageError, "`image_size` must be at least 1"),
        (lambda: detcli.benchmark("shapes", queries=1.5), TypeError, "`queries` must be one value or a list of them"),  # type: ignore[arg-type]
        (lambda: detcli.benchmark("shapes", output="report.txt"), detcli.UsageError, "must end in .json"),
        (lambda: detcli.benchmark("shapes", queries=5, plot="a.png"), detcli.UsageError, "`plot`: no AP is known"),
        (lambda: detcli.benchmark("dfine-q"), detcli.UnknownModelError, "dfine-q"),
        (lambda: detcli.benchmark("shapes", revision="main"), detcli.UsageError, "`revision` is for repositories"),
        (lambda: detcli.benchmark(3), TypeError, "`model` must be"),  # type: ignore[arg-type]
        (lambda: detcli.benchmark("shapes", observer=print), TypeError, "`observer` must be"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
    assert not list(Path.cwd().iterdir())
