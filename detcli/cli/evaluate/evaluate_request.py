"""From the options of `eval` to the request of an evaluation."""

from typing import Any

from detcli.engine.requests.evaluation_request import EvaluationRequest
from detcli.engine.requests.run_request import ComputeSettings, DetectionSettings, ModelSettings


def evaluation_request(options: dict[str, Any]) -> EvaluationRequest:
    """The request; `options` are the values of the options by their names in click."""
    return EvaluationRequest(
        results=options["results"],
        against=options["against"],
        results_format=options["results_format"],
        ground_truth=options["gt"],
        data=options["data"],
        model=_model(options),
        images=options["images"],
        iou_type=options["iou_type"],
        detection=DetectionSettings(
            threshold=options["threshold"],
            nms=options["nms"],
            nms_agnostic=options["nms_agnostic"],
            max_detections=options["max_det"],
            image_size=options["imgsz"],
        ),
        compute=ComputeSettings(
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
        ),
        output=None if options["output"] == "-" else options["output"],
        save_plots=options["save_plots"],
        save_worst=options["save_worst"],
        worst=options["worst"],
        score=options["score"],
        bootstrap=options["bootstrap"],
        set_threshold=options["set_threshold"],
        if_exists="overwrite" if options["yes"] else options["if_exists"],
    )


def _model(options: dict[str, Any]) -> ModelSettings | None:
    """The model of `--model`, or the default one where data is given; None for stored results."""
    if options["model"] is None and options["results"] is not None:
        return None
    settings = {name: options[name] for name in ("variant", "revision", "offline", "cache_dir")}
    return ModelSettings(**settings) if options["model"] is None else ModelSettings(model=options["model"], **settings)
