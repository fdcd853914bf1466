"""`detcli export`: a model as an ONNX or OpenVINO file."""

from typing import TYPE_CHECKING, Any

import click

from detcli.cli.export import export_options
from detcli.cli.framework import options
from detcli.cli.framework.command import Command, UsageExample, pass_console
from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, megabytes

if TYPE_CHECKING:
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
        UsageExample("run the file", "detcli detect images/ -m exported/dfine-s.onnx"),
    ],
)
@click.argument("model", metavar="MODEL")
@export_options.output
@export_options.network
@export_options.check
@options.model_location
@options.dry_run_option(description="Check the options, and show what would be written.")
@options.progress
@pass_console
def export(console: Console, /, **given: Any) -> None:
    """Export a model as an ONNX or OpenVINO file.

    MODEL is a name from 'detcli models list', a Hub repository, or a folder or file of a checkpoint. The file contains the
    class names, category ids, preprocessing, threshold, and where the model is from; -m of 'detcli detect', 'video',
    'segment' and 'eval' takes it.

    Before it gets its name, the file is compared with the model on images, with each installed runtime: if boxes move more
    than 0.5 pixels or scores more than 0.01, no file is left, and the exit code is 10.
    """
    from detcli.engine.requests.export_request import ExportRequest
    from detcli.engine.requests.run_settings import ModelSettings

    request = ExportRequest(
        model=ModelSettings(
            model=given["model"],
            revision=given["revision"],
            offline=given["offline"],
            cache_dir=given["cache_dir"],
        ),
        output=given["output"],
        format=given["format"],
        batch=None if given["batch"] == "dynamic" else given["batch"],
        image_size=given["imgsz"],
        precision=given["precision"],
        outputs=given["outputs"],
        max_detections=given["max_det"],
        masks=given["masks"],
        queries=given["queries"],
        decoder_layers=given["decoder_layers"],
        images=given["images"],
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
    from detcli.engine.model_files.export_packages import check_packages, runtimes_for
    from detcli.engine.model_files.parity_images import parity_images
    from detcli.io.outputs import prepare_output

    for path in request.paths:
        if not prepare_output(path, if_exists=request.if_exists, resumable=False):
            console.say(f"'{path}' exists; skipped")
            return
    check_packages(request)
    repository_of(request.model.name or "")
    images = parity_images(request.images)
    batch = "any batch size" if request.batch is None else f"batches of {request.batch}"
    console.say(f"model: {request.model.name}")
    for path in request.paths:
        console.say(f"output: {path}")
    console.say(f"network: {batch}, {request.precision}, outputs {request.outputs}")
    console.say(f"check: {counted(len(images), 'image')} with {' and '.join(runtimes_for(request.path))}")


def _summarize(console: Console, result: "ExportResult") -> None:
    facts, parity = result.facts, result.parity
    size = sum(path.stat().st_size for path in result.paths)
    height, width = facts.size_hw or ("height", "width")
    shape = f"{facts.batch or 'batch'} x 3 x {height} x {width}"
    names = " and ".join(one.runtime for one in parity)
    console.summary(
        f"'{result.path}': {megabytes(size)}, pixels {shape} to {', '.join(facts.output_names)}; "
        f"{counted(parity[0].boxes, 'box', 'boxes')} of {counted(parity[0].images, 'image')} are those of the model with "
        f"{names}: within {max(one.box_error for one in parity):.2g} px and {max(one.score_error for one in parity):.2g}",
        path=str(result.path),
        bytes=size,
        outputs=list(facts.output_names),
        runtimes=[one.runtime for one in parity],
        images=parity[0].images,
        boxes=parity[0].boxes,
        box_error_px=max(one.box_error for one in parity),
        score_error=max(one.score_error for one in parity),
    )
