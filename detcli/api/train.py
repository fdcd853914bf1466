"""`train`, `show_batch` and `find_lr`: fine-tune a model, see its training images, search a learning rate, as `detcli train`."""

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detcli.argument_checks import StrPath
    from detcli.checkpoints.model_files import Variant
    from detcli.engine.requests.training_request import TrainingObserver, TrainingRequest
    from detcli.io.outputs import IfExists
    from detcli.structures.stop_signal import StopSignal
    from detcli.training.training_job import TrainingResult
    from detcli.training.trials.batch_preview import BatchPreview
    from detcli.training.trials.rate_search import RateSearch

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
    teacher: "StrPath | None" = None,
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
    teacher         a trained model, usually a larger one, that the model learns from beside the annotations; both are D-FINE or
                    RT-DETR, and the teacher has all classes of the data
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
    from detcli.engine.training.train import train as run_training

    return run_training(_training_request(arguments), observer=observer, stop=stop)


def show_batch(
    data: "StrPath | Sequence[StrPath]",
    *,
    save: "StrPath | None" = None,
    show_images: int = 16,
    show_epoch: int = 1,
    **training: Any,
) -> "BatchPreview | None":
    """The first images of an epoch of training as the network gets them, as `detcli train --show-batch` saves them.

    data         as for `detcli.train`
    save         image file for all images with their boxes, masks and class names; None: nothing is written
    show_images  number of images, at most 100; fewer if the epoch has fewer
    show_epoch   counted from 1
    training     the other arguments of `detcli.train`, such as model, recipe, image_size, changes and if_exists

    Returns the images with their ground truth after all augmentation, exactly those of the run, or None if the file exists
    and `if_exists` is "skip"; nothing is trained. Raises what `detcli.train` raises before its first step.
    """
    from detcli.argument_checks import check_path
    from detcli.engine.training.show_batch import show_batch as run_show_batch

    arguments = _training_arguments(data, training)
    return run_show_batch(
        _training_request(arguments),
        output=None if save is None else check_path("save", save),
        images=show_images,
        epoch=show_epoch,
        observer=arguments["observer"],
    )


def find_lr(
    data: "StrPath | Sequence[StrPath]", *, save: "StrPath | None" = None, **training: Any
) -> "RateSearch | None":
    """Search a learning rate, as `detcli train --find-lr` does: it rises for 100 steps, until the loss no longer falls.

    data      as for `detcli.train`
    save      PNG file for the plot of losses over rates; None: nothing is written
    training  the other arguments of `detcli.train`, such as model, recipe, batch_size, image_size, stop and if_exists

    Returns the rates, the losses and a suggested rate for the batch size of the run: a tenth of that with the lowest loss;
    `detcli.train(…, lr=search.suggested)` uses it. Returns None if the file exists and `if_exists` is "skip", or if `stop`
    was set. The network is thrown away. Raises what `detcli.train` raises.

    Source: the range test of L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
    """
    from detcli.argument_checks import check_path
    from detcli.engine.training.find_lr import find_lr as run_find_lr

    arguments = _training_arguments(data, training)
    return run_find_lr(
        _training_request(arguments),
        output=None if save is None else check_path("save", save),
        observer=arguments["observer"],
        stop=arguments["stop"],
    )


def _training_arguments(data: "StrPath | Sequence[StrPath]", given: "Mapping[str, Any]") -> "dict[str, Any]":
    """All arguments of `train`, which may leave out `output`; raises TypeError for an unknown one."""
    from inspect import signature

    bound = signature(train).bind(data, **{"output": None, **given})
    bound.apply_defaults()
    return bound.arguments


def _training_request(arguments: "Mapping[str, Any]") -> "TrainingRequest":
    """The request of the arguments of `train`."""
    from detcli.api.common_settings import model_settings
    from detcli.argument_checks import check_size, check_texts, check_type
    from detcli.engine.requests.training_request import TrainingRequest

    values, changes = dict(arguments), {} if arguments["changes"] is None else arguments["changes"]
    check_type("changes", changes, dict, "a dict of recipe fields and values, or None")
    if values["image_size"] is not None:
        values["image_size"] = check_size("image_size", values["image_size"])
    auto_batch = values["batch_size"] == "auto"
    if auto_batch:
        values["batch_size"] = None
    given = {field: values[name] for name, field in _RECIPE_FIELDS.items() if values[name] is not None}
    if values["freeze"] is not None:
        given["freeze"] = check_texts("freeze", values["freeze"], described="a str")
    kept, renamed = values["train_classes"], values["map_classes"]
    names = [
        "data",
        "output",
        "val",
        "teacher",
        "images",
        "val_images",
        "recipe",
        "scratch",
        "masks",
        "resume",
        "if_exists",
    ]
    return TrainingRequest(
        **{name: values[name] for name in [*names, "device", "workers", "max_hours", "log_to"]},
        renamed={} if renamed is None else renamed,
        kept=None if kept is None else check_texts("train_classes", kept, described="a str"),
        model=model_settings(values),
        auto_batch=auto_batch,
        changes={**changes, **given},
    )
