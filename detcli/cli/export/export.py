"""`detcli export`: a model as an ONNX or OpenVINO file."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from detcli.cli.export import export_options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.options import model_options, run_options
from detcli.cli.framework.text import counted, megabytes

if TYPE_CHECKING:
    from detcli.engine.model_files.exported_files import ExportedFacts
    from detcli.engine.requests.export_request import ExportRequest, ExportResult


@click.command(
    cls=Command,
    examples=[
        UsageExample("an ONNX file", "detcli export dfine-s -o exported/"),
        UsageExample(
            "OpenVINO, compared on your own images",
            "detcli export runs/first/best --to openvino -o x/ --images photos/",
        ),
        UsageExample(
            "boxes, scores and classes, for other programs", "detcli export dfine-s --outputs boxes --max-det 100 -o x/"
        ),
        UsageExample(
            "any batch size, half the file size", "detcli export dfine-s --batch dynamic --precision fp16 -o x/"
        ),
        UsageExample(
            "int8, with AP before and after",
            "detcli export dfine-s --to openvino --precision int8 --calibrate images/ --data coco/ -o x/",
        ),
        UsageExample("run the file", "detcli detect images/ -m exported/dfine-s.onnx"),
    ],
)
@click.argument("model", metavar="MODEL")
@export_options.output
@export_options.network
@export_options.check
@model_options.model_location
@run_options.dry_run_option(description="Check the options, and show what would be written.")
@run_options.progress
@pass_console
def export(console: Console, /, **given: Any) -> None:
    """Export a model as an ONNX or OpenVINO file.

    MODEL is a name from 'detcli models list', a Hub repository, or a folder or file of a checkpoint. The file contains the
    class names, category ids, preprocessing, threshold, and where the model is from; -m of 'detcli detect', 'video',
    'segment' and 'eval' takes it.

    Before it gets its name, the file is compared with the model on images, with each installed runtime: if boxes move more
    than 0.5 pixels or scores more than 0.01, no file is left, and the exit code is 10. In int8, at most 10 % of the detections
    above the model's threshold may move by more than 4 pixels (or 10 % of their longer side) or a score of 0.2.
    """
    from detcli.engine.requests.export_request import ExportRequest
    from detcli.engine.requests.run_settings import ModelSettings

    request = ExportRequest(
        model=ModelSettings(
            model=given["model"],
            variant=given["variant"],
            revision=given["revision"],
            offline=given["offline"],
            cache_dir=given["cache_dir"],
        ),
        output=given["output"],
        format=given["format"],
        batch=None if given["batch"] == "dynamic" else given["batch"],
        image_size=given["imgsz"],
        precision=given["precision"],
        calibrate=given["calibrate"],
        calibration_images=given["calibration_images"],
        outputs=given["outputs"],
        max_detections=given["max_det"],
        masks=given["masks"],
        uncertainty=given["uncertainty"],
        queries=given["queries"],
        decoder_layers=given["decoder_layers"],
        images=given["images"],
        data=given["data"],
        if_exists="overwrite" if given["yes"] else given["if_exists"],
    )
    if given["dry_run"]:
        _show_plan(console, request)
        return
    from detcli.cli.export.export_view import ExportView

    with ExportView(console, model=given["model"]) as view:
        from detcli.engine.model_files.export_model import export_model

        result = export_model(request, observer=view)
    if result is not None:
        _summarize(console, result)


def _show_plan(console: Console, request: "ExportRequest") -> None:
    from detcli.checkpoints.hub.locate_model import repository_of
    from detcli.engine.model_files.export_model import check_inputs
    from detcli.engine.model_files.export_packages import runtimes_for
    from detcli.io.outputs import prepare_output

    for path in request.paths:
        if not prepare_output(path, if_exists=request.if_exists, resumable=False):
            console.say(f"'{path}' exists; skipped")
            return
    repository_of(request.model.name or "")
    images, calibration = check_inputs(request)
    batch = "any batch size" if request.batch is None else f"batches of {request.batch}"
    console.say(f"model: {request.model.name}")
    for path in request.paths:
        console.say(f"output: {path}")
    console.say(f"network: {batch}, {request.precision}, outputs {request.outputs}")
    if calibration:
        console.say(f"calibration: {counted(len(calibration), 'image')} of '{request.calibrate}'")
    console.say(
        f"check: {counted(len(images), 'image')} with {' and '.join(runtimes_for(request.path, request.precision))}"
    )
    if request.data is not None:
        console.say(f"AP of the model and of the file: {request.data}")


def _summarize(console: Console, result: "ExportResult") -> None:
    facts, parity = result.facts, result.parity
    size = sum(path.stat().st_size for path in result.paths)
    height, width = facts.size_hw or ("height", "width")
    shape = f"{facts.batch or 'batch'} x 3 x {height} x {width}"
    names = " and ".join(one.runtime for one in parity)
    differing = max(one.differing for one in parity)
    console.summary(
        f"'{result.path}': {megabytes(size)}, pixels {shape} to {', '.join(facts.output_names)}; "
        f"{counted(parity[0].boxes, 'box', 'boxes')} of {counted(parity[0].images, 'image')} are those of the model with "
        f"{names}: within {max(one.box_error for one in parity):.2g} px and {max(one.score_error for one in parity):.2g}"
        + (f", but for {differing}" if differing else "")
        + _accuracy(facts),
        path=str(result.path),
        bytes=size,
        outputs=list(facts.output_names),
        runtimes=[one.runtime for one in parity],
        images=parity[0].images,
        boxes=parity[0].boxes,
        box_error_px=max(one.box_error for one in parity),
        score_error=max(one.score_error for one in parity),
        differing=differing,
        precision=facts.precision,
        calibration_images=facts.calibration_images,
        accuracy=None if facts.accuracy is None else asdict(facts.accuracy),
    )


def _accuracy(facts: "ExportedFacts") -> str:
    """AP before and after, as the end of a sentence."""
    accuracy = facts.accuracy
    if accuracy is None:
        return ""
    shown = ["-" if value is None else f"{value:.3f}" for value in (accuracy.checkpoint, accuracy.exported)]
    return f"; AP {shown[0]} of the model, {shown[1]} of the file on {counted(accuracy.images, 'image')} of {accuracy.data}"
