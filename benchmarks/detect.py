"""Compares the speed of `detcli detect` and transformers on the same checkpoint and images.

    python benchmarks/detect.py --model dfine-n --images 120 --rounds 3
    python benchmarks/detect.py --model detr-r50 --images 12 --rounds 3

Needs the `test` extra (with transformers). Each program runs in a separate process, in turn for several rounds, so that
changes of the machine's speed affect all alike. Medians are printed; above 1 in a ratio, detcli is faster. Weights are
random (seeded): the work is the same as with trained ones.

    detcli     load_detector + pipeline.run into a JSON Lines file with default settings
    pipeline   transformers.pipeline("object-detection"), one image at a time
    loop       a plain loop over image processor, model and post-processing, in batches of --loop-batch
    bare       the network of detcli on prepared batches, without the rest of detcli

The time of the first result is from the start of the process. Peak memory is that of the process.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

THRESHOLD = 0.3
MODELS = [
    *(f"dfine-{size}" for size in "nsmlx"),
    *("detr-r50", "detr-r101", "deformable-detr", "deformable-detr-with-box-refine-two-stage"),
]
STAGES = ("decode", "preprocess", "network", "postprocess", "write")


def main() -> None:
    """Make the inputs, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dfine-n", choices=MODELS)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="torch threads of each program")
    parser.add_argument("--batch", type=int, default=None, help="batch size of detcli (default: chosen by detcli)")
    parser.add_argument("--loop-batch", type=int, default=8, help="batch size of the plain loop")
    parser.add_argument("--child", choices=list(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        report = CHILDREN[arguments.child](arguments)
        report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(report))
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        make_inputs(arguments)
        reports: dict[str, list[dict[str, Any]]] = {name: [] for name in CHILDREN}
        for round_ in range(arguments.rounds):
            for name in CHILDREN:
                print(f"round {round_ + 1}: {name}", file=sys.stderr)
                reports[name].append(run_child(name, arguments))
        print_table(arguments, {name: medians(values) for name, values in reports.items()})


def make_inputs(arguments: argparse.Namespace) -> None:
    """Write images and a checkpoint with random weights for all programs."""
    import torch

    from detcli.checkpoints.catalog import CATALOG
    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.engine.benchmark.photo_files import make_images
    from detcli.models.family import FAMILIES

    make_images(arguments.work / "images", arguments.images)
    entry = CATALOG[arguments.model]
    family = FAMILIES[entry.family]
    variant = entry.name.removeprefix(entry.family.replace("_", "-")).removeprefix("-")
    config = family.published_config(variant, tuple(f"class {i}" for i in range(entry.label_count)))
    torch.manual_seed(0)
    tensors = family.write_weights(family.build(config).state_dict(), config)
    write_checkpoint(arguments.work / "model", family.write_config(config), family.preprocessor, tensors)


def run_child(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one program in a new process; returns its report with the wall time of the process."""
    command = [sys.executable, __file__, "--child", name, "--work", str(arguments.work)]
    command += ["--model", arguments.model, "--loop-batch", str(arguments.loop_batch)]
    for option in ("threads", "batch"):
        value = getattr(arguments, option)
        command += [f"--{option}", str(value)] if value else []
    start = time.time()
    environment = os.environ | {"STARTED": repr(start), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    if arguments.threads:
        environment["OMP_NUM_THREADS"] = str(arguments.threads)
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    report: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return report | {"process_s": time.time() - start}


def since_start() -> float:
    """Seconds since the parent started this process."""
    return time.time() - float(os.environ["STARTED"])


def images_of(arguments: argparse.Namespace) -> list[Path]:
    """The images in order."""
    return sorted((arguments.work / "images").iterdir())


class Clock:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def __call__(self, stage: str, work: Callable[[], Any]) -> Any:
        """Call a function and add its duration to a stage."""
        start = time.perf_counter()
        result = work()
        self.seconds[stage] += time.perf_counter() - start
        return result

    def per_image_ms(self, count: int) -> dict[str, float]:
        """Milliseconds per image by stage."""
        return {f"{stage}_ms": 1000 * seconds / count for stage, seconds in self.seconds.items()}


def detcli_(arguments: argparse.Namespace) -> dict[str, Any]:
    """Detcli as users run it."""
    from detcli.inference.load import load_detector
    from detcli.pipeline.run import run
    from detcli.sources.source import SourceSettings, make_source

    detector = load_detector(str(arguments.work / "model"), threshold=THRESHOLD, batch_size=arguments.batch)
    loaded = since_start()
    first: list[float] = []
    start = time.perf_counter()
    with (arguments.work / "ours.jsonl").open("wb") as stream:
        sink = jsonl_sink(detector, stream)
        source = make_source([str(arguments.work / "images")], SourceSettings())
        run(source, detector, [sink], on_result=lambda *_: first.append(since_start()) if not first else None)
    seconds = time.perf_counter() - start
    return {"start_s": loaded, "first_s": first[0], "rate": arguments_count(arguments) / seconds}


def stages(arguments: argparse.Namespace) -> dict[str, Any]:
    """The stages of detcli one after the other in one thread, batch by batch."""
    from detcli.inference.load import load_detector
    from detcli.inference.postprocessing.tensor_postprocess import rows_to_detections, select
    from detcli.io.images.decode import decode
    from detcli.structures.frame import Frame, Origin

    detector = load_detector(str(arguments.work / "model"), threshold=THRESHOLD, batch_size=arguments.batch)
    clock = Clock()
    paths = images_of(arguments)
    with (arguments.work / "stages.jsonl").open("wb") as stream:
        sink = jsonl_sink(detector, stream)
        has_fixed_size = detector.preprocessor.preprocessing.size_hw is not None
        for part in parts(paths, detector.batch_size if has_fixed_size else 1):
            decoded = clock("decode", lambda: [decode(path.read_bytes(), max_pixels=10**9).pixels for path in part])  # noqa: B023
            origins = [Origin(0, path.name, path.name, path.stem) for path in part]
            frames = [Frame(o, p.shape[:2], p) for o, p in zip(origins, decoded, strict=True)]
            batch = clock("preprocess", lambda: detector.preprocessor.batch(frames))  # noqa: B023
            outputs = clock("network", lambda: detector.runtime(batch))  # noqa: B023
            rows = clock("postprocess", lambda: select(outputs, detector.selection).cpu())  # noqa: B023
            detections = clock("postprocess", lambda: rows_to_detections(rows, batch.sizes_hw, detector.selection))  # noqa: B023
            clock("write", lambda: [sink.write(f, d) for f, d in zip(frames, detections, strict=True)])  # noqa: B023
    return clock.per_image_ms(len(paths))


def bare(arguments: argparse.Namespace) -> dict[str, Any]:
    """The network of detcli, repeatedly on one prepared batch."""
    from detcli.inference.load import load_detector
    from detcli.io.images.decode import decode
    from detcli.structures.frame import Frame, Origin

    detector = load_detector(str(arguments.work / "model"), threshold=THRESHOLD, batch_size=arguments.batch)
    frames = []
    for path in images_of(arguments)[: detector.batch_size]:
        pixels = decode(path.read_bytes(), max_pixels=10**9).pixels
        frames.append(Frame(Origin(0, path.name, path.name, path.stem), pixels.shape[:2], pixels))
    frames = [frames[index] for index in detector.choose(frames)]
    batch = detector.preprocessor.batch(frames)
    detector.runtime(batch)
    rounds = -(-arguments_count(arguments) // len(frames))
    start = time.perf_counter()
    for _ in range(rounds):
        detector.runtime(batch)
    return {"rate": rounds * len(frames) / (time.perf_counter() - start)}


def pipeline(arguments: argparse.Namespace) -> dict[str, Any]:
    """The pipeline of transformers, one image at a time."""
    import transformers

    model = transformers.AutoModelForObjectDetection.from_pretrained(arguments.work / "model")
    detect = transformers.pipeline("object-detection", model=model, image_processor=processor(arguments))
    loaded, first = since_start(), 0.0
    start = time.perf_counter()
    with (arguments.work / "pipeline.jsonl").open("w") as stream:
        for path in images_of(arguments):
            detections = detect(str(path), threshold=THRESHOLD)
            stream.write(json.dumps({"file": str(path), "detections": detections}) + "\n")
            first = first or since_start()
    return {"start_s": loaded, "first_s": first, "rate": arguments_count(arguments) / (time.perf_counter() - start)}


def loop(arguments: argparse.Namespace) -> dict[str, Any]:
    """A careful plain loop with transformers, in batches."""
    import torch
    import transformers
    from PIL import Image

    model = transformers.AutoModelForObjectDetection.from_pretrained(arguments.work / "model").eval()
    prepare = processor(arguments)
    loaded, first, clock = since_start(), 0.0, Clock()
    paths = images_of(arguments)
    start = time.perf_counter()
    with (arguments.work / "loop.jsonl").open("w") as stream, torch.inference_mode():
        for part in parts(paths, arguments.loop_batch):
            images = clock("decode", lambda: [Image.open(path).convert("RGB") for path in part])  # noqa: B023
            inputs = clock("preprocess", lambda: prepare(images, return_tensors="pt"))  # noqa: B023
            outputs = clock("network", lambda: model(**inputs))  # noqa: B023
            sizes = torch.tensor([image.size[::-1] for image in images])
            results = clock(
                "postprocess",
                lambda: prepare.post_process_object_detection(outputs, threshold=THRESHOLD, target_sizes=sizes),  # noqa: B023
            )
            rows = list(zip(part, results, strict=True))
            clock("write", lambda: [stream.write(line(path, result)) for path, result in rows])  # noqa: B023
            first = first or since_start()
    rate = len(paths) / (time.perf_counter() - start)
    return {"start_s": loaded, "first_s": first, "rate": rate} | clock.per_image_ms(len(paths))


def line(path: Path, result: dict[str, Any]) -> str:
    """One JSON line of the plain loop."""
    return json.dumps({"file": str(path)} | {name: values.tolist() for name, values in result.items()}) + "\n"


def processor(arguments: argparse.Namespace) -> Any:
    """The Pillow-backed processor of transformers, which needs no torchvision."""
    import importlib

    family, name = {
        "dfine": ("rt_detr", "RTDetr"),
        "detr": ("detr", "Detr"),
        "deformable": ("deformable_detr", "DeformableDetr"),
    }[arguments.model.split("-")[0]]
    module = importlib.import_module(f"transformers.models.{family}.image_processing_pil_{family}")
    return getattr(module, f"{name}ImageProcessorPil").from_pretrained(arguments.work / "model")


def jsonl_sink(detector: Any, stream: Any) -> Any:
    """The JSON Lines sink of detcli on an open file."""
    from detcli.sinks.results.jsonl import JsonLines
    from detcli.sinks.sink import SinkSettings
    from detcli.structures.run_info import RunInfo

    info = RunInfo("benchmark", None, None, "", detector.labels, "")
    return JsonLines(stream, SinkSettings(info))


def parts(paths: list[Path], size: int) -> Iterator[list[Path]]:
    """The paths in batches."""
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def arguments_count(arguments: argparse.Namespace) -> int:
    """Number of images."""
    return len(images_of(arguments))


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "detcli": detcli_,
    "pipeline": pipeline,
    "loop": loop,
    "bare": bare,
    "stages": stages,
}


def medians(reports: list[dict[str, Any]]) -> dict[str, float]:
    """Median of each value over the rounds."""
    return {name: statistics.median(report[name] for report in reports) for name in reports[0]}


def print_table(arguments: argparse.Namespace, results: dict[str, dict[str, float]]) -> None:
    """Print the values of each program, then the ratios."""
    import torch

    threads = arguments.threads or torch.get_num_threads()
    print(
        f"{arguments.model}, {arguments.images} images, {threads} threads, {arguments.rounds} rounds, medians; "
        f"loop in batches of {arguments.loop_batch}"
    )
    print(f"{'':22}{'detcli':>10}{'pipeline':>10}{'loop':>10}{'bare':>10}")
    for key, unit in (
        ("rate", "images/s"),
        ("start_s", "start s"),
        ("first_s", "first s"),
        ("peak_mib", "peak MiB"),
    ):
        cells = [f"{results[name][key]:10.2f}" if key in results[name] else " " * 10 for name in list(CHILDREN)[:4]]
        print(f"{unit:22}{''.join(cells)}")
    own = results["detcli"]
    print("\nratios")
    for other in ("pipeline", "loop"):
        print(f"  rate, detcli / {other:10}{own['rate'] / results[other]['rate']:8.2f}")
    print(f"  rate, detcli / bare network{own['rate'] / results['bare']['rate']:5.2f}")
    print(f"  first result, detcli / pipeline {own['first_s'] / results['pipeline']['first_s']:.2f}")
    print(f"  peak memory, detcli / pipeline  {own['peak_mib'] / results['pipeline']['peak_mib']:.2f}")
    print(f"  peak memory, detcli / loop      {own['peak_mib'] / results['loop']['peak_mib']:.2f}")
    print(f"\n{'stage, ms per image':22}{'detcli':>10}{'loop':>10}{'ratio':>10}")
    print(
        f"{'start-up, s':22}{own['start_s']:10.2f}{results['loop']['start_s']:10.2f}{results['loop']['start_s'] / own['start_s']:10.2f}"
    )
    for stage in STAGES:
        own_ms, other_ms = results["stages"][f"{stage}_ms"], results["loop"][f"{stage}_ms"]
        print(f"{stage:22}{own_ms:10.2f}{other_ms:10.2f}{other_ms / max(own_ms, 1e-6):10.2f}")


if __name__ == "__main__":
    main()
