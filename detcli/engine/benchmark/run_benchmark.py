"""Runs a benchmark: each measurement in a process of its own, the cases in turn for several rounds."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from detcli.checkpoints import catalog
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.model_files import is_exported
from detcli.engine.benchmark.benchmark_report import BenchmarkReport, CaseResult, CaseRun
from detcli.engine.benchmark.benchmark_request import RUNTIMES, BenchmarkCase, BenchmarkRequest
from detcli.engine.load_model import DownloadReporter
from detcli.engine.observer import Observer
from detcli.errors import UsageError
from detcli.extras import install_command
from detcli.libraries import is_installed, require_torch
from detcli.runtimes.process import processors
from detcli.structures.run_info import now
from detcli.structures.stop_signal import StopSignal
from detcli.version import __version__

_MODULE = "detcli.engine.benchmark.case_process"
_PACKAGE = Path(__file__).resolve().parents[3]  # the folder that has detcli in it
_MODULES = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime"}
_POLL_S = 0.1
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
        self._results = [CaseResult(case, published_ap=_published_ap(case)) for case in request.cases()]
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
        for model in self._request.models:
            download = DownloadReporter(self._observer)
            try:
                locate(model, offline=self._request.offline, progress=download)
            finally:
                download.finish()

    def _warn_of_load(self) -> None:
        load = _load_average()
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
            answer = self._process({"kind": "export", "case": case.settings(), "path": str(path)}, folder)
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
        job = {
            "kind": "measure",
            "case": result.case.settings(),
            "path": None if export is None else str(export),
            "sources": list(sources),
            "folder": str(folder),
            "images": self._request.images,
            "sinks": list(self._request.sinks),
            "data": data,
            "device": self._request.device if result.case.runtime == "torch" else "cpu",
            "workers": self._request.workers,
        }
        answer = self._process(job, folder)
        if answer is None:
            return
        if "error" in answer:
            result.error = str(answer["error"])
        else:
            result.runs.append(CaseRun(**answer))

    def _process(self, job: dict[str, Any], folder: Path) -> dict[str, Any] | None:
        """Run a job in a new process and return its answer; None where `stop` ended it."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_PACKAGE), *_python_path()])}
        command = [sys.executable, "-P", "-m", _MODULE]
        with (folder / "answer").open("w+b") as answer, (folder / "errors").open("w+b") as errors:
            process = subprocess.Popen(  # noqa: S603 - a module of detcli
                command,
                stdin=subprocess.PIPE,
                stdout=answer,
                stderr=errors,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches this process, which ends the other
            )
            try:
                self._send(process, job | {"started": time.time()})
                while process.poll() is None and not self._stop.is_set():
                    try:
                        process.wait(_POLL_S)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()
            if self._stop.is_set():
                return None
            answer.seek(0)
            errors.seek(0)
            return _parsed(answer.read(), errors.read(), process.returncode)

    @staticmethod
    def _send(process: "subprocess.Popen[bytes]", job: dict[str, Any]) -> None:
        if process.stdin is not None:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()


def machine_facts() -> dict[str, Any]:
    """What a reader of the figures needs to know of the machine."""
    packages = {}
    for name in ("torch", "openvino", "onnxruntime"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor_name(),
        "processors": processors(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "detcli": __version__,
        "load_average": _load_average(),
        "time": now(),
        **packages,
    }


def _parsed(answer: bytes, errors: bytes, code: int) -> dict[str, Any]:
    lines = answer.splitlines()
    try:
        parsed: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = errors.decode(errors="replace").strip().splitlines()
        killed = "the process was killed, perhaps for lack of memory" if code < 0 else f"the process failed with {code}"
        return {"error": said[-1][:500] if said and code > 0 else killed}
    return parsed


def _python_path() -> list[str]:
    given = os.environ.get("PYTHONPATH")
    return [given] if given else []


def _published_ap(case: BenchmarkCase) -> float | None:
    entry = catalog.find(case.model)
    if entry is None or entry.average_precision is None or not case.as_published:
        return None
    return entry.average_precision / 100


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
