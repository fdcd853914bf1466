"""Records of a request from the arguments of public functions, by name; the records check the values."""

from typing import Any

from detcli.argument_checks import check_flag
from detcli.engine.requests.run_request import (
    ClusterSettings,
    ComputeSettings,
    CountSettings,
    DetectionSettings,
    DrawingStyle,
    FailurePolicy,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
)
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

_TILES = ("tile", "tile_overlap", "tile_and_full")


def run_settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """The records that requests of each kind have, by field of the request."""
    return {
        "model": model_settings(arguments),
        "detection": detection_settings(arguments),
        "compute": compute_settings(arguments),
        "counting": count_settings(arguments),
        "output": _output(arguments),
        "failures": FailurePolicy(**_named(arguments, "strict", "max_failures")),
        "cluster": ClusterSettings.of(*(arguments[name] for name in ("cluster", "cluster_workers", "cluster_chunk"))),
    }


def image_request(arguments: dict[str, Any], segmentation: SegmentationSettings | None = None) -> ImageRequest:
    """The request of the arguments by name; its records check them."""
    return ImageRequest(
        input=ImageInputSettings(
            sources=arguments["sources"],
            files_from=arguments["files_from"],
            null_separated=arguments["null_separated"],
            recursive=arguments["recursive"],
            extensions=arguments["extensions"],
            exclude=arguments["exclude"],
            limit=arguments["limit"],
            shard=arguments["shard"],
            max_pixels=arguments["max_pixels"],
            watch=arguments["watch"],
            new_only=arguments["new_only"],
        ),
        segmentation=segmentation,
        **run_settings(arguments),
    )


def model_settings(arguments: dict[str, Any]) -> ModelSettings:
    """Which model."""
    return ModelSettings(**_named(arguments, "model", "variant", "revision", "offline", "cache_dir"))


def detection_settings(arguments: dict[str, Any]) -> DetectionSettings:
    """Which detections are kept."""
    uncertainty = arguments.get("uncertainty", False)
    check_flag("uncertainty", uncertainty)
    return DetectionSettings(
        **_named(arguments, "threshold", "classes", "max_detections", "image_size", "nms", "nms_agnostic"),
        **{name: arguments[name] for name in _TILES if name in arguments},
        uncertainty=uncertainty or arguments.get("show_uncertainty") is True,
    )


def compute_settings(arguments: dict[str, Any]) -> ComputeSettings:
    """How the network is run."""
    names = (
        "device",
        "runtime",
        "batch_size",
        "precision",
        "queries",
        "decoder_layers",
        "pad",
        "compile",
        "optimize",
        "deterministic",
        "workers",
    )
    return ComputeSettings(**_named(arguments, *names))


def count_settings(arguments: dict[str, Any]) -> CountSettings:
    """What is counted; an argument that a function does not have keeps its default."""
    names = {"lines": "lines", "zones": "zones", "anchor": "anchor", "margin": "margin", "bin": "bin_s"}
    given: dict[str, Any] = {field: arguments[name] for name, field in names.items() if name in arguments}
    return CountSettings(**given)


def _output(arguments: dict[str, Any]) -> OutputSettings:
    names = (
        "outputs",
        "format",
        "header",
        "csv_safe",
        "rows",
        "ground_truth",
        "resume",
        "if_exists",
        "save_images",
        "save_crops",
    )
    return OutputSettings(
        **_named(arguments, *names),
        save_masks=arguments.get("save_masks"),
        counts=arguments.get("counts"),
        no_scores=arguments.get("no_scores", False),
        select=arguments.get("select"),
        drawing=DrawingStyle(
            **_named(arguments, "line_width", "hide_labels", "hide_scores", "font"),
            show_uncertainty=arguments.get("show_uncertainty", False),
        ),
    )


def _named(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names}
