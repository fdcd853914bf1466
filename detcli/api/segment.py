"""`segment`: masks in images, as the command of this name."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detcli.argument_checks import Nms, StrPath, Thresholds
    from detcli.checkpoints.model_files import Variant
    from detcli.counting.count_settings import Anchor, Regions
    from detcli.engine.observer import Observer
    from detcli.inference.detector import Detector
    from detcli.inference.segmentation.segmentation_settings import Rule, SegmentationSettings, Task
    from detcli.io.outputs import IfExists
    from detcli.io.results.formats import Rows
    from detcli.pipeline.statistics import RunStats
    from detcli.shard import ShardLike
    from detcli.structures.stop_signal import StopSignal


def segment(
    sources: "StrPath | Iterable[StrPath]" = (),
    *,
    model: "StrPath | Detector" = "detr-r50-panoptic",
    threshold: "Thresholds | None" = None,
    nms: "Nms | None" = None,
    nms_agnostic: bool = False,
    classes: "Sequence[str | int] | None" = None,
    max_detections: int | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    task: "Task" = "panoptic",
    rule: "Rule | None" = None,
    mask_threshold: float | None = None,
    overlap_threshold: float | None = None,
    outputs: "StrPath | Iterable[StrPath]" = (),
    format: str | None = None,  # noqa: A002 - the name of the option
    save_images: "StrPath | None" = None,
    save_crops: "StrPath | None" = None,
    save_masks: "StrPath | None" = None,
    counts: "StrPath | None" = None,
    zones: "Regions | None" = None,
    anchor: "Anchor" = "bottom-center",
    resume: bool = False,
    if_exists: "IfExists" = "error",
    ground_truth: "StrPath | None" = None,
    header: bool = False,
    csv_safe: bool = False,
    rows: "Rows" = "images",
    line_width: int | None = None,
    hide_labels: bool = False,
    hide_scores: bool = False,
    font: "StrPath | None" = None,
    files_from: "StrPath | None" = None,
    null_separated: bool = False,
    recursive: bool = True,
    extensions: "str | Iterable[str] | None" = None,
    exclude: "str | Iterable[str]" = (),
    limit: int | None = None,
    shard: "ShardLike | None" = None,
    max_pixels: int | None = None,
    device: "str | Sequence[str]" = "auto",
    watch: bool = False,
    new_only: bool = False,
    runtime: str = "auto",
    batch_size: int | None = None,
    precision: str = "auto",
    queries: int | None = None,
    decoder_layers: int | None = None,
    pad: bool = False,
    compile: bool = False,  # noqa: A002 - the name of the option
    optimize: bool = True,
    deterministic: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
    cluster_workers: int | None = None,
    cluster_chunk: int | None = None,
    variant: "Variant | None" = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: "StrPath | None" = None,
    strict: bool = False,
    max_failures: int | None = None,
    observer: "Observer | None" = None,
    stop: "StopSignal | None" = None,
) -> "RunStats":
    """Segment images and write the results, as `detcli segment` does.

    sources         files, folders, archives, globs, ranges ("shard-{000..127}.tar") or http(s) URLs: one or a list
    model           name, Hub repository, folder or file; or a detector, whose settings are kept
    threshold       keep scores strictly above it, 0 … 1; None: the model's own threshold, else 0.4. Or a mapping of class names
                    or indices to thresholds, with "*" for all other classes
    nms             task "instance": of instances of a class whose boxes have a larger intersection over union, 0 … 1, only
                    the best is kept; None or "off": all
    nms_agnostic    only the best of instances of different classes, too
    classes         class names or indices to keep; None: all
    max_detections  maximum number per image; None: 300, or that of a loaded detector
    image_size      input size: an int (a square) or (height, width); None: as the checkpoint says
    task            "panoptic" (every pixel belongs to one segment), "instance" or "semantic"
    rule            "original", as DETR was published, or "transformers", as that library does; None: "original", or that of a
                    loaded detector
    mask_threshold  a pixel belongs to a mask if its probability is above it, 0 … 1; None: 0.5, or that of a loaded detector
    overlap_threshold  rule "transformers": drop segments that keep no more than this share of their mask, 0 … 1; None: 0.8, or
                    that of a loaded detector
    outputs         files and folders for results; the suffix sets the format (.jsonl, .json, .csv, a folder for YOLO)
    format          format of the one output; None: by its suffix
    save_images     folder for annotated images
    save_crops      folder for crops of the detections
    save_masks      folder for label maps
    counts          table of the number of objects per image, zone and class: .csv or .jsonl
    zones           names and corners (x, y) in pixels, or text such as "10%,50%,90%,50%,50%,100%" in percent
    anchor          the point of a box that is in a zone or not: "bottom-center" or "center"
    resume          continue the interrupted run that wrote the outputs
    if_exists       "error", "overwrite" or "skip" outputs that exist
    ground_truth    COCO annotations whose image and category ids are used
    header          JSON Lines: model, version and arguments in a first line
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    rows            Parquet: one row for each of the "images" or "boxes"
    line_width      of annotated images, in pixels; None: fitted to the image
    hide_labels     annotated images without class names and scores
    hide_scores     annotated images without scores
    font            font file for annotated images
    files_from      file with a list of paths
    null_separated  the list is separated by NUL bytes, not by line ends
    recursive       search subfolders
    extensions      suffixes of images in folders; None: every image format
    exclude         glob patterns of paths to skip
    limit           only the first images
    shard           "2/8" or (2, 8): only the second of eight parts, every eighth image; `{shard}` in outputs is the 2
    max_pixels      reject larger images; None: 250 million
    device          "auto", "cpu", "cuda", "cuda:N" or "mps"; several: ["cuda:0", "cuda:1"], "cuda:all", or "cpu:N" for N
                    processes on the CPU. Each device has a process of its own, which reads its images itself
    watch           also process images that arrive in the folders later, until `stop` is set; needs watchfiles
    new_only        with `watch`: skip the images that are there at the start
    runtime         "auto", "torch", "openvino" or "onnx"; an exported .onnx or .xml file is run by openvino or onnx
    batch_size      most images in a batch; None: chosen by device and input size
    precision       "auto" (fp32), "fp32", "tf32", "bf16" or "fp16"
    queries         fewer queries, for speed: the best ones, of models that rank them; None: all of the model
    decoder_layers  predict after so many decoder layers, for speed; None: all of the model
    pad             images of different sizes share a batch: faster on a GPU, but results then depend on the other images
    compile         run torch.compile: minutes of start-up for long runs
    optimize        fold normalization layers and drop what inference does not need
    deterministic   the same bytes from every run on this machine
    workers         threads that read images; None: one per processor
    cluster         run on a Ray cluster: "local" (started for the run), "auto" (the one of this machine) or "ray://HOST:PORT"
    cluster_workers  number of worker processes; None: one per GPU of the cluster, or per 4 processors
    cluster_chunk   images that a worker takes at a time; None: 8 at first, at most 1,000, or 5,000 with GPUs
    variant         of the network of a .pth file: "dfine", or "deim" (also for RT-DETRv4); None: as the file tells
    revision        commit, branch or tag of the Hub repository
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    strict          raise TooManyFailuresError at the first failed image
    max_failures    raise it when more images failed
    observer        gets the events of the run (`detcli.Observer`)
    stop            ends the run after the current batch when it is set (`detcli.StopSignal`)

    Returns and raises as `detect` does; `boxes` of the counts are segments.
    """
    arguments = locals()
    from detcli.api.common_settings import image_request
    from detcli.engine.run import run

    return run(image_request(arguments, _segmentation(arguments)), observer=observer, stop=stop)


def _segmentation(arguments: dict[str, Any]) -> "SegmentationSettings":
    """How segments are made: as given, else as a loaded detector makes them.

    Raises UsageError for what a loaded detector does in another way.
    """
    import os
    from dataclasses import replace

    from detcli.errors import UsageError
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

    names = ("rule", "mask_threshold", "overlap_threshold")
    given = {name: arguments[name] for name in names if arguments[name] is not None}
    wanted = SegmentationSettings(arguments["task"], **given)
    if isinstance(arguments["model"], str | os.PathLike):
        return wanted
    from detcli.inference.detector import Detector

    model = arguments["model"]
    loaded = model.segmentation if isinstance(model, Detector) else None
    if loaded is None or loaded.task != wanted.task:
        return wanted  # the run refuses it
    for name in given:
        if getattr(loaded, name) != getattr(wanted, name):
            raise UsageError(
                f"`{name}` must be set when the detector is loaded, since `model` is a detector already, with "
                f"{getattr(loaded, name)}"
            )
    return replace(wanted, **{name: getattr(loaded, name) for name in names})
