"""Runs a benchmark: each measurement in a process of its own, the cases in turn for several rounds."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from detcli.checkpoints import catalog
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.model_files import is_exported
from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult, CaseRun
from detcli.engine.benchmark.benchmark_request import RUNTIMES, BenchmarkCase, BenchmarkRequest
from detcli.engine.benchmark.machine import load_average, machine_facts
from detcli.engine.benchmark.run_job import run_job
from detcli.engine.model_files.load_model import DownloadReporter
from detcli.engine.observer import Observer
from detcli.errors import UsageError
from detcli.extras import install_command
from detcli.libraries import is_installed, require_torch
from detcli.runtimes.process import processors
from detcli.structures.stop_signal import StopSignal

_MODULES = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime"}
_BUSY = 0.5  # load average per processor above which others slow the measurements down


class BenchmarkObserver(Observer):
    """Gets the events of a benchmark; each method does nothing here."""

    def on_benchmark_start(self) -> None:
        """Models and images are there; from here on, `stop` ends the benchmark with what was measured."""

    def on_export(self, case: BenchmarkCase) -> None:
        """A checkpoint is exported next."""

    def on_measurement(self, case: BenchmarkCase, done: int, total: int) -> None:
        """A measurement starts; `done` of `total` are over."""


def installed_runtimes() -> tuple[str, ...]:
    """The runtimes whose packages are installed."""
    return tuple(name for name in RUNTIMES if find_spec(_MODULES[name]) is not None)


def check_accuracy(request: BenchmarkRequest) -> None:
    """Check that a plot of speed against AP can have a point, before anything runs. Raises UsageError."""
    if request.data is None and all(_published(case, request) is None for case in request.cases()):
        raise UsageError(f"`plot`: no {request.metric} is known for any combination; `data` measures it")


def run_benchmark(
    request: BenchmarkRequest, *, observer: BenchmarkObserver | None = None, stop: StopSignal | None = None
) -> BenchmarkReport:
    """Measure every case; one that cannot be measured has the reason in its result.

    stop  ends the current measurement, which then does not count, and the benchmark

    Raises UsageError for a runtime that is not installed, and what finding or downloading a model raises.
    """
    return _Benchmark(request, observer or BenchmarkObserver(), stop or StopSignal()).run()


class _Benchmark:
    def __init__(self, request: BenchmarkRequest, observer: BenchmarkObserver, stop: StopSignal) -> None:
        self._request, self._observer, self._stop = request, observer, stop
        self._results = [
            CaseResult(case, published_ap=_published(case, request), metric=request.metric) for case in request.cases()
        ]
        self._exports: dict[tuple[Any, ...], Path | str] = {}  # a string is the reason why there is none

    def run(self) -> BenchmarkReport:
        self._check_runtimes()
        self._locate_models()
        self._warn_of_load()
        with tempfile.TemporaryDirectory(prefix="detcli-bench-") as folder:
            sources = self._request.sources or (self._synthetic_images(Path(folder)),)
            self._observer.on_benchmark_start()
            self._export(Path(folder))
            self._measure(Path(folder), tuple(sources))
        settings = {
            "images": self._request.images,
            "repeat": self._request.repeat,
            "sinks": list(self._request.sinks),
            "sources": list(self._request.sources) or "synthetic",
            "task": self._request.task,
            "revision": self._request.revision,
            "data": self._request.data,
        }
        return BenchmarkReport(tuple(self._results), machine_facts(), settings, self._stop.signal)

    def _check_runtimes(self) -> None:
        checkpoint = next((model for model in self._request.models if not is_exported(model)), None)
        if checkpoint is not None:
            require_torch(f"'{checkpoint}' is a checkpoint: it needs")
        for name in self._request.runtimes:
            if name != "torch" and not is_installed(_MODULES[name]):
                raise UsageError(f"`runtime={name}` is not installed: {install_command(name)}")

    def _locate_models(self) -> None:
        """Download what is missing, so that the measurements need no network."""
        request = self._request
        for model in request.models:
            download = DownloadReporter(self._observer)
            try:
                locate(
                    model,
                    revision=request.revision,
                    offline=request.offline,
                    cache_dir=request.cache_dir,
                    progress=download,
                )
            finally:
                download.finish()

    def _warn_of_load(self) -> None:
        load = load_average()
        if load is not None and load > _BUSY * processors():
            self._observer.on_warning(
                f"this machine is busy (load {load:.1f} on {processors()} processors): speeds are too low and vary"
            )

    def _synthetic_images(self, folder: Path) -> str:
        from detcli.engine.benchmark.photo_files import make_images

        make_images(folder / "images", self._request.images)
        return str(folder / "images")

    def _export(self, folder: Path) -> None:
        for case in (result.case for result in self._results):
            if case.runtime == "torch" or is_exported(case.model) or case.export_key in self._exports:
                continue
            if self._stop.is_set():
                return
            self._observer.on_export(case)
            path = folder / f"{len(self._exports)}.onnx"
            answer = run_job(self._job("export", case, path), folder, self._stop)
            if answer is not None:
                self._exports[case.export_key] = str(answer["error"]) if "error" in answer else path

    def _measure(self, folder: Path, sources: tuple[str, ...]) -> None:
        """Every case once, then again: changes of the machine's speed affect all alike."""
        total, done = self._request.repeat * len(self._results), 0
        for round_ in range(self._request.repeat):
            for result in self._results:
                if self._stop.is_set():
                    return
                if result.error is None:
                    self._observer.on_measurement(result.case, done, total)
                    self._measure_once(result, folder, sources, data=self._request.data if round_ == 0 else None)
                done += 1

    def _measure_once(self, result: CaseResult, folder: Path, sources: tuple[str, ...], data: str | None) -> None:
        export = self._exports.get(result.case.export_key) if result.case.runtime != "torch" else None
        if isinstance(export, str):
            result.error = export
            return
        job = self._job("measure", result.case, export) | {
            "sources": list(sources),
            "folder": str(folder),
            "images": self._request.images,
            "sinks": list(self._request.sinks),
            "data": data,
            "device": self._request.device if result.case.runtime == "torch" else "cpu",
            "workers": self._request.workers,
        }
        answer = run_job(job, folder, self._stop)
        if answer is None:
            return
        if "error" in answer:
            result.error = str(answer["error"])
        else:
            result.runs.append(CaseRun(**answer))

    def _job(self, kind: str, case: BenchmarkCase, path: Path | None) -> dict[str, Any]:
        """What every job is told: the case, the exported file, and which model."""
        request = self._request
        return {
            "kind": kind,
            "case": case.settings(),
            "path": None if path is None else str(path),
            "task": request.task,
            "revision": request.revision,
            "cache_dir": None if request.cache_dir is None else str(request.cache_dir),
        }


def _published(case: BenchmarkCase, request: BenchmarkRequest) -> float | None:
    """The published AP or panoptic quality of a case, from 0 to 1; None where it is unknown or of another network."""
    entry = catalog.find(case.model)
    if entry is None or not case.as_published or request.revision is not None:
        return None
    percent = {None: entry.average_precision, "panoptic": entry.panoptic_quality}.get(request.task)
    return None if percent is None else percent / 100
