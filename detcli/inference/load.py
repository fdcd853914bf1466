"""How a model's name becomes a detector: found, fetched, read, built and put on its device."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from detcli.checkpoints.catalog import CATALOG, entry_of_repository
from detcli.checkpoints.hub.locate_model import locate
from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.batching import automatic_batch
from detcli.inference.config_labels import read_labels
from detcli.inference.detector import Detector
from detcli.inference.postprocess import Selection
from detcli.inference.preprocess import Preprocessing, Preprocessor
from detcli.inference.read_model import read_model
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.models.empty_weights import skeleton
from detcli.models.family import family_of
from detcli.runtimes.runtime import RUNTIMES
from detcli.runtimes.torch_runtime import choose_device, choose_precision, fix_arithmetic, keep_freed_memory

if TYPE_CHECKING:
    from detcli.checkpoints.hub.locate_model import DownloadProgress

DEFAULT_THRESHOLD = 0.4
_COMPILED_SIZES = "--compile: images are of many sizes, and the first ones of new sizes wait for the compiler"


def load_detector(
    model: str = "dfine-s",
    *,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: Path | None = None,
    threshold: float | None = None,
    max_detections: int = 300,
    classes: Sequence[str] = (),
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,  # noqa: A002 - the flag's name
    optimize: bool = True,
    image_size_hw: tuple[int, int] | None = None,
    deterministic: bool = False,
    batch_size: int | None = None,
    pad: bool = False,
    segmenting: SegmentationSettings | None = None,
    progress: "DownloadProgress | None" = None,
) -> Detector:
    """Find, fetch, read and build a model.

    model           name of the catalog, Hub repository, folder or file
    revision        commit, branch or tag of the repository; None: as the catalog says
    threshold       None: as the catalog says, else 0.4
    classes         names or class indices to keep; none: all
    device          auto, cpu, cuda, cuda:N, mps
    precision       auto (fp32), fp32, bf16, fp16
    optimize        fold norms and drop what inference does not need
    image_size_hw   height and width, or the most of the shorter and of the longer side for a model that keeps a
                    image's proportions; None: as the checkpoint's preprocessor says
    deterministic   the same bytes from every run on this machine, whatever the batches
    batch_size      None: by the device and the size of images
    pad             let images of different sizes share a batch: faster on a GPU, and numbers then depend on company
    segmenting      make segments of the network's masks; its classes and what is stuff follow from `classes` and the
                    model's labels

    Raises UsageError, ModelError, HubError, AccessError or DeviceError.
    """
    keep_freed_memory()  # before the first large tensor
    chosen = choose_device(device)
    kind = choose_precision(precision, chosen)
    if pad and deterministic:
        raise UsageError("--pad makes what is found in an image depend on its company, which --deterministic forbids")
    if segmenting is not None:
        _check_that_it_segments(model)
    files = locate(model, revision=revision, offline=offline, cache_dir=cache_dir, progress=progress)
    checkpoint = read_model(files)
    family = family_of(checkpoint.config)
    config = family.read_config(checkpoint.config)
    labels = read_labels(checkpoint.config, family.label_names(config))
    class_ids = labels.find(classes) if classes else None
    if segmenting is not None:
        if not family.segments(config):
            raise _has_no_masks(files.name)
        sure = threshold if segmenting.threshold is None else segmenting.threshold
        segmenting = replace(segmenting, threshold=sure, class_ids=class_ids, stuff=labels.stuff)
    preprocessing = Preprocessing.of(checkpoint.preprocessor, family)
    if image_size_hw is not None:
        preprocessing = preprocessing.with_size(image_size_hw, family.size_divisor)
    if pad and preprocessing.size_hw is None and not preprocessing.pads:
        raise UsageError(f"--pad: '{files.name}' is not made for padded images (do_pad is off)")
    with skeleton():
        network = family.build(config)
    if family.segments(config):
        cast("Any", network).gives_masks = segmenting is not None
        if segmenting is not None and segmenting.task != "semantic":  # which mixes the masks of all queries
            cast("Any", network).masks_above = segmenting.least_score
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        network.load_state_dict(family.read_weights(checkpoint.tensors, config), strict=True, assign=True)
    network.eval()
    if optimize:
        network = family.optimize(network)
    if deterministic:
        fix_arithmetic(chosen)
    many_sizes = preprocessing.size_hw is None
    if threshold is None:
        threshold = files.entry.threshold if files.entry is not None else DEFAULT_THRESHOLD
    return Detector(
        files=replace(files, sha256=checkpoint.sha256),
        labels=labels,
        runtime=RUNTIMES["eager"](network, device=chosen, precision=kind, compile=compile, dynamic=many_sizes),
        preprocessor=Preprocessor(preprocessing, chosen),
        selection=Selection(threshold, max_detections, class_ids, family.scores),
        batch_size=batch_size or automatic_batch(chosen.type, preprocessing.size_hw or preprocessing.imgsz),
        device_name=str(chosen),
        precision=kind,
        deterministic=deterministic,
        compiled=compile,
        notes=(
            *checkpoint.notes,
            *(str(warning.message) for warning in warned),
            *([_COMPILED_SIZES] if compile and many_sizes else []),
        ),
        pad=pad,
        segmenting=segmenting,
    )


def _check_that_it_segments(model: str) -> None:
    """Raise UnsupportedModelError for a name of the catalog without masks, before anything is fetched."""
    entry = CATALOG.get(model) or entry_of_repository(model)
    if entry is not None and entry.task != "panoptic":
        raise _has_no_masks(model)


def _has_no_masks(model: str) -> UnsupportedModelError:
    those = ", ".join(entry.name for entry in CATALOG.values() if entry.task == "panoptic")
    return UnsupportedModelError(f"'{model}' finds boxes and no masks; models that segment: {those}")
