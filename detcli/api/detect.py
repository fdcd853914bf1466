"""`detect`: boxes in images, as the command of this name."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detcli.argument_checks import Nms, StrPath, Thresholds
    from detcli.checkpoints.model_files import Variant
    from detcli.counting.count_settings import Anchor, Regions
    from detcli.engine.observer import Observer
    from detcli.image_selection import SelectionLike
    from detcli.inference.detector import Detector
    from detcli.io.outputs import IfExists
    from detcli.io.results.formats import Rows
    from detcli.pipeline.statistics import RunStats
    from detcli.shard import ShardLike
    from detcli.structures.stop_signal import StopSignal


def detect(
    sources: "StrPath | Iterable[StrPath]" = (),
    *,
    model: "StrPath | Detector" = "dfine-s",
    threshold: "Thresholds | None" = None,
    nms: "Nms | None" = None,
    nms_agnostic: bool = False,
    classes: "Sequence[str | int] | None" = None,
    max_detections: int | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    tile: int | None = None,
    tile_overlap: float | None = None,
    tile_and_full: bool = False,
    outputs: "StrPath | Iterable[StrPath]" = (),
    format: str | None = None,  # noqa: A002 - the name of the option
    save_images: "StrPath | None" = None,
    save_crops: "StrPath | None" = None,
    counts: "StrPath | None" = None,
    zones: "Regions | None" = None,
    anchor: "Anchor" = "bottom-center",
    resume: bool = False,
    if_exists: "IfExists" = "error",
    ground_truth: "StrPath | None" = None,
    header: bool = False,
    csv_safe: bool = False,
    rows: "Rows" = "images",
    no_scores: bool = False,
    select: "SelectionLike | None" = None,
    line_width: int | None = None,
    hide_labels: bool = False,
    hide_scores: bool = False,
    show_uncertainty: bool = False,
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
    uncertainty: bool = False,
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
    """Detect objects in images and write the results, as `detcli detect` does.

    sources         files, folders, archives, globs, ranges ("shard-{000..127}.tar") or http(s) URLs: one or a list
    model           name, Hub repository, folder or file; or a detector, whose settings are kept
    threshold       keep scores strictly above it, 0 … 1; None: the model's own threshold, else 0.4. Or a mapping of class names
                    or indices to thresholds, with "*" for all other classes
    nms             of boxes of a class with a larger intersection over union, 0 … 1, only the best is kept; "off"; None: as
                    the model says (0.7 of `shapes`), else off
    nms_agnostic    only the best of boxes of different classes, too
    classes         class names or indices to keep; None: all
    max_detections  maximum number per image; None: 300, or that of a loaded detector
    image_size      input size: an int (a square) or (height, width); None: as the checkpoint says
    tile            cut images that are larger into square tiles with so many pixels per side, and merge their results;
                    `max_detections` is then for each tile; None: never
    tile_overlap    how much of a tile its neighbor has at least, too, 0 … 0.9 of its side; None: 0.2
    tile_and_full   detect in the whole image as well, for objects that are larger than a tile
    outputs         files and folders for results; the suffix sets the format (.jsonl, .json, .csv, a folder for YOLO)
    format          format of the one output; None: by its suffix
    save_images     folder for annotated images
    save_crops      folder for crops of the detections
    counts          table of the number of objects per image, zone and class: .csv or .jsonl
    zones           names and corners (x, y) in pixels, or text such as "10%,50%,90%,50%,50%,100%" in percent
    anchor          the point of a box that is in a zone or not: "bottom-center" or "center"
    resume          continue the interrupted run that wrote the outputs
    if_exists       "error", "overwrite" or "skip" outputs that exist
    ground_truth    COCO annotations whose image and category ids are used
    header          JSON Lines: model, version and arguments in a first line
    csv_safe        CSV: keep spreadsheets from running cells as formulas
    rows            Parquet: one row for each of the "images" or "boxes"
    no_scores       YOLO: a dataset of boxes without scores, with data.yaml, lists and images, for labeling and training; VOC: no
                    scores
    select          "uncertain:100", "top:100" or "random:100": write only so many images to the results, at the end; None: all
    line_width      of annotated images, in pixels; None: fitted to the image
    hide_labels     annotated images without class names and scores
    hide_scores     annotated images without scores
    show_uncertainty  annotated images with a band along each edge, of one standard deviation to both sides
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
    uncertainty     results also have the standard deviation of each edge in pixels; for D-FINE models
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

    Returns the counts of the run. An image that cannot be read is counted in `failed` and named in the results; it raises
    nothing without `strict` or `max_failures`. Raises TypeError for an argument of a wrong type, UsageError (a ValueError)
    for a wrong value, and another DetcliError if the run cannot start or ends early; no output is then incomplete.
    """
    arguments = locals()
    from detcli.api.common_settings import image_request
    from detcli.engine.run import run

    return run(image_request(arguments), observer=observer, stop=stop)
