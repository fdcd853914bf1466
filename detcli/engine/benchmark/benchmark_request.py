"""What a benchmark is asked for: models, and the settings that are combined with each other."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detcli.argument_checks import check_choice, check_int, check_path
from detcli.checkpoints.model_files import VARIANTS, Variant, is_exported, is_original
from detcli.engine.requests.run_request import ComputeSettings, DetectionSettings, ModelSettings
from detcli.engine.requests.run_settings import MAX_WORKERS
from detcli.errors import UsageError
from detcli.inference.segmentation.segmentation_settings import TASKS, Task

RUNTIMES = ("torch", "openvino", "onnx")
# Format of results -> suffix of its file; several of one suffix cannot be written in one run.
FORMATS = MappingProxyType(
    {"jsonl": ".jsonl", "csv": ".csv", "yolo": "", "coco": ".json", "coco-results": ".json", "coco-panoptic": ".json"}
)
SINKS = (*FORMATS, "images", "crops", "masks")
METRICS = MappingProxyType({None: "AP", "panoptic": "PQ", "instance": "mask AP", "semantic": "AP"})
MAX_CASES, MAX_IMAGES, MAX_REPEAT = 1000, 100_000, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkCase:
    """One combination that is measured.

    model           name, folder or file
    runtime         torch, openvino or onnx
    precision       auto, fp32, tf32, bf16 or fp16
    batch_size      None: automatic
    image_size      height and width; None: the model's own
    queries         None: all of the model; likewise `decoder_layers`
    variant         of the network of a .pth file; None: as the file tells
    """

    model: str
    runtime: str = "torch"
    precision: str = "auto"
    batch_size: int | None = None
    image_size: tuple[int, int] | None = None
    queries: int | None = None
    decoder_layers: int | None = None
    variant: Variant | None = None

    @property
    def as_published(self) -> bool:
        """Whether the published AP of the model is that of this case."""
        return (
            self.precision in ("auto", "fp32") and (self.image_size, self.queries, self.decoder_layers) == (None,) * 3
        )

    @property
    def export_key(self) -> tuple[Any, ...]:
        """Cases with the same key run the same exported file."""
        return self.model, self.image_size, self.queries, self.decoder_layers, self.variant

    def settings(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRequest:
    """A benchmark; a wrong type is a TypeError, a wrong value a UsageError.

    models          names, folders or files; exported ones too
    sources         images; empty: synthetic ones
    runtimes, precisions, batch_sizes, image_sizes, queries, decoder_layers
                    each value is combined with each value of the others
    images          at most so many images per measurement
    repeat          measurements of each case, each in a new process, in turn
    sinks           outputs that are written: formats of results, "images" (annotated), "crops" or "masks" (label maps)
    task            panoptic, instance or semantic: masks, of models that segment; None: boxes
    data            dataset on which AP is measured (panoptic quality of panoptic segments); None: as it was published
    device          auto, cpu, cuda, cuda:N or mps
    workers         threads that read images; None: one per processor
    variant         of the network of those models that are .pth files; None: as the files tell
    revision        commit, branch or tag of the Hub repositories
    offline         use local models only
    cache_dir       where downloaded models are; None: as HF_HOME sets it
    """

    models: tuple[str, ...] = ("dfine-s",)
    sources: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("torch",)
    precisions: tuple[str, ...] = ("auto",)
    batch_sizes: tuple[int | None, ...] = (None,)
    image_sizes: tuple[tuple[int, int] | None, ...] = (None,)
    queries: tuple[int | None, ...] = (None,)
    decoder_layers: tuple[int | None, ...] = (None,)
    images: int = 48
    repeat: int = 3
    sinks: tuple[str, ...] = ("jsonl",)
    task: Task | None = None
    data: str | None = None
    device: str = "auto"
    workers: int | None = None
    variant: Variant | None = None
    revision: str | None = None
    offline: bool = False
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.variant is not None:
            check_choice("variant", self.variant, VARIANTS)
            if not any(is_original(Path(model)) for model in self.models):
                raise UsageError("`variant` is for .pth files, and none of the models is one")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and field.name != "sources":
                object.__setattr__(self, field.name, tuple(dict.fromkeys(value)))
        for runtime in self.runtimes:
            check_choice("runtime", runtime, RUNTIMES)
        self._check_sinks()
        check_int("images", self.images, at_least=1, at_most=MAX_IMAGES)
        check_int("repeat", self.repeat, at_least=1, at_most=MAX_REPEAT)
        if self.workers is not None:
            check_int("workers", self.workers, at_least=1, at_most=MAX_WORKERS)
        if self.data is not None:
            object.__setattr__(self, "data", str(check_path("data", self.data)))
        if not self.models:
            raise UsageError("no model to measure")
        model = ModelSettings(revision=self.revision, offline=self.offline, cache_dir=self.cache_dir)
        object.__setattr__(self, "cache_dir", model.cache_dir)
        self._check_cases()

    @property
    def metric(self) -> str:
        """What `data` measures."""
        return METRICS[self.task]

    def cases(self) -> Iterator[BenchmarkCase]:
        """The combinations; an exported file runs only as it was exported, and never in torch."""
        for model in self.models:
            exported = is_exported(model)
            for runtime, precision, batch, size, queries, layers in product(
                [name for name in self.runtimes if not (exported and name == "torch")],
                self.precisions,
                self.batch_sizes,
                (None,) if exported else self.image_sizes,
                (None,) if exported else self.queries,
                (None,) if exported else self.decoder_layers,
            ):
                yield BenchmarkCase(
                    model=model,
                    runtime=runtime,
                    precision=precision,
                    batch_size=batch,
                    image_size=size,
                    queries=queries,
                    decoder_layers=layers,
                    variant=self.variant if is_original(Path(model)) else None,
                )

    def _check_sinks(self) -> None:
        if self.task is not None:
            check_choice("task", self.task, TASKS)
        for sink in self.sinks:
            check_choice("sinks", sink, SINKS)
        kinds = {
            "masks": self.task is not None,
            "coco-panoptic": self.task in ("panoptic", "semantic"),
            "yolo": self.task is None,
        }
        for sink, is_possible in kinds.items():
            if sink in self.sinks and not is_possible:
                raise UsageError(
                    f"`sinks`: {sink} cannot hold {self.task or 'boxes'}" + (" masks" if self.task else "")
                )
        if self.task == "semantic" and self.data is not None:
            raise UsageError("`data` measures no semantic masks: use `task=panoptic` or `task=instance`")
        files = [sink for sink in self.sinks if FORMATS.get(sink) == ".json"]
        if len(files) > 1 or (files not in ([], ["coco"]) and len(set(self.sinks) & set(FORMATS)) > 1):
            raise UsageError(f"`sinks`: {files[-1]} cannot be combined with other formats of results")

    def _check_cases(self) -> None:
        cases = list(self.cases())
        if not cases:
            raise UsageError(f"`runtime`: exported files run in openvino or onnx, not in {', '.join(self.runtimes)}")
        if len(cases) > MAX_CASES:
            raise UsageError(f"{len(cases):,} combinations are more than {MAX_CASES:,}: give fewer values")
        for case in cases:  # the records check the values
            ComputeSettings(
                device=self.device,
                batch_size=case.batch_size,
                precision=case.precision,
                queries=case.queries,
                decoder_layers=case.decoder_layers,
            )
            DetectionSettings(image_size=case.image_size)
