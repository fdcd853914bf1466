"""Compares the speed of `detcli detect` with other programs on the same checkpoint and images.

    python benchmarks/detect.py --model dfine-n --images 120 --rounds 5
    python benchmarks/detect.py --model dfine-n --precision bf16 --programs detcli-openvino openvino-async
    python benchmarks/detect.py --model detr-r50 --images 12 --rounds 3

Needs the extras `test` (with transformers), `openvino` and `onnx`; programs whose packages are missing are left out.
Each program runs in a separate process, in turn for several rounds, so that changes of the machine's speed affect all
alike. Every program is warm before its speed is measured. Weights are random (seeded): the work is the same as with
trained ones.

    detcli-torch, detcli-openvino, detcli-onnx   what `detcli detect IMAGES -o out.jsonl` runs, with default settings
    pipeline         transformers.pipeline("object-detection"), one image at a time
    loop             a loop over image processor, model and post-processing of transformers, in batches of --loop-batch
    onnx-loop        ONNX Runtime with Pillow and numpy, one image at a time
    openvino-loop    OpenVINO with Pillow and numpy, one image at a time
    openvino-async   OpenVINO's AsyncInferQueue with Pillow and numpy
    ultralytics      `predict` of ultralytics with its own YOLO: another network, so no comparison of programs

Values are medians; a ratio is the median of the ratios of the rounds, with the lowest and the highest. Above 1, detcli is
faster. "network" is the network of detcli alone in the same runtime, in the same process. The time of the first
result is from the start of the process. Do not publish what was measured while others used the machine.
"""

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks import detect_programs as programs
from benchmarks.harness import (
    Program,
    Report,
    add_child_options,
    describe_machine,
    median,
    ran_as_child,
    run_in_turn,
    shown_ratio,
    write_random_checkpoint,
)

MODELS = [
    *(f"dfine-{size}" for size in "nsmlx"),
    *("detr-r50", "detr-r101", "deformable-detr", "deformable-detr-with-box-refine-two-stage"),
]
PROGRAMS: dict[str, Program] = {
    "detcli-torch": programs.detcli_in("torch"),
    "detcli-openvino": programs.detcli_in("openvino"),
    "detcli-onnx": programs.detcli_in("onnx"),
    "pipeline": programs.pipeline,
    "loop": programs.loop,
    "onnx-loop": programs.onnx_loop,
    "openvino-loop": programs.openvino_loop,
    "openvino-async": programs.openvino_async,
    "ultralytics": programs.ultralytics,
}
PACKAGES = {
    "detcli-openvino": "openvino",
    "detcli-onnx": "onnxruntime",
    "pipeline": "transformers",
    "loop": "transformers",
    "onnx-loop": "onnxruntime",
    "openvino-loop": "openvino",
    "openvino-async": "openvino",
    "ultralytics": "ultralytics",
}
ONLY_FP32 = ("detcli-onnx", "pipeline", "loop", "onnx-loop", "ultralytics")
PASSED_ON = ("model", "images", "batch", "loop-batch", "precision", "yolo", "processors")


def main() -> None:
    """Make the inputs, run the rounds, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dfine-n", choices=MODELS)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--processors", type=int, default=None, help="use only the first processors (Linux)")
    parser.add_argument("--batch", type=int, default=None, help="batch size of detcli (default: chosen by detcli)")
    parser.add_argument("--loop-batch", type=int, default=8, help="batch size of the loops that have batches")
    parser.add_argument("--yolo", default="yolo11n.yaml", help="model of ultralytics; .yaml: random weights")
    parser.add_argument("--programs", nargs="+", choices=list(PROGRAMS), default=None, help="default: all of them")
    add_child_options(parser, PROGRAMS)
    arguments = parser.parse_args()
    if arguments.processors:
        limit_processors(arguments.processors)
    if ran_as_child(PROGRAMS, arguments):
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        names = available(arguments)
        make_inputs(arguments)
        print_tables(arguments, run_in_turn(__file__, names, arguments, PASSED_ON))


def available(arguments: argparse.Namespace) -> list[str]:
    """The programs that can run here."""
    names = []
    for name in arguments.programs or PROGRAMS:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            print(f"{name}: left out, {PACKAGES[name]} is not installed", file=sys.stderr)
        elif arguments.precision != "fp32" and name in ONLY_FP32:
            print(f"{name}: left out, it has no {arguments.precision}", file=sys.stderr)
        else:
            names.append(name)
    return names


def limit_processors(count: int) -> None:
    """Let this process and its children use only the first processors."""
    import os

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def make_inputs(arguments: argparse.Namespace) -> None:
    """Write images, a checkpoint with random weights, and its export."""
    from detcli.engine.benchmark.benchmark_request import BenchmarkCase
    from detcli.engine.benchmark.export_case import export_case
    from detcli.engine.benchmark.photo_files import make_images

    make_images(arguments.work / "images", arguments.images)
    write_random_checkpoint(arguments.model, arguments.work / "model")
    if find_spec("onnx") is not None:
        export_case(BenchmarkCase(model=str(arguments.work / "model")), arguments.work / "model.onnx")


def print_tables(arguments: argparse.Namespace, reports: dict[str, list[Report]]) -> None:
    """Print the values of each program, the ratios, and the stages of detcli."""
    print(
        f"{arguments.model}, {arguments.precision}, {arguments.images} images, {arguments.rounds} rounds, medians\n"
        f"{describe_machine()}\n"
    )
    columns = (("rate", "images/s"), ("network_rate", "network"), ("start_s", "start s"), ("first_s", "first s"))
    columns += (("peak_mib", "peak MiB"),)
    print(f"{'':18}" + "".join(f"{title:>12}" for _, title in columns))
    for name, rounds in reports.items():
        cells = [median(rounds, key) for key, _ in columns]
        print(f"{name:18}" + "".join(" " * 12 if cell is None else f"{cell:12.2f}" for cell in cells))
    ours = [name for name in reports if name.startswith("detcli-")]
    for key, title in (("rate", "images/s"), ("first_s", "time to the first result"), ("peak_mib", "peak memory")):
        print(f"\nratios of {title}, with the lowest and highest of the rounds")
        for own in ours:
            for other in (name for name in reports if not name.startswith("detcli-")):
                print(f"  {own + ' / ' + other:38}{shown_ratio(reports[own], reports[other], key)}")
            if key == "rate":
                alone = [{"rate": report["network_rate"]} for report in reports[own]]
                print(f"  {own + ' / its network':38}{shown_ratio(reports[own], alone, key)}")
    for own in ours:
        stages = [report["stages_ms"] for report in reports[own]]
        shown = ", ".join(f"{stage} {median(stages, stage):.2f}" for stage in stages[0])
        print(f"\n{own}, ms per image, each stage alone: {shown}")


if __name__ == "__main__":
    main()
