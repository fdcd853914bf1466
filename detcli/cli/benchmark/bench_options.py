"""The options of `detcli bench`: most take a list of values, which are combined with each other."""

from collections.abc import Callable
from typing import Any

import click

from detcli.cli.framework.option_types import (
    NEW_FOLDER,
    BatchSizeType,
    CommaSeparatedType,
    ImageSizeType,
    PositiveIntType,
    WordType,
)
from detcli.cli.framework.options import input_options, model_options, output_options, speed_options
from detcli.cli.framework.options.help_sections import INPUT, MODEL, OUTPUT, RUN, SPEED, group_of, option
from detcli.cli.framework.options.option import Decorator

RUNTIMES = ("torch", "openvino", "onnx")
PRECISIONS = ("auto", "fp32", "tf32", "bf16", "fp16")
SINKS = ("jsonl", "csv", "yolo", "coco", "coco-results", "coco-panoptic", "images", "crops", "masks")
TASKS = ("panoptic", "instance", "semantic")


class ListType(CommaSeparatedType):
    """Comma-separated values of another type."""

    def __init__(self, convert_one: Callable[..., Any]) -> None:
        self._convert_one = convert_one

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Split the value and convert each part, or fail."""
        return tuple(self._convert_one(word, param, ctx) for word in super().convert(value, param, ctx))


def _list_option(name: str, type_: Callable[..., Any], metavar: str, standard: str, description: str) -> Decorator:
    return option(name, section=SPEED, type=ListType(type_), metavar=metavar, standard=standard, help=description)


words = click.argument("words", nargs=-1, metavar="[MODEL]... [SOURCES]...")
model = group_of(
    option(
        "-m",
        "--model",
        "more_models",
        section=MODEL,
        multiple=True,
        metavar="NAME",
        standard="dfine-s, or detr-r50-panoptic with --task",
        help="A model, as MODEL; repeatable.",
    ),
    model_options.model_location,
    option(
        "--task",
        section=MODEL,
        type=WordType(TASKS, meant={"instances": "instance", "masks": "instance", "segment": "panoptic"}),
        metavar="NAME",
        standard="boxes",
        help="Measure masks, of models that segment: panoptic, instance or semantic.",
    ),
)
inputs = group_of(
    option(
        "--limit",
        section=INPUT,
        type=PositiveIntType(1, 100_000),
        metavar="N",
        default=48,
        standard="48",
        help="Process only the first N images.",
    ),
    input_options.data_option(
        description="Dataset on which AP is measured (PQ with --task panoptic); else it is as published, where it is."
    ),
)
sweep = group_of(
    _list_option(
        "--runtime",
        WordType(RUNTIMES, meant={"pytorch": "torch", "onnxruntime": "onnx", "ort": "onnx", "ov": "openvino"}).convert,
        "LIST",
        "those that are installed",
        "torch, openvino, onnx; checkpoints are exported for the last two.",
    ),
    _list_option("--precision", WordType(PRECISIONS).convert, "LIST", "auto", "auto (fp32), fp32, tf32, bf16, fp16."),
    _list_option("--batch", BatchSizeType().convert, "LIST", "auto", "Batch sizes: 1,4,auto."),
    _list_option("--imgsz", ImageSizeType().convert, "LIST", "the model's", "Input sizes: 640,480x640."),
    _list_option(
        "--queries", PositiveIntType(1, 100_000).convert, "LIST", "the model's", "Numbers of queries: 300,100."
    ),
    _list_option(
        "--decoder-layers", PositiveIntType(1, 64).convert, "LIST", "the model's", "Numbers of decoder layers: 3,2,1."
    ),
    speed_options.device,
    speed_options.workers,
)
results = group_of(
    option(
        "--sinks",
        section=OUTPUT,
        type=ListType(WordType(SINKS).convert),
        metavar="LIST",
        default="jsonl",
        standard="jsonl",
        help=f"Outputs that are written and measured: {', '.join(SINKS)}.",
    ),
    output_options.output_option(metavar="FILE", description="Write all figures as JSON."),
    output_options.format_option(["table", "json"], standard="table"),
    output_options.as_json_option(section=OUTPUT),
    option(
        "--plot",
        section=OUTPUT,
        type=NEW_FOLDER,
        metavar="FILE",
        help="Save a plot of images/s against AP as PNG.",
    ),
    output_options.replacing,
)
run = group_of(
    option(
        "--repeat",
        section=RUN,
        type=PositiveIntType(1, 1000),
        metavar="N",
        default=3,
        standard="3",
        help="Measurements of each combination, each in a new process; medians are shown.",
    ),
)
