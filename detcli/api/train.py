"""`train`: fine-tune a model, as the command of this name."""

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detcli.argument_checks import StrPath
    from detcli.checkpoints.model_files import Variant
    from detcli.engine.requests.training_request import TrainingObserver
    from detcli.io.outputs import IfExists
    from detcli.structures.stop_signal import StopSignal
    from detcli.training.training_job import TrainingResult

# Argument -> field of the recipe, where the names differ.
_RECIPE_FIELDS = {
    "epochs": "epochs",
    "batch_size": "batch",
    "accumulate": "accumulate",
    "lr": "lr",
    "image_size": "image_size",
    "mosaic": "mosaic",
    "seed": "seed",
    "precision": "precision",
    "evaluate_every": "evaluate_every_epochs",
    "patience": "patience",
}


def train(
    data: "StrPath | Sequence[StrPath]",
    *,
    output: "StrPath",
    model: "StrPath" = "dfine-s",
    val: "StrPath | Sequence[StrPath] | None" = None,
    images: "StrPath | None" = None,
    val_images: "StrPath | None" = None,
    train_classes: "Sequence[str] | None" = None,
    map_classes: "Mapping[str, str] | None" = None,
    epochs: int | None = None,
    batch_size: int | Literal["auto"] | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    mosaic: float | None = None,
    seed: int | None = None,
    precision: Literal["fp32", "tf32", "bf16", "fp16"] | None = None,
    evaluate_every: int | None = None,
    patience: int | None = None,
    max_hours: float | None = None,
    log_to: "str | Sequence[str] | None" = None,
    freeze: "str | Sequence[str] | None" = None,
    recipe: "StrPath | None" = None,
    changes: "Mapping[str, Any] | None" = None,
    scratch: bool = False,
    masks: bool = False,
    resume: bool = False,
    if_exists: "IfExists" = "error",
    device: "str | Sequence[str]" = "auto",
    workers: int | None = None,
    variant: "Variant | None" = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: "StrPath | None" = None,
    observer: "TrainingObserver | None" = None,
    stop: "StopSignal | None" = None,
) -> "TrainingResult | None":
    """Fine-tune a model on annotated images, as `detcli train` does.

    data            COCO annotations, a folder of COCO, YOLO, Pascal VOC or LabelMe, XML of CVAT, JSON of Label Studio, .tar
                    files of WebDataset, .parquet files, or "shapes": synthetic images; a list of datasets is trained on as one, with classes united by their names
    output          folder of the run; `best` and `last` in it are models
    model           name, Hub repository, folder or file to start from
    val             validation data, or a list; None: the validation parts of `data`, if there are any
    images          folder that file names of `data` start from
    val_images      the same for `val`
    train_classes   names of the classes to train; boxes of others are left out. None: all
    map_classes     name of a class of the data -> the class that it is trained as
    epochs          number of epochs; None, here and below: as in the recipe
    batch_size      total batch size, over all processes; "auto": the largest up to the recipe's that fits into memory
    accumulate      gradient accumulation steps
    lr              learning rate for `batch_size`; the rate of the backbone changes in proportion
    image_size      input size: an int (a square) or (height, width); for a model that keeps the aspect ratio, the maximum
                    of the shorter and of the longer side
    mosaic          mosaic probability
    seed            random seed
    precision       "fp32", "tf32", "bf16" or "fp16"
    evaluate_every  epochs between two evaluations
    patience        epochs without a higher AP after which training ends
    max_hours       the run ends before it takes longer, and `resume` continues it; None: no limit
    log_to          loggers of metrics, images and the result: "tensorboard", "wandb", "mlflow", "clearml" or one of another
                    package, or a list of them, or "none"; None: "tensorboard" where it is installed
    freeze          what is not trained: "backbone", "encoder" (with its input projections), "all-but-heads", or the start
                    of the names of parameters; or a list of these. It adds to what the recipe freezes
    recipe          TOML file with fields of the recipe; None: the published recipe of the model
    changes         other fields of the recipe and their values, such as {"clip": 0.5}
    scratch         start from random weights
    masks           add a mask head to a detector, and train only the mask head
    resume          continue the run in `output`
    if_exists       "error", "overwrite" or "skip" a run that exists
    device          "auto", "cpu", "cuda", "cuda:N" or "mps"; several: ["cuda:0", "cuda:1"], "cuda:all", or "cpu:N" for N
                    processes on the CPU, each of which trains on its part of every batch
    workers         threads that read images; None: one per processor
    variant         of the network of a .pth file: "dfine", or "deim" (also for RT-DETRv4); None: as the file tells
    revision        commit, branch or tag of the Hub repository
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    observer        gets the events of the run (`detcli.TrainingObserver`)
    stop            saves the state after the current step and ends the run when it is set (`detcli.StopSignal`)

    Returns the result, or None if the run exists and `if_exists` is "skip". Raises TypeError for an argument of a wrong
    type, UsageError (a ValueError) for a wrong value, DataError for data that cannot be used, DivergedError for NaN or
    infinity, and another DetcliError if the run cannot start or ends early; `resume` continues it.
    """
    arguments = locals()
    from detcli.api.common_settings import model_settings
    from detcli.argument_checks import check_size, check_texts, check_type
    from detcli.engine.requests.training_request import TrainingRequest
    from detcli.engine.training.train import train as run_training

    check_type("changes", {} if changes is None else changes, dict, "a dict of recipe fields and values, or None")
    if image_size is not None:
        arguments["image_size"] = check_size("image_size", image_size)
    auto_batch = batch_size == "auto"
    if auto_batch:
        arguments["batch_size"] = None
    given = {field: arguments[name] for name, field in _RECIPE_FIELDS.items() if arguments[name] is not None}
    if freeze is not None:
        given["freeze"] = check_texts("freeze", freeze, described="a str")
    names = ["data", "output", "val", "images", "val_images", "recipe", "scratch", "masks", "resume", "if_exists"]
    request = TrainingRequest(
        **{name: arguments[name] for name in [*names, "device", "workers", "max_hours", "log_to"]},
        renamed={} if map_classes is None else map_classes,
        kept=None if train_classes is None else check_texts("train_classes", train_classes, described="a str"),
        model=model_settings(arguments),
        auto_batch=auto_batch,
        changes={**(changes or {}), **given},
    )
    return run_training(request, observer=observer, stop=stop)
