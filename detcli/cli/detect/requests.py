"""From the options of `detect`, `segment` and `video` to the request of a run."""

from typing import Any

from detcli.cli.detect.video.counting_options import count_settings
from detcli.cli.framework.console import Console
from detcli.engine.requests.run_request import (
    ClusterSettings,
    ComputeSettings,
    DetectionSettings,
    DrawingStyle,
    FailurePolicy,
    ImageInputSettings,
    ImageRequest,
    ModelSettings,
    OutputSettings,
    SegmentationSettings,
    VideoInputSettings,
    VideoRequest,
)

Options = dict[str, Any]  # values of the options by their names in click


def image_request(console: Console, options: Options) -> ImageRequest:
    """The request of `detect` or `segment`."""
    return ImageRequest(
        input=ImageInputSettings(
            sources=options["sources"],
            files_from=options["files_from"],
            null_separated=options["null_separated"],
            recursive=not options["no_recursive"],
            extensions=options["ext"],
            exclude=options["exclude"],
            limit=options["limit"],
            shard=options["shard"],
            watch=options["watch"],
            new_only=options["new_only"],
            max_pixels=options["max_pixels"],
        ),
        **_common(console, options),
        segmentation=_segmentation(options),
    )


def video_request(console: Console, options: Options) -> VideoRequest:
    """The request of `video`."""
    return VideoRequest(
        input=VideoInputSettings(
            sources=options["sources"],
            shard=options["shard"],
            stride=options["stride"],
            fps=options["fps"],
            start=options["start"],
            duration=options["duration"],
            max_frames=options["max_frames"],
            live=options["live"],
            camera_size=options["camera_size"],
            camera_rate=options["camera_rate"],
            reconnect=not options["no_reconnect"],
            max_pixels=options["max_pixels"],
        ),
        **_common(console, options),
        track=options["track"],
        weak_boxes=options["weak_boxes"],
        save_video=options["save_video"],
        show=options["show"],
    )


def model_settings(options: Options, model: str) -> ModelSettings:
    """The model, of any command that runs one."""
    return ModelSettings(
        model=model,
        variant=options["variant"],
        revision=options["revision"],
        offline=options["offline"],
        cache_dir=options["cache_dir"],
    )


def compute_settings(options: Options) -> ComputeSettings:
    """How the network is run, of any command that runs one."""
    return ComputeSettings(
        device=options["device"],
        runtime=options["runtime"],
        batch_size=options["batch"],
        pad=options["pad"],
        precision=options["precision"],
        queries=options["queries"],
        decoder_layers=options["decoder_layers"],
        compile=options["compile"],
        optimize=not options["no_optimize"],
        deterministic=options["deterministic"],
        workers=options["workers"],
    )


def _common(console: Console, options: Options) -> dict[str, Any]:
    return {
        "model": model_settings(options, options["model"]),
        "detection": DetectionSettings(
            threshold=options["threshold"],
            nms=options["nms"],
            nms_agnostic=options["nms_agnostic"],
            max_detections=options["max_det"],
            classes=options["classes"],
            image_size=options["imgsz"],
            tile=options.get("tile"),
            tile_overlap=options.get("tile_overlap"),
            tile_and_full=options.get("tile_and_full", False),
            uncertainty=options.get("uncertainty", False) or options.get("show_uncertainty", False),
        ),
        "compute": compute_settings(options),
        "counting": count_settings(options),
        "output": _output(console, options),
        "failures": FailurePolicy(strict=options["strict"], max_failures=options["max_failures"]),
        "cluster": ClusterSettings.of(options["cluster"], options["cluster_workers"], options["cluster_chunk"]),
    }


def _output(console: Console, options: Options) -> OutputSettings:
    return OutputSettings(
        outputs=options["outputs"],
        format=options["format_name"],
        header=options["header"],
        csv_safe=options["csv_safe"],
        no_scores=options.get("no_scores", False),
        rows=options["rows"],
        select=options.get("select"),
        ground_truth=options["gt"],
        resume=options["resume"],
        if_exists="overwrite" if options["yes"] else options["if_exists"],
        save_images=options["save_images"],
        save_crops=options["save_crops"],
        save_masks=options.get("save_masks"),
        counts=options.get("counts"),
        events=options.get("events"),
        drawing=DrawingStyle(
            line_width=options["line_width"],
            hide_labels=options["hide_labels"],
            hide_scores=options["hide_scores"],
            font=options["font"],
            show_uncertainty=options.get("show_uncertainty", False),
        ),
        protected=() if console.config is None else (console.config,),
    )


def _segmentation(options: Options) -> SegmentationSettings | None:
    if "task" not in options:
        return None
    return SegmentationSettings(
        options["task"],
        options["rule"],
        mask_threshold=options["mask_threshold"],
        overlap_threshold=options["overlap_threshold"],
    )
