"""Races `detcli detect` against transformers on the same checkpoint and images, in one run.

    python benchmarks/detect.py --model dfine-n --images 120 --rounds 3
    python benchmarks/detect.py --model detr-r50 --images 12 --rounds 3

Needs the `test` extra (transformers is the rival). Each contender is a process of its own, run in turn, round after
round, so that a machine whose speed drifts is fair to all; medians are printed, and ratios above 1 are ours. Weights
are random (seeded): the work is the same as with trained ones.

    detcli     load_detector + pipeline.run into a JSON Lines file, everything at its defaults
    pipeline   transformers.pipeline("object-detection"), one image at a time
    loop       a plain loop over image processor, model and post-processing, in batches of --loop-batch
    bare       our network alone on prepared batches: what the rest of detcli costs on top of it

The first result counts from the start of the process. Peak memory is the process's own, read from the system.
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
    """Make the material, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dfine-n", choices=MODELS)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="threads of torch in every contender")
    parser.add_argument("--batch", type=int, default=None, help="batch size of detcli (its own choice by default)")
    parser.add_argument("--loop-batch", type=int, default=8, help="images a batch of the plain loop")
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
        make_material(arguments)
        reports: dict[str, list[dict[str, Any]]] = {name: [] for name in CHILDREN}
        for round_ in range(arguments.rounds):
            for name in CHILDREN:
                print(f"round {round_ + 1}: {name}", file=sys.stderr)
                reports[name].append(run_child(name, arguments))
        print_table(arguments, {name: medians(found) for name, found in reports.items()})


def make_material(arguments: argparse.Namespace) -> None:
    """Images and a checkpoint with random weights, as both sides load it."""
    import torch

    from benchmarks.synthetic.photo_files import make_images
    from detcli.checkpoints.catalog import CATALOG
    from detcli.checkpoints.checkpoint_files import write_checkpoint
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
    """One contender as a process of its own; its report, with the wall time of the whole process."""
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
    return report | {"whole_s": time.time() - start}


def since_start() -> float:
    """Seconds since the parent started this process."""
    return time.time() - float(os.environ["STARTED"])


def images_of(arguments: argparse.Namespace) -> list[Path]:
    """The benchmark's images in order."""
    return sorted((arguments.work / "images").iterdir())


class Clock:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def __call__(self, stage: str, work: Callable[[], Any]) -> Any:
        """Do the work and count its time."""
        start = time.perf_counter()
        result = work()
        self.seconds[stage] += time.perf_counter() - start
        return result

    def per_image_ms(self, count: int) -> dict[str, float]:
        """Milliseconds an image by stage."""
        return {f"{stage}_ms": 1000 * seconds / count for stage, seconds in self.seconds.items()}


def detcli_(arguments: argparse.Namespace) -> dict[str, Any]:
    """The product as it is used."""
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
    """Our stages one after the other in one thread, batch by batch."""
    from detcli.inference.load import load_detector
    from detcli.inference.postprocess import to_detections
    from detcli.io.images.decode import decode
    from detcli.structures.frame import Frame, Origin

    detector = load_detector(str(arguments.work / "model"), threshold=THRESHOLD, batch_size=arguments.batch)
    clock = Clock()
    paths = images_of(arguments)
    with (arguments.work / "stages.jsonl").open("wb") as stream:
        sink = jsonl_sink(detector, stream)
        alike = detector.preprocessor.preprocessing.size_hw is not None
        for part in parts(paths, detector.batch_size if alike else 1):
            decoded = clock("decode", lambda: [decode(path.read_bytes(), max_pixels=10**9).pixels for path in part])  # noqa: B023
            origins = [Origin(0, path.name, path.name, path.stem) for path in part]
            frames = [Frame(o, p.shape[:2], p) for o, p in zip(origins, decoded, strict=True)]
            batch = clock("preprocess", lambda: detector.preprocessor.batch(frames))  # noqa: B023
            outputs = clock("network", lambda: detector.runtime(batch))  # noqa: B023
            found = clock("postprocess", lambda: to_detections(outputs, batch.sizes_hw, detector.selection))  # noqa: B023
            clock("write", lambda: [sink.write(f, d) for f, d in zip(frames, found, strict=True)])  # noqa: B023
    return clock.per_image_ms(len(paths))


def bare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Our network alone, on one prepared batch again and again."""
    from detcli.inference.load import load_detector
    from detcli.io.images.decode import decode
    from detcli.structures.frame import Frame, Origin

    detector = load_detector(str(arguments.work / "model"), threshold=THRESHOLD, batch_size=arguments.batch)
    frames = []
    for path in images_of(arguments)[: detector.batch_size]:
        pixels = decode(path.read_bytes(), max_pixels=10**9).pixels
        frames.append(Frame(Origin(0, path.name, path.name, path.stem), pixels.shape[:2], pixels))
    frames = [frames[place] for place in detector.choose(frames)]
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
            found = detect(str(path), threshold=THRESHOLD)
            stream.write(json.dumps({"file": str(path), "detections": found}) + "\n")
            first = first or since_start()
    return {"start_s": loaded, "first_s": first, "rate": arguments_count(arguments) / (time.perf_counter() - start)}


def loop(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a careful user of transformers writes by hand, in batches."""
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
            found = clock(
                "postprocess",
                lambda: prepare.post_process_object_detection(outputs, threshold=THRESHOLD, target_sizes=sizes),  # noqa: B023
            )
            clock("write", lambda: [stream.write(line(path, one)) for path, one in zip(part, found, strict=True)])  # noqa: B023
            first = first or since_start()
    rate = len(paths) / (time.perf_counter() - start)
    return {"start_s": loaded, "first_s": first, "rate": rate} | clock.per_image_ms(len(paths))


def line(path: Path, found: dict[str, Any]) -> str:
    """One JSON line of the plain loop."""
    return json.dumps({"file": str(path)} | {name: values.tolist() for name, values in found.items()}) + "\n"


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
    """Our JSON Lines sink on an open file."""
    from detcli.sinks.sink import SINKS, SinkSettings
    from detcli.structures.run_info import RunInfo

    info = RunInfo("benchmark", None, None, "", detector.labels, "")
    return SINKS["jsonl"](stream, SinkSettings(info))


def parts(paths: list[Path], size: int) -> Iterator[list[Path]]:
    """The paths, so many at a time."""
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def arguments_count(arguments: argparse.Namespace) -> int:
    """How many images there are."""
    return len(images_of(arguments))


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "detcli": detcli_,
    "pipeline": pipeline,
    "loop": loop,
    "bare": bare,
    "stages": stages,
}


def medians(reports: list[dict[str, Any]]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    return {name: statistics.median(report[name] for report in reports) for name in reports[0]}


def print_table(arguments: argparse.Namespace, found: dict[str, dict[str, float]]) -> None:
    """Figures of each contender, then the ratios."""
    import torch

    threads = arguments.threads or torch.get_num_threads()
    print(
        f"{arguments.model}, {arguments.images} images, {threads} threads, {arguments.rounds} rounds, medians; "
        f"loop in batches of {arguments.loop_batch}"
    )
    print(f"{'':22}{'detcli':>10}{'pipeline':>10}{'loop':>10}{'bare':>10}")
    for figure, unit in (
        ("rate", "images/s"),
        ("start_s", "start s"),
        ("first_s", "first s"),
        ("peak_mib", "peak MiB"),
    ):
        cells = [f"{found[name][figure]:10.2f}" if figure in found[name] else " " * 10 for name in list(CHILDREN)[:4]]
        print(f"{unit:22}{''.join(cells)}")
    ours = found["detcli"]
    print("\nratios")
    for rival in ("pipeline", "loop"):
        print(f"  rate, detcli / {rival:10}{ours['rate'] / found[rival]['rate']:8.2f}")
    print(f"  rate, detcli / bare network{ours['rate'] / found['bare']['rate']:5.2f}")
    print(f"  first result, detcli / pipeline {ours['first_s'] / found['pipeline']['first_s']:.2f}")
    print(f"  peak memory, detcli / pipeline  {ours['peak_mib'] / found['pipeline']['peak_mib']:.2f}")
    print(f"  peak memory, detcli / loop      {ours['peak_mib'] / found['loop']['peak_mib']:.2f}")
    print(f"\n{'stage, ms a image':22}{'detcli':>10}{'loop':>10}{'ratio':>10}")
    print(
        f"{'start-up, s':22}{ours['start_s']:10.2f}{found['loop']['start_s']:10.2f}{found['loop']['start_s'] / ours['start_s']:10.2f}"
    )
    for stage in STAGES:
        mine, theirs = found["stages"][f"{stage}_ms"], found["loop"][f"{stage}_ms"]
        print(f"{stage:22}{mine:10.2f}{theirs:10.2f}{theirs / max(mine, 1e-6):10.2f}")


if __name__ == "__main__":
    main()
