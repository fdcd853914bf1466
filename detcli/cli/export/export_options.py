"""Options of `detcli export`."""

from typing import Any

import click

from detcli.cli.detect import filter_options
from detcli.cli.framework.option_types import NEW_FOLDER, PositiveIntType, WordType
from detcli.cli.framework.options import model_options, output_options, speed_options
from detcli.cli.framework.options.help_sections import OUTPUT, group_of, option

_NETWORK, _CHECK = "Network", "Check"


class ExportBatchType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A batch size, or `dynamic` for any."""

    name = "batch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read the value, or fail."""
        text = str(value).strip().lower()
        if text in ("dynamic", "any", "-1"):
            return "dynamic"
        if not text.isdecimal() or not 1 <= int(text) <= 4096:
            self.fail(f"{str(value)[:40]!r} is not a batch size: use a number from 1 to 4096, or dynamic", param, ctx)
        return int(text)


output = group_of(
    option(
        "-o",
        "--output",
        section=OUTPUT,
        required=True,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Folder of the file, which has the name of the model; or a path ending in .onnx or .xml.",
    ),
    option(
        "--to",
        "format",
        section=OUTPUT,
        type=WordType(["onnx", "openvino"], meant={"ov": "openvino", "xml": "openvino", "ort": "onnx"}),
        metavar="FORMAT",
        standard="by the suffix of --output, else onnx",
        help="Format of the file: onnx, or openvino (.xml and .bin).",
    ),
    output_options.replacing,
)
network = group_of(
    option(
        "-b",
        "--batch",
        section=_NETWORK,
        type=ExportBatchType(),
        metavar="N|dynamic",
        default="1",
        standard="1",
        help="The only batch size that the file takes; dynamic: any.",
    ),
    model_options.imgsz_option(section=_NETWORK),
    option(
        "--precision",
        section=_NETWORK,
        type=WordType(
            ["fp32", "fp16", "int8"], meant={"half": "fp16", "float16": "fp16", "float32": "fp32", "i8": "int8"}
        ),
        metavar="TYPE",
        default="fp32",
        standard="fp32",
        help="Precision: fp32; fp16, weights of half the size; or int8, which is faster on a CPU and needs --calibrate.",
    ),
    option(
        "--calibrate",
        section=_NETWORK,
        type=NEW_FOLDER,
        metavar="DIR",
        help="Images like those that the model will see, for int8: a folder, a file or a glob.",
    ),
    option(
        "--calibration-images",
        section=_NETWORK,
        type=PositiveIntType(10, 10_000),
        metavar="N",
        default=300,
        standard="300",
        help="Most images of --calibrate that are used, spread evenly over all of them.",
    ),
    option(
        "--outputs",
        section=_NETWORK,
        type=WordType(["raw", "boxes"], meant={"logits": "raw", "detections": "boxes", "nms": "boxes"}),
        metavar="KIND",
        default="raw",
        standard="raw",
        help="Outputs: raw (logits and boxes of all queries), or boxes (boxes, scores and classes, sorted).",
    ),
    filter_options.max_det,
    option("--masks", section=_NETWORK, is_flag=True, help="Export the mask head too, for models that segment."),
    model_options.uncertainty_option(section=_NETWORK),
    speed_options.queries,
    speed_options.decoder_layers,
)
check = group_of(
    option(
        "--images",
        section=_CHECK,
        type=NEW_FOLDER,
        metavar="DIR",
        standard="those of --calibrate, else bundled images",
        help="Images on which the file is compared with the model: a folder, a file or a glob.",
    ),
    option(
        "--data",
        section=_CHECK,
        type=click.Path(),
        metavar="DATA",
        help="Dataset on which AP of the model and of the file is computed: as for 'detcli eval'.",
    ),
)
