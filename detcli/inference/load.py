"""Load a model: locate it, read its files, and make a detector with the runtime that runs it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from detcli.argument_checks import (
    Nms,
    Thresholds,
    check_choice,
    check_classes,
    check_flag,
    check_nms,
    check_positive,
    check_size,
    check_thresholds,
    check_type,
)
from detcli.checkpoints.hub.locate_model import locate
from detcli.checkpoints.model_files import VARIANTS, ModelFiles, Variant, is_exported
from detcli.errors import UnsupportedModelError, UsageError
from detcli.extras import install_command
from detcli.inference.detector import Detector
from detcli.inference.images.tiling.tile_settings import tile_settings
from detcli.inference.images.tiling.tiled_detector import with_tiles
from detcli.inference.load_settings import RUNTIME_NAMES, LoadSettings
from detcli.inference.segmentation.segmentation_settings import TASKS, SegmentationSettings, Task
from detcli.libraries import require_torch
from detcli.registry import Registry
from detcli.runtimes.gpu_support import may_have_gpu

if TYPE_CHECKING:
    from detcli.checkpoints.hub.locate_model import DownloadProgress

# Runtimes other than torch that run checkpoints; they export, which this package cannot.
CHECKPOINT_RUNTIMES: Registry[Callable[[ModelFiles, LoadSettings], Detector]] = Registry(
    "runtime of checkpoints", {"openvino": "detcli.exporting.automatic.load_openvino:load_with_openvino"}
)


def load_detector(
    model: str | os.PathLike[str] = "dfine-s",
    *,
    threshold: Thresholds | None = None,
    nms: Nms | None = None,
    nms_agnostic: bool = False,
    classes: Sequence[str | int] | None = None,
    max_detections: int = 300,
    image_size: int | tuple[int, int] | None = None,
    tile: int | None = None,
    tile_overlap: float | None = None,
    tile_and_full: bool = False,
    segmentation: SegmentationSettings | Task | None = None,
    device: str = "auto",
    precision: str = "auto",
    runtime: str = "auto",
    batch_size: int | None = None,
    queries: int | None = None,
    decoder_layers: int | None = None,
    uncertainty: bool = False,
    pad: bool = False,
    deterministic: bool = False,
    compile: bool = False,  # noqa: A002 - the name of the option and of torch.compile
    optimize: bool = True,
    variant: Variant | None = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: "DownloadProgress | None" = None,
    on_preparation: Callable[[str], None] | None = None,
) -> Detector:
    """Load a model; download it first if it is not on this machine.

    model           name in the catalog, repository of the Hub, folder or file, also an exported .onnx or .xml file
    threshold       keep scores strictly above it, 0 … 1; None: the model's own threshold, else 0.4. A mapping has one for
                    each class name or index: {"*": 0.4, "person": 0.6}, where "*" is for all other classes
    nms             intersection over union, between 0 and 1: of boxes of one class that overlap by more, only the best is
                    kept; "off"; None: that of the model (0.7 of `shapes`), else off
    nms_agnostic    only the best of boxes of different classes, too
    classes         class names or indices to keep; None: all
    max_detections  maximum number of detections per image
    image_size      input size: an int (a square) or (height, width); for a model that keeps the aspect ratio, the maximum
                    of the shorter and of the longer side. None: as the checkpoint says
    tile            cut images that are larger into square tiles with so many pixels per side, and merge their results;
                    `max_detections` is then for each tile; None: never
    tile_overlap    how much of a tile its neighbor has at least, too, 0 … 0.9 of its side; None: 0.2
    tile_and_full   detect in the whole image as well, for objects that are larger than a tile
    segmentation    "panoptic", "instance", "semantic" or settings: masks instead of boxes, for models that segment
    device          "auto", "cpu", "cuda", "cuda:N" or "mps"
    precision       "auto" (fp32), "fp32", "tf32", "bf16" or "fp16"
    runtime         "auto", "torch", "openvino" or "onnx". auto: on a CPU, OpenVINO where it is installed and gives the
                    detections of torch, which is checked once; else torch. An exported file is run by openvino, or by onnx
    batch_size      most images in a batch; None: chosen by device and input size
    queries         fewer queries, for speed: the best ones, of models that rank them; None: all of the model
    decoder_layers  predict after so many decoder layers, for speed; None: all of the model
    uncertainty     detections also have `box_std`, the standard deviation of each edge in pixels; for D-FINE models
    pad             images of different sizes share a batch: faster on a GPU, but results then depend on the other images
    deterministic   the same bytes from every run on this machine, whatever the batches; on a GPU call
                    `detcli.runtimes.torch_runtime.use_deterministic_kernels` too
    compile         run torch.compile: minutes of start-up for long runs
    optimize        fold normalization layers and drop what inference does not need
    variant         "dfine" or "deim" (also for RT-DETRv4): the activations of a .pth file, which its tensors do not tell
    revision        commit, branch or tag of the repository; None: as the catalog says
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    progress        is called during a download
    on_preparation  is called with a sentence before a model is prepared for OpenVINO, which takes seconds to a minute, once

    Raises TypeError for an argument of a wrong type, UsageError (a ValueError) for a wrong value, ModelError if the model
    is rejected, HubError or AccessError if it cannot be downloaded, and DeviceError if the device has no memory for it.
    """
    check_type("model", model, (str, os.PathLike), "a name or a path")
    check_type("revision", revision, (str, type(None)), "a str or None")
    check_type("cache_dir", cache_dir, (str, os.PathLike, type(None)), "a path or None")
    check_type("precision", precision, str, "a str")
    flags = {"pad": pad, "deterministic": deterministic, "compile": compile, "optimize": optimize}
    flags |= {"offline": offline, "uncertainty": uncertainty, "nms_agnostic": nms_agnostic}
    for name, flag in flags.items():
        check_flag(name, flag)
    if pad and deterministic:
        raise UsageError("`pad` cannot be combined with `deterministic`: results would depend on the batch")
    if on_preparation is not None:
        check_type("on_preparation", on_preparation, Callable, "a function or None")  # type: ignore[arg-type]
    check_choice("runtime", runtime, RUNTIME_NAMES)
    if variant is not None:
        check_choice("variant", variant, VARIANTS)
    usual_threshold, class_thresholds = check_thresholds("threshold", threshold)
    settings = LoadSettings(
        threshold=usual_threshold,
        class_thresholds=class_thresholds,
        nms=check_nms("nms", nms),
        nms_agnostic=nms_agnostic,
        classes=check_classes(() if classes is None else classes),
        max_detections=check_positive("max_detections", max_detections),
        image_size=None if image_size is None else check_size("image_size", image_size),
        segmentation=_segmentation(segmentation),
        device=_device(device),
        precision=precision,
        runtime=runtime,
        batch_size=None if batch_size is None else check_positive("batch_size", batch_size),
        queries=None if queries is None else check_positive("queries", queries),
        decoder_layers=None if decoder_layers is None else check_positive("decoder_layers", decoder_layers),
        uncertainty=uncertainty,
        pad=pad,
        deterministic=deterministic,
        compile=compile,
        optimize=optimize,
        on_preparation=on_preparation,
    )
    tiles = tile_settings(tile, tile_overlap, tile_and_full)
    if tiles is not None and segmentation is not None:
        raise UsageError("`tile` is for boxes; it cannot be combined with `segmentation`")
    name = os.fspath(model)
    cache = None if cache_dir is None else Path(cache_dir)
    if is_exported(name):
        if variant is not None:
            raise UsageError(
                f"`variant` is for .pth files; '{name}' is an exported file, which is computed as exported"
            )
        from detcli.inference.load_exported import load_exported

        detector = load_exported(locate(name, revision=revision), settings)
    else:
        where = partial(
            locate, name, revision=revision, offline=offline, cache_dir=cache, progress=progress, variant=variant
        )
        detector = _load_checkpoint(name, settings, where)
    return detector if tiles is None else with_tiles(detector, tiles)


def _load_checkpoint(name: str, settings: LoadSettings, where: Callable[[], ModelFiles]) -> Detector:
    """The detector of a checkpoint, run by OpenVINO or torch; `where` finds its files, and downloads them if needed."""
    if _takes_openvino(settings):
        return CHECKPOINT_RUNTIMES["openvino"](where(), settings)

    require_torch(f"'{name}' is a checkpoint: it needs")  # exported models need none: imported here
    from detcli.inference.load_checkpoint import CheckpointLoader, check_settings
    from detcli.inference.read_model import read_model

    check_settings(settings, name)
    files = where()
    checkpoint = read_model(files)
    return CheckpointLoader(settings, checkpoint, replace(files, sha256=checkpoint.sha256)).detector()


def _takes_openvino(settings: LoadSettings) -> bool:
    """Whether OpenVINO may run a checkpoint. Raises UsageError and UnsupportedModelError where it must and cannot."""
    if settings.runtime not in ("auto", "openvino"):
        return False
    installed = find_spec("openvino") is not None
    if settings.runtime == "auto":
        return installed and settings.torch_only is None and (settings.device == "cpu" or not may_have_gpu())
    if settings.torch_only is not None:
        raise UsageError(f"`runtime=openvino` runs checkpoints without `{settings.torch_only}`, which is for torch")
    if not installed:
        raise UnsupportedModelError(f"`runtime=openvino` needs the package openvino: {install_command('openvino')}")
    return True


def _device(device: object) -> str:
    """Return the name of a device; a torch.device is accepted without importing torch."""
    if type(device).__module__ == "torch" and type(device).__name__ == "device":
        return str(device)
    check_type("device", device, str, "a str")
    return str(device)


def _segmentation(segmentation: object) -> SegmentationSettings | None:
    if segmentation is None or isinstance(segmentation, SegmentationSettings):
        return segmentation
    check_choice("segmentation", segmentation, TASKS)
    return SegmentationSettings(cast("Task", segmentation))
