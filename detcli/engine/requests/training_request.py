"""What a training run is asked for, its plan, and what it reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.argument_checks import (
    check_choice,
    check_flag,
    check_int,
    check_number,
    check_path,
    check_texts,
    check_type,
)
from detcli.engine.observer import Observer
from detcli.engine.requests.run_settings import MAX_WORKERS, ModelSettings
from detcli.errors import UsageError
from detcli.io.outputs import IfExists
from detcli.runtimes.device_list import device_text, existing_devices
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.datasets.dataset import Dataset, DatasetSummary
    from detcli.training.data.image_balance import ImageBalance
    from detcli.training.initialization import StartingPoint
    from detcli.training.optimization.process_place import ProcessPlace
    from detcli.training.recipes.recipe import Recipe
    from detcli.training.teacher_model import TeacherModel
    from detcli.training.training_events import Event
    from detcli.training.training_job import TrainingJob, TrainingResult
    from detcli.training.trials.batch_preview import BatchPreview
    from detcli.training.trials.batch_search import BatchSearch
    from detcli.training.trials.rate_search import RateSearch
    from detcli.training.trials.step_time import StepTime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What is trained, on what, and where the run goes; a wrong type is a TypeError, a wrong value a UsageError.

    data        COCO annotations (.json, panoptic ones too), a folder or file of another format, or "shapes"; of several, the
                classes are united by their names
    val         validation data, one or several; empty: the validation parts of `data`, where there are any
    images      folder that file names of `data` start from, if it is one
    val_images  the same for `val`
    renamed     name of a class of the data -> the class that it is trained as
    kept        classes to train, after renaming; None: all. Boxes of others are left out, their images stay
    model       the model to start from
    teacher     name, Hub repository, folder or file of a trained model that the network learns from, too
    scratch     start from random weights; the model may be a config.json
    masks       add a mask head to a detector, and train only that
    recipe      TOML file with fields of the recipe; None: the published recipe of the model
    changes     single fields of the recipe -> values; they win over the file
    output      run folder; None: for a plan only
    resume      continue the run in `output`
    if_exists   error, overwrite or skip
    device      auto, cpu, cuda, cuda:N or mps; or several, each with a process: "cuda:0,cuda:1", "cuda:all" or "cpu:N"
    workers     threads that read images; None: one per processor
    max_hours   the run ends before it takes longer, reading of data included; None: no limit
    log_to      loggers of the metrics besides metrics.jsonl: tensorboard, wandb, mlflow, clearml, those of other packages,
                or none; None: tensorboard where it is installed
    auto_batch  measure how many images fit into memory, and use the largest batch size up to the recipe's; a resumed
                run has its own
    """

    data: tuple[str, ...]
    val: tuple[str, ...] = ()
    images: Path | None = None
    val_images: Path | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] | None = None
    model: ModelSettings = field(default_factory=ModelSettings)
    teacher: str | None = None
    scratch: bool = False
    masks: bool = False
    recipe: Path | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    output: Path | None = None
    resume: bool = False
    if_exists: IfExists = "error"
    device: str = "auto"
    workers: int | None = None
    max_hours: float | None = None
    log_to: tuple[str, ...] | None = None
    auto_batch: bool = False

    def __post_init__(self) -> None:
        for name in ("images", "val_images", "recipe", "output"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else check_path(name, value))
        for name in ("data", "val"):
            given = getattr(self, name)
            texts = () if name == "val" and given is None else check_texts(name, given)
            object.__setattr__(self, name, tuple(str(check_path(name, text)) for text in texts))
        self._check_data()
        for name in ("scratch", "masks", "resume", "auto_batch"):
            check_flag(name, getattr(self, name))
        check_type("changes", self.changes, Mapping, "a mapping of recipe fields to values")
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))
        object.__setattr__(self, "device", device_text(self.device))
        if self.workers is not None:
            check_int("workers", self.workers, at_least=1, at_most=MAX_WORKERS)
        if self.max_hours is not None:
            check_number("max_hours", self.max_hours, above=0)
        if self.log_to is not None:
            object.__setattr__(self, "log_to", tuple(check_texts("log_to", self.log_to, described="a str")))
        if self.teacher is not None:
            object.__setattr__(self, "teacher", str(check_path("teacher", self.teacher)))
        if self.model.name is None:
            raise UsageError("`model` must be a name or a path for training, not a detector that is loaded already")
        if self.output == Path("-"):
            raise UsageError("a run is a folder, not standard output: name a folder with `output`")

    def _check_data(self) -> None:
        if not self.data:
            raise UsageError("missing `data`: the training data")
        for name, folder in (("data", "images"), ("val", "val_images")):
            given = getattr(self, name)
            if len(given) > 1 and getattr(self, folder) is not None:
                raise UsageError(
                    f"`{folder}` is for one `{name}`, and there are {len(given)}: put images next to their annotations"
                )
            if len(set(given)) < len(given):
                raise UsageError(f"`{name}` names '{max(given, key=given.count)}' twice")
        check_type("map_classes", self.renamed, Mapping, "a mapping of class names to class names")
        for old, new in self.renamed.items():
            if not isinstance(old, str) or not isinstance(new, str):
                raise TypeError("`map_classes` must have class names as keys and values")
        if self.kept is not None:
            object.__setattr__(self, "kept", check_texts("train_classes", self.kept, described="a str"))
            if not self.kept:
                raise UsageError("`train_classes` is empty: there is nothing to train")

    @property
    def model_name(self) -> str:
        """Name, folder or file of the model."""
        return self.model.name or ""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A checked run before it starts.

    val     None: nothing is evaluated, so there is no best model
    start   the network to train
    device  "cpu", "cuda:0", …
    balance  how often images are drawn; None: all equally often
    teacher  that the network learns from, too
    begun    what `time.monotonic` said before anything was read: `max_hours` counts from there
    """

    request: TrainingRequest
    recipe: "Recipe"
    data: "Dataset"
    val: "Dataset | None"
    start: "StartingPoint"
    device: str
    balance: "ImageBalance | None" = None
    teacher: "TeacherModel | None" = None
    begun: float | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        from detcli.training.data.sampler import Sampler

        return Sampler.of(self.recipe, len(self.data), balance=self.balance).steps

    @property
    def parameters(self) -> int:
        """Numbers in the network; 0 in a resumed run, whose network is not loaded yet."""
        return sum(tensor.numel() for tensor in self.start.state.values())

    @property
    def has_masks(self) -> bool:
        """Whether the network has a mask head."""
        return self.start.family.has_masks(self.start.config)

    @property
    def devices(self) -> tuple[str, ...]:
        """The device of each process that the run starts."""
        return existing_devices(self.request.device)

    def run(
        self,
        *,
        on_event: "Callable[[Event], None] | None" = None,
        stop: StopSignal | None = None,
        place: "ProcessPlace | None" = None,
    ) -> "TrainingResult":
        """Train in this process to the end of the recipe, or until `stop` is set; raises what `train` raises.

        place  of this process among those of the run; None: as torchrun says
        """
        from detcli.training import training_loop

        if self.request.output is None:
            raise UsageError("missing `output`: the folder of the run")
        job = replace(self._job(self.request.output), place=place)
        return training_loop.train(job, observer=on_event, stop=stop)

    def measure_step(self) -> "StepTime":
        """Run one or two small steps to measure the time of a step; nothing is written. Raises what `train` raises."""
        from detcli.training.trials.step_time import measure_step

        job, processes = self._job(Path()), len(self.devices)
        share = replace(job.recipe, batch=job.recipe.batch // processes)  # a process has its part of each step
        return measure_step(replace(job, recipe=share))

    def search_batch(self) -> "BatchSearch":
        """Run a few steps to find the largest batch size that fits; nothing is written. Raises what `train` raises."""
        from detcli.training.trials.batch_search import search_batch

        return search_batch(self._job(Path()))

    def search_rate(
        self, *, on_step: "Callable[[int, float], None] | None" = None, stop: StopSignal | None = None
    ) -> "RateSearch":
        """Raise the learning rate over some steps and return the losses; nothing is written.

        on_step  called before each step with its number, from 1, and its rate
        stop     ends the search after the current step

        Raises what `train` raises.
        """
        from detcli.training.trials.rate_search import search_rate

        return search_rate(self._job(Path()), on_step=on_step, stop=stop)

    def preview(self, *, images: int | None = None, epoch: int = 1) -> "BatchPreview":
        """The first images of an epoch as the network gets them; nothing is written. Raises UsageError and DataError.

        images  how many; None: 16
        epoch   counted from 1
        """
        from detcli.training.trials.batch_preview import IMAGES, preview_batches

        return preview_batches(self._job(Path()), images=IMAGES if images is None else images, epoch=epoch)

    def with_rate(self, rate: float) -> "Recipe":
        """The recipe with another learning rate for its batch size; the rate of the backbone changes in proportion."""
        from detcli.training.recipes.recipe_changes import requested_recipe

        return requested_recipe(self.recipe, {"lr": rate})

    def _job(self, run: Path) -> "TrainingJob":
        from detcli.training.training_job import TrainingJob

        request = self.request
        return TrainingJob(
            recipe=self.recipe,
            family=self.start.family,
            config=self.start.config,
            state=self.start.state,
            preprocessor=self.start.preprocessor,
            data=self.data,
            val=self.val,
            run=run,
            device=self.devices[0],
            resume=request.resume,
            if_exists="overwrite" if request.if_exists == "overwrite" else "error",
            workers=request.workers,
            max_hours=request.max_hours,
            begun=self.begun,
            log_to=request.log_to,
            balance=self.balance,
            teacher=self.teacher,
        )


class TrainingObserver(Observer):
    """Gets the events of a training run; each method does nothing here."""

    def on_dataset(self, part: str, report: "DatasetSummary") -> None:
        """A dataset is open and checked; the part is "data" or "val"."""

    def on_image_comparison(self, images: int) -> None:
        """So many images of training and validation data are compared next, which may take a while."""

    def on_training_plan(self, plan: TrainingPlan) -> None:
        """Everything is checked; training starts next."""

    def on_training_event(self, event: "Event") -> None:
        """Something happened in the run; see `detcli.training.training_events`."""
