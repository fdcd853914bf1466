"""Compares `--device cpu:N` with one process on the same images: images per second of both, and their ratio.

    python benchmarks/devices.py --model dfine-n --images 120 --rounds 5
    python benchmarks/devices.py --model shapes --images 400 --processes 2 --runtime torch

Both are complete runs of `detect` with JSON Lines as output, in processes of their own, in turns, another one first in each
round. They have the same number of threads in total: N processes share the processors. The time is that from the first
image to the last result, since each process takes seconds to start, which long runs do not notice; `start` is that time.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks.harness import Report, add_child_options, ran_as_child, run_child

OPTIONS = ("model", "runtime", "processes", "batch", "images")


def detect_on(device: str, arguments: argparse.Namespace) -> Report:
    """Run `detect` on a device."""
    from detcli.api.detect import detect
    from detcli.engine.observer import Observer, RunStart
    from detcli.runtimes.process import tune_process

    class Clock(Observer):
        """Notes when the first image is listed, and the last result is written."""

        def on_start(self, start: RunStart) -> None:
            self.started = time.monotonic()

        def on_result(self, frame: Any, detections: Any) -> None:
            self.last = time.monotonic()

    tune_process()
    clock, called = Clock(), time.monotonic()
    stats = detect(
        arguments.work / "images",
        model=arguments.model,
        outputs=arguments.work / f"{device.replace(':', '-')}.jsonl",
        if_exists="overwrite",
        device=device,
        runtime=arguments.runtime,
        batch_size=arguments.batch,
        observer=clock,
    )
    return {
        "per_second": stats.images / (clock.last - clock.started),
        "start_s": clock.started - called,
        "boxes": stats.boxes,
    }


PROGRAMS = {
    "one": lambda arguments: detect_on("cpu", arguments),
    "several": lambda arguments: detect_on(f"cpu:{arguments.processes}", arguments),
}


def write_images(folder: Path, count: int) -> None:
    """Synthetic photos as JPEG files."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{number:05}.jpg", quality=90)


def main() -> None:
    """Measure, and print one line for each of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="dfine-n")
    parser.add_argument("--runtime", default="torch", choices=("torch", "openvino"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    add_child_options(parser, PROGRAMS)
    arguments = parser.parse_args()
    if ran_as_child(PROGRAMS, arguments):
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        write_images(arguments.work / "images", arguments.images)
        reports: dict[str, list[Report]] = {name: [] for name in PROGRAMS}
        for round_ in range(arguments.rounds):
            names = list(PROGRAMS) if round_ % 2 == 0 else list(PROGRAMS)[::-1]
            for name in names:
                print(f"round {round_ + 1}: {name}", file=sys.stderr)
                reports[name].append(run_child(__file__, name, arguments, OPTIONS))
    for name, device in (("one", "cpu"), ("several", f"cpu:{arguments.processes}")):
        speeds, starts = ([report[key] for report in reports[name]] for key in ("per_second", "start_s"))
        print(f"{device:8} {statistics.median(speeds):7.1f} images/s   start {statistics.median(starts):.1f} s")
    pairs = zip(reports["several"], reports["one"], strict=True)
    ratios = sorted(several["per_second"] / one["per_second"] for several, one in pairs)
    print(f"ratio    {statistics.median(ratios):7.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} rounds)")


if __name__ == "__main__":
    main()
