"""Options of the section "Speed": device, runtime, batches, precision and the cluster."""

from detcli.cli.framework.option_types import BatchSizeType, DeviceType, PositiveIntType, WordType
from detcli.cli.framework.options.help_sections import SPEED, group_of, option
from detcli.cli.framework.options.option import Decorator


def device_option(*, several: bool) -> Decorator:
    """Return --device; `several`: the command takes several devices."""
    return option(
        "-d",
        "--device",
        section=SPEED,
        type=DeviceType(several=several),
        metavar="NAME",
        default="auto",
        standard="auto",
        help="auto, cpu, cuda, cuda:0 (or 0) or mps; detect, segment and train take several: 0,1, cuda:all or cpu:2.",
    )


device = device_option(several=False)
runtime = option(
    "--runtime",
    section=SPEED,
    type=WordType(
        ["auto", "torch", "openvino", "onnx"],
        meant={"pytorch": "torch", "ov": "openvino", "ort": "onnx", "onnxruntime": "onnx", "onnx-runtime": "onnx"},
    ),
    metavar="NAME",
    default="auto",
    standard="auto",
    help="What runs the network: auto, torch, openvino or onnx (ONNX Runtime).",
)
precision = option(
    "--precision",
    section=SPEED,
    type=WordType(
        ["auto", "fp32", "tf32", "bf16", "fp16"],
        meant={"half": "fp16", "float16": "fp16", "16": "fp16", "bfloat16": "bf16", "float32": "fp32", "32": "fp32"},
    ),
    metavar="TYPE",
    default="auto",
    standard="auto",
    help="Floating-point precision: auto (fp32), fp32, tf32, bf16 or fp16.",
)
workers = option(
    "-j",
    "--workers",
    section=SPEED,
    type=PositiveIntType(1, 256),
    metavar="N",
    standard="one per core",
    help="Number of threads that decode images.",
)
queries = option(
    "--queries",
    section=SPEED,
    type=PositiveIntType(1, 100_000),
    metavar="N",
    standard="the model's",
    help="Use only the N best queries: faster, fewer detections (D-FINE, RT-DETR, two-stage Deformable DETR).",
)
decoder_layers = option(
    "--decoder-layers",
    section=SPEED,
    type=PositiveIntType(1, 64),
    metavar="N",
    standard="the model's",
    help="Predict after N decoder layers: faster, less accurate.",
)
_rest_of_speed = group_of(
    runtime,
    option(
        "-b",
        "--batch",
        section=SPEED,
        type=BatchSizeType(),
        metavar="N|auto",
        default="auto",
        standard="auto",
        help="Batch size; halved when memory runs out.",
    ),
    option(
        "--pad",
        section=SPEED,
        is_flag=True,
        help="Pad images of different sizes into one batch: faster on a GPU, slightly different results (worse for DC5).",
    ),
    precision,
    queries,
    decoder_layers,
    option("--compile", section=SPEED, is_flag=True, help="Compile the network: slower start, faster long runs."),
    workers,
    option("--no-optimize", section=SPEED, is_flag=True, help="Do not fuse BatchNorm into convolutions."),
    option("--deterministic", section=SPEED, is_flag=True, help="Identical results from every run on this machine."),
)
cluster = group_of(
    option(
        "--cluster",
        section=SPEED,
        metavar="WHERE",
        standard="this process",
        help="Run on a Ray cluster: auto (the one of this machine), ray://HOST:PORT, or local (started for the run).",
    ),
    option(
        "--cluster-workers",
        section=SPEED,
        type=PositiveIntType(1, 10_000),
        metavar="N",
        standard="one per GPU, or per 4 CPUs",
        help="Number of worker processes on the cluster.",
    ),
    option(
        "--cluster-chunk",
        section=SPEED,
        type=PositiveIntType(1, 1_000_000),
        metavar="N",
        standard="8, rising to 1000, or 5000 with GPUs",
        help="Images that a worker takes at a time and writes as one part.",
    ),
)
speed = group_of(device, _rest_of_speed)
speed_on_devices = group_of(device_option(several=True), _rest_of_speed)
