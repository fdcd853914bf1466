"""`evaluate`: metrics of stored results or of a model, as `detcli eval`."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from detcli.argument_checks import Nms, StrPath, Thresholds
    from detcli.checkpoints.model_files import Variant
    from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationResult
    from detcli.inference.detector import Detector
    from detcli.io.outputs import IfExists
    from detcli.structures.stop_signal import StopSignal


def evaluate(
    results: "StrPath | None" = None,
    *,
    against: "StrPath | None" = None,
    ground_truth: "StrPath | None" = None,
    model: "StrPath | Detector | None" = None,
    data: "StrPath | None" = None,
    images: "StrPath | None" = None,
    iou_type: Literal["bbox", "segm", "panoptic"] = "bbox",
    results_format: str | None = None,
    threshold: "Thresholds | None" = None,
    nms: "Nms | None" = None,
    nms_agnostic: bool = False,
    max_detections: int | None = None,
    image_size: "int | tuple[int, int] | None" = None,
    output: "StrPath | None" = None,
    save_plots: "StrPath | None" = None,
    save_worst: "StrPath | None" = None,
    worst: int = 20,
    score: float | None = None,
    bootstrap: int = 1000,
    set_threshold: "StrPath | None" = None,
    if_exists: "IfExists" = "error",
    device: str = "auto",
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
    variant: "Variant | None" = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: "StrPath | None" = None,
    observer: "EvaluationObserver | None" = None,
    stop: "StopSignal | None" = None,
) -> "EvaluationResult | None":
    """Evaluate stored results against ground truth, or a model on a dataset, as `detcli eval` does.

    results         file or folder that `detect` wrote, or COCO results of another program; with `ground_truth`
    against         a second file or folder of results, which is compared with `results`: the report has differences, second
                    minus first, with confidence intervals
    ground_truth    COCO annotations for `results`, or any dataset, of which the validation part counts
    model           name, Hub repository, folder, file or loaded detector; with `data`
    data            dataset: COCO annotations, a folder of COCO, YOLO, Pascal VOC or LabelMe, XML of CVAT, JSON of Label
                    Studio, .tar files of WebDataset, .parquet files, or "shapes"
    images          folder that file names of the annotations start from; None: found next to them
    iou_type        "bbox": boxes; "segm": instance masks; "panoptic": panoptic quality
    results_format  format of `results`; None: by its suffix
    threshold       of the model; None: 0, since AP needs every score (panoptic: 0.85, or that of a loaded detector).
                    Or a mapping of class names or indices to thresholds, with "*" for all other classes
    nms             of boxes of a class with a larger intersection over union, 0 … 1, only the best counts, of a model and of
                    results; None or "off": all
    nms_agnostic    only the best of boxes of different classes, too
    max_detections  maximum number of detections per image; None: 300, or that of a loaded detector
    image_size      input size: an int (a square) or (height, width); None: as the checkpoint says
    output          JSON file for the report
    save_plots      folder for precision-recall curves, confusion matrix, calibration and types of errors
    save_worst      folder for the images with the most errors, annotated
    worst           number of these images
    score           detections above it count in the confusion matrix and as errors, 0 … 1; None: the threshold of the
                    results or of the model, else 0.4
    bootstrap       number of bootstrap samples for confidence intervals of AP, at least 40; 0: none
    set_threshold   model folder into which the score threshold with the highest F1 is written; `detect` then uses it
    if_exists       "error", "overwrite" or "skip" outputs that exist
    device          "auto", "cpu", "cuda", "cuda:N" or "mps"
    runtime         "auto", "torch", "openvino" or "onnx"; an exported .onnx or .xml file is run by openvino or onnx
    batch_size      most images in a batch; None: chosen by device and input size
    precision       "auto" (fp32), "fp32", "tf32", "bf16" or "fp16"
    queries         fewer queries, for speed: the best ones, of models that rank them; None: all of the model
    decoder_layers  predict after so many decoder layers, for speed; None: all of the model
    pad             images of different sizes share a batch
    compile         run torch.compile: minutes of start-up for long runs
    optimize        fold normalization layers and drop what inference does not need
    deterministic   the same bytes from every run on this machine
    workers         threads that read images; None: one per processor
    variant         of the network of a .pth file: "dfine", or "deim" (also for RT-DETRv4); None: as the file tells
    revision        commit, branch or tag of the Hub repository
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    observer        gets the events of the evaluation (`detcli.EvaluationObserver`)
    stop            ends the evaluation when it is set (`detcli.StopSignal`); the result is None then

    Returns the result; `metrics` are by name. Raises TypeError for an argument of a wrong type, UsageError (a ValueError)
    for a wrong value, DataError or InputError for annotations or results that cannot be used, and another DetcliError.
    """
    arguments = locals()
    from detcli.api.common_settings import compute_settings, model_settings
    from detcli.engine.evaluate import evaluate as run_evaluation
    from detcli.engine.requests.evaluation_request import EvaluationRequest
    from detcli.engine.requests.run_settings import DetectionSettings

    settings = model_settings(arguments | {"model": "dfine-s" if model is None else model})
    names = [
        "results",
        "against",
        "results_format",
        "ground_truth",
        "data",
        "images",
        "iou_type",
        "output",
        "save_plots",
        "save_worst",
        "worst",
        "score",
        "bootstrap",
        "set_threshold",
        "if_exists",
    ]
    request = EvaluationRequest(
        **{name: arguments[name] for name in names},
        model=None if model is None and data is None else settings,
        detection=DetectionSettings(
            threshold=threshold,  # type: ignore[arg-type]  # the record takes it apart
            nms=nms,
            nms_agnostic=nms_agnostic,
            max_detections=max_detections,
            image_size=image_size,  # type: ignore[arg-type]  # the record makes it a pair
        ),
        compute=compute_settings(arguments),
    )
    return run_evaluation(request, observer=observer, stop=stop)
