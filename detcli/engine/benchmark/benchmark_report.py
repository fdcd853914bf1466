"""What a benchmark measured: one record per process, and their medians."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from detcli.engine.benchmark.benchmark_request import BenchmarkCase

PERCENTILES = (50, 90, 99)
_SHARED = ("read", "decode", "resize", "images", "crops")  # in as many threads as there are workers
_MANY_IMAGES = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRun:
    """One measurement, in a process of its own.

    start_s         from the start of the process until the model is loaded
    first_result_s  from the start of the process until the first image has detections
    images          that were processed, after the warm-up
    seconds         for them, from opening the images to closing the outputs
    stages_ms       milliseconds per image of each stage alone, in one thread; the network with its batches in flight
    latencies_ms    of each batch, from reading its images to its detections, one batch at a time
    peak_mib        peak memory of the process; None: unknown
    device_mib      peak memory on a GPU; None: it ran on the CPU
    batch_size, precision, device, workers
                    as they were chosen
    ap              average precision on the data, from 0 to 1; None: not measured
    """

    start_s: float
    first_result_s: float
    images: int
    seconds: float
    stages_ms: dict[str, float]
    latencies_ms: list[float]
    peak_mib: float | None
    device_mib: float | None
    batch_size: int
    precision: str
    device: str
    workers: int
    ap: float | None = None


@dataclass(slots=True)
class CaseResult:
    """The measurements of a case.

    runs          complete ones, in order
    error         why it could not be measured; None: it was, or it was not tried
    published_ap  from 0 to 1, of the model as it was published; None: unknown, or the case is another one
    metric        what `ap` is: AP, mask AP, or PQ (panoptic quality)
    """

    case: BenchmarkCase
    runs: list[CaseRun] = field(default_factory=list)
    error: str | None = None
    published_ap: float | None = None
    metric: str = "AP"

    @property
    def rates(self) -> list[float]:
        """Images per second of each run, end to end."""
        return [run.images / run.seconds for run in self.runs]

    @property
    def images_per_second(self) -> float:
        """Median of the runs."""
        return statistics.median(self.rates)

    @property
    def stages_ms(self) -> dict[str, float]:
        """Milliseconds per image of each stage: medians of the runs."""
        return {name: statistics.median(run.stages_ms[name] for run in self.runs) for name in self.runs[0].stages_ms}

    @property
    def latency_ms(self) -> dict[int, float]:
        """Percentiles of the latency of a batch, over all runs."""
        latencies = [latency for run in self.runs for latency in run.latencies_ms]
        return {percent: percentile(latencies, percent) for percent in PERCENTILES}

    @property
    def bottleneck(self) -> str:
        """The stage that limits the speed: the slowest one, where the workers share reading and drawing."""
        workers = self.runs[0].workers
        costs = {name: ms / (workers if name in _SHARED else 1) for name, ms in self.stages_ms.items()}
        return max(costs, key=costs.__getitem__)

    @property
    def ap(self) -> float | None:
        """Measured, else published average precision, or the other metric."""
        measured = [run.ap for run in self.runs if run.ap is not None]
        return measured[0] if measured else self.published_ap

    def median(self, name: str) -> float | None:
        """Median of a field of the runs; None where it is unknown."""
        values = [getattr(run, name) for run in self.runs if getattr(run, name) is not None]
        return statistics.median(values) if values else None

    def as_json(self) -> dict[str, Any]:
        """The case, its medians, and the runs that they are of."""
        document: dict[str, Any] = {**self.case.settings(), "error": self.error}
        if not self.runs:
            return document
        last, metric = self.runs[-1], self.metric.lower().replace(" ", "_")
        return document | {
            "batch_size": last.batch_size,
            "precision": last.precision,
            "device": last.device,
            "workers": last.workers,
            "images": last.images,
            "images_per_second": self.images_per_second,
            "images_per_second_runs": self.rates,
            "latency_ms": {f"p{percent}": value for percent, value in self.latency_ms.items()},
            "stages_ms": self.stages_ms,
            "bottleneck": self.bottleneck,
            "network_images_per_second": 1000 / self.stages_ms["network"],
            "start_s": self.median("start_s"),
            "first_result_s": self.median("first_result_s"),
            "peak_memory_mib": self.median("peak_mib"),
            "device_memory_mib": self.median("device_mib"),
            metric: self.ap,
            f"{metric}_is_measured": last.ap is not None or any(run.ap is not None for run in self.runs),
            "seconds_for_10_million": _MANY_IMAGES / self.images_per_second,
        }


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """The results of all cases; `as_json` returns all of them as one document.

    results      in the order of the combinations, each with `case`, `images_per_second`, `stages_ms`, `latency_ms`, `ap` and
                 its runs; `error` says why one was not measured
    machine      processor, number of processors, system, versions
    settings     what all cases share
    interrupted  name of the signal that ended the benchmark early; None: it is complete
    """

    results: tuple[CaseResult, ...]
    machine: dict[str, Any]
    settings: dict[str, Any]
    interrupted: str | None = None

    @property
    def metric(self) -> str:
        """The accuracy that cases have: AP, mask AP or PQ."""
        return self.results[0].metric if self.results else "AP"

    @property
    def measured(self) -> tuple[CaseResult, ...]:
        """The cases with at least one run."""
        return tuple(result for result in self.results if result.runs)

    @property
    def fastest(self) -> CaseResult | None:
        """The case with the most images per second."""
        return max(self.measured, key=lambda result: result.images_per_second, default=None)

    def pareto(self) -> list[CaseResult]:
        """Cases with a known AP that no other one beats in both speed and AP, the fastest first."""
        known = [(result, result.ap) for result in self.measured if result.ap is not None]
        best, kept = -math.inf, []
        for result, ap in sorted(known, key=lambda each: (-each[0].images_per_second, -each[1])):
            if ap > best:
                best = ap
                kept.append(result)
        return kept

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON document."""
        return {
            "machine": self.machine,
            "settings": self.settings,
            "interrupted": self.interrupted,
            "cases": [result.as_json() for result in self.results],
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def duration_of_many(images_per_second: float) -> float:
    """Seconds for ten million images."""
    return _MANY_IMAGES / images_per_second
