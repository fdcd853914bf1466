"""`benchmark`: speed, latency and memory of models on this machine, as `detcli bench`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from detcli.argument_checks import StrPath
    from detcli.engine.benchmark.benchmark_report import BenchmarkReport
    from detcli.engine.benchmark.run_benchmark import BenchmarkObserver
    from detcli.io.outputs import IfExists
    from detcli.structures.stop_signal import StopSignal

    Size = int | tuple[int, int]


def benchmark(
    model: "StrPath | Iterable[StrPath]" = "dfine-s",
    sources: "StrPath | Iterable[StrPath]" = (),
    *,
    runtime: str | Iterable[str] | None = None,
    precision: str | Iterable[str] = "auto",
    batch_size: int | Iterable[int | None] | None = None,
    image_size: "Size | list[Size | None] | None" = None,
    queries: int | Iterable[int | None] | None = None,
    decoder_layers: int | Iterable[int | None] | None = None,
    images: int = 48,
    repeat: int = 3,
    sinks: str | Iterable[str] = "jsonl",
    task: Literal["panoptic", "instance", "semantic"] | None = None,
    data: "StrPath | None" = None,
    output: "StrPath | None" = None,
    plot: "StrPath | None" = None,
    if_exists: "IfExists" = "error",
    device: str = "auto",
    workers: int | None = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: "StrPath | None" = None,
    observer: "BenchmarkObserver | None" = None,
    stop: "StopSignal | None" = None,
) -> "BenchmarkReport":
    """Measure how fast models are on this machine, as `detcli bench` does.

    Every value of `model`, `runtime`, `precision`, `batch_size`, `image_size`, `queries` and `decoder_layers` is combined with
    every value of the others; None in a list is the model's own value, or the automatic batch size. Each combination runs in
    a new process for each round.

    model           name, Hub repository, folder or file, also an exported one; or several of them
    sources         images, folders of images, globs or URLs; none: synthetic images of common sizes
    runtime         "torch", "openvino" or "onnx", which run exported files; None: all that are installed
    precision       "auto" (fp32), "fp32", "tf32", "bf16" or "fp16"
    batch_size      most images per batch
    image_size      input size: an int (a square) or (height, width); several of them are a list
    queries         use only the best queries
    decoder_layers  predict after so many decoder layers
    images          process at most so many images per measurement
    repeat          measurements of each combination; figures are their medians
    sinks           outputs that are written and measured: "jsonl", "csv", "yolo", "coco", "coco-results", "coco-panoptic",
                    "images", "crops" or "masks"
    task            measure masks of models that segment; None: boxes
    data            dataset on which AP is measured (panoptic quality of panoptic segments); None: as it was published
    output          JSON file of the report
    plot            PNG file of images per second against AP
    if_exists       "error", "overwrite" or "skip" an output that exists
    device          "auto", "cpu", "cuda", "cuda:N" or "mps", for torch
    workers         number of threads that read images; None: one per core
    revision        commit, branch or tag of the Hub repositories
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    observer        gets the events of the benchmark (`detcli.BenchmarkObserver`)
    stop            ends the benchmark from another thread or a callback (`detcli.StopSignal`)

    Returns the figures of all combinations; one that cannot be measured has the reason as its `error`. Raises TypeError for
    an argument of a wrong type, UsageError (a ValueError) for a wrong value or a runtime that is not installed, and another
    DetcliError if a model cannot be found or an output cannot be written.
    """
    from detcli.argument_checks import check_instance, check_path, check_size, check_texts
    from detcli.engine.benchmark.benchmark_files import prepare_files, write_files
    from detcli.engine.benchmark.benchmark_request import BenchmarkRequest
    from detcli.engine.benchmark.run_benchmark import (
        BenchmarkObserver,
        check_accuracy,
        installed_runtimes,
        run_benchmark,
    )
    from detcli.structures.stop_signal import StopSignal

    sizes = image_size if isinstance(image_size, list) else [image_size]
    request = BenchmarkRequest(
        models=check_texts("model", model),
        sources=check_texts("sources", sources),
        runtimes=installed_runtimes() if runtime is None else _values("runtime", runtime),
        precisions=_values("precision", precision),
        batch_sizes=_values("batch_size", batch_size),
        image_sizes=tuple(None if size is None else check_size("image_size", size) for size in sizes),
        queries=_values("queries", queries),
        decoder_layers=_values("decoder_layers", decoder_layers),
        images=images,
        repeat=repeat,
        sinks=_values("sinks", sinks),
        task=task,
        data=None if data is None else str(check_path("data", data)),
        device=device,
        workers=workers,
        revision=revision,
        offline=offline,
        cache_dir=None if cache_dir is None else check_path("cache_dir", cache_dir),
    )
    given = {"output": output, "plot": plot}
    paths = {name: None if path is None else check_path(name, path) for name, path in given.items()}
    if plot is not None:
        check_accuracy(request)
    files = prepare_files(paths, if_exists=if_exists)
    report = run_benchmark(
        request,
        observer=BenchmarkObserver() if observer is None else check_instance("observer", observer, BenchmarkObserver),
        stop=StopSignal() if stop is None else check_instance("stop", stop, StopSignal),
    )
    write_files(report, files)
    return report


def _values(name: str, value: Any) -> tuple[Any, ...]:
    """One value, or several of them, as a tuple. Raises TypeError and UsageError."""
    from detcli.errors import UsageError

    if value is None or isinstance(value, str | int):
        return (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"`{name}` must be one value or a list of them, not {type(value).__name__}")
    values = tuple(value)
    if not values:
        raise UsageError(f"`{name}` is an empty list")
    return values
