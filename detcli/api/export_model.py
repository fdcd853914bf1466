"""`export_model`: a checkpoint as an ONNX or OpenVINO file, as `detcli export`."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from detcli.argument_checks import StrPath
    from detcli.checkpoints.model_files import Variant
    from detcli.engine.requests.export_request import ExportObserver, ExportResult
    from detcli.io.outputs import IfExists


def export_model(
    model: "StrPath" = "dfine-s",
    output: "StrPath" = ".",
    *,
    format: Literal["onnx", "openvino"] | None = None,  # noqa: A002 - the word of the field
    batch: int | Literal["dynamic"] = 1,
    image_size: "int | tuple[int, int] | None" = None,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    calibrate: "StrPath | None" = None,
    calibration_images: int = 300,
    outputs: Literal["raw", "boxes"] = "raw",
    max_detections: int = 300,
    masks: bool = False,
    uncertainty: bool = False,
    queries: int | None = None,
    decoder_layers: int | None = None,
    images: "StrPath | None" = None,
    data: "StrPath | None" = None,
    if_exists: "IfExists" = "error",
    variant: "Variant | None" = None,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: "StrPath | None" = None,
    observer: "ExportObserver | None" = None,
) -> "ExportResult | None":
    """Export a model as an ONNX or OpenVINO file, as `detcli export` does.

    The file is compared with the checkpoint on images, with every installed runtime that reads it, before it gets its name.

    model           name, Hub repository, folder or file of a checkpoint
    output          folder of the file, which has the name of the model; or the file, with the suffix .onnx or .xml
    format          "onnx" or "openvino"; None: by the suffix of `output`, else "onnx"
    batch           the only number of images that the file takes, or "dynamic": any
    image_size      input size: an int (a square) or (height, width); None: as the checkpoint says
    precision       of the stored weights, "fp32" or "fp16"; or "int8": backbone and encoder compute in int8
    calibrate       for "int8": folder, file or glob of images like those that the model will see
    calibration_images  most images of `calibrate` that are used, spread evenly over all of them
    outputs         "raw": logits and boxes of all queries; "boxes": boxes, scores and classes, sorted by score
    max_detections  of each image, for `outputs="boxes"`
    masks           export the mask head too; for models that segment, with `outputs="raw"`
    uncertainty     also export the standard deviation of each edge; for D-FINE models, with `outputs="raw"`
    queries         use only the best queries of the checkpoint; None: all
    decoder_layers  use only the first decoder layers; None: all
    images          folder, file or glob of images for the comparison, of which 20 are used; None: those of `calibrate`, or
                    bundled images
    data            dataset on which AP of the checkpoint and of the file is computed, as in `evaluate`; it is
                    `facts.accuracy` of the result, and in the metadata of the file
    if_exists       "error", "overwrite" or "skip" a file that exists
    variant         of the network of a .pth file: "dfine", or "deim" (also for RT-DETRv4); None: as the file tells
    revision        commit, branch or tag of the Hub repository
    offline         never download
    cache_dir       folder for downloads; None: the cache of huggingface_hub
    observer        gets the events of the export (`detcli.ExportObserver`)

    Returns the path and the largest differences, or None if the file exists and `if_exists` is "skip". Raises TypeError for
    an argument of a wrong type, UsageError (a ValueError) for a wrong value, GateError if the file does not detect what the
    checkpoint detects, and another DetcliError; no file is left then.
    """
    arguments = locals()
    from detcli.api.common_settings import model_settings
    from detcli.argument_checks import check_path
    from detcli.engine.model_files.export_model import export_model as run_export
    from detcli.engine.requests.export_request import ExportRequest

    names = [
        "format",
        "image_size",
        "precision",
        "outputs",
        "max_detections",
        "masks",
        "uncertainty",
        "queries",
        "decoder_layers",
    ]
    names += ["calibrate", "calibration_images", "images", "data", "if_exists"]
    request = ExportRequest(
        **{name: arguments[name] for name in names},
        output=check_path("output", output),
        batch=None if batch == "dynamic" else batch,
        model=model_settings(arguments),
    )
    return run_export(request, observer=observer)
