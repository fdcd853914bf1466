"""Compares the speed of `detcli video`, the bare network and a plain OpenCV loop on the same video and network.

    python benchmarks/video.py
    python benchmarks/video.py --model dfine-n --frames 300 --rounds 3
    python benchmarks/video.py --memory 10000

Each program runs in a separate process, in turn for several rounds, so that changes of the machine's speed affect all
alike; medians are printed. Weights are random (seeded): the work is the same as with trained ones. The ten best boxes of
each frame are kept, with any score, and drawn.

    video     what `detcli video in.mp4 --save-video out.mp4 -o out.jsonl` runs: source, network, sinks
    records   the same without the annotated video: `detcli video in.mp4 -o out.jsonl`
    bare      the network on one prepared batch, at the batch size of `video`, as many batches at a time as it takes
    loop      cv2.VideoCapture, the network on each frame, cv2.rectangle and putText, cv2.VideoWriter (mp4v)

The ratios are those of frames per second: medians of the rounds, with the lowest and the highest. Processor time per
frame is printed too: it is more reliable on a machine that others use at the same time. Time is measured from opening
the video to closing the outputs, without loading the model. The video has sensor noise, which costs bits: `--noise`.

`--memory` runs that number of small frames through a small network and every sink, and prints the memory of the process;
the result is its growth after the first tenth.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks.harness import (
    add_child_options,
    ran_as_child,
    run_child,
    run_in_turn,
    shown_ratio,
    write_random_checkpoint,
)
from benchmarks.synthetic.video_file import RATE, make_video

PASSED_ON = ("device", "frames", "batch", "runtime")
SIZE_HW, SMALL_HW = (720, 1280), (180, 320)
BOXES = 10


def main() -> None:
    """Make the inputs, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dfine-n", help="model of the catalog; weights are random")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--noise", type=float, default=4.0, help="deviation of the sensor noise, of 255")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runtime", default="auto", help="of detcli, the bare network and the loop")
    parser.add_argument("--batch", type=int, default=None, help="batch size of detcli (default: chosen by detcli)")
    parser.add_argument(
        "--memory", type=int, default=0, metavar="FRAMES", help="measure memory over this number of frames"
    )
    add_child_options(parser, CHILDREN)
    arguments = parser.parse_args()
    if ran_as_child(CHILDREN, arguments):
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        make_inputs(arguments)
        if arguments.memory:
            print_memory(run_child(__file__, "memory", arguments, PASSED_ON))
            return
        reports = run_in_turn(__file__, ("video", "records", "bare", "loop"), arguments, PASSED_ON)
        print_table(arguments, reports)


def make_inputs(arguments: argparse.Namespace) -> None:
    """Write a video and a checkpoint with random weights."""
    count, size_hw = (arguments.memory, SMALL_HW) if arguments.memory else (arguments.frames, SIZE_HW)
    make_video(arguments.work / "in.mp4", count, size_hw, noise=arguments.noise)
    small = {"size": {"height": 64, "width": 96}} if arguments.memory else {}
    write_random_checkpoint(arguments.model, arguments.work / "model", **small)


def load(arguments: argparse.Namespace) -> Any:
    """The detector after a first call, which is slower than later ones."""
    import numpy as np

    from detcli.inference.load import load_detector
    from detcli.structures.frame import Frame, Origin

    detector = load_detector(
        str(arguments.work / "model"),
        threshold=0.0,
        max_detections=BOXES,
        batch_size=arguments.batch,
        device=arguments.device,
        runtime=arguments.runtime,
    )
    frame = Frame(Origin(0, "warm", "warm", "warm"), SIZE_HW, np.zeros((*SIZE_HW, 3), np.uint8))
    detector.detect_frames([frame] * detector.batch_size)
    return detector


def video(arguments: argparse.Namespace) -> dict[str, Any]:
    """Detcli with an annotated video and records."""
    return detcli_(arguments, with_video=True)


def records(arguments: argparse.Namespace) -> dict[str, Any]:
    """Detcli with records only."""
    return detcli_(arguments, with_video=False)


def detcli_(arguments: argparse.Namespace, *, with_video: bool, on_result: Any = None) -> dict[str, Any]:
    """Detcli as users run it."""
    from detcli.runtimes.process import tune_process

    tune_process()  # as the command does, before torch is loaded
    from detcli.pipeline.run import run
    from detcli.sinks.results.jsonl import JsonLines
    from detcli.sinks.sink import Sink, SinkSettings
    from detcli.sinks.video.video_writer import VideoWriter
    from detcli.sources.video.video_source import VideoSettings, open_video_source
    from detcli.structures.run_info import RunInfo
    from detcli.version import __version__

    detector = load(arguments)
    run_info = RunInfo("model", None, None, __version__, detector.labels, "now")
    source_path = str(arguments.work / "in.mp4")
    start, used = time.perf_counter(), time.process_time()
    source = open_video_source(source_path, VideoSettings())
    video_info = source.info()
    sinks: list[Sink] = [JsonLines(arguments.work / "ours.jsonl", SinkSettings(run_info))]
    if with_video:
        sinks.append(
            VideoWriter(arguments.work / "ours.mp4", detector.labels, rate=video_info.rate, copy_from=source_path)
        )
    stats = run(source, detector, sinks, on_result=on_result)
    source.close()
    return report(stats.images, start, used, detector.batch_size)


def bare(arguments: argparse.Namespace) -> dict[str, Any]:
    """The network at the same batch size."""
    from detcli.runtimes.process import tune_process

    tune_process()
    import cv2

    from detcli.structures.frame import Frame, Origin

    detector = load(arguments)
    capture = cv2.VideoCapture(str(arguments.work / "in.mp4"))
    frames = []
    for number in range(detector.batch_size):
        _, pixels = capture.read()
        frames.append(Frame(Origin(number, "in", "in", "in"), SIZE_HW, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)))
    batch = detector.preprocessor.batch(frames)
    rounds = -(-arguments.frames // len(frames))
    pending: deque[Any] = deque()
    start, used = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        if len(pending) == detector.runtime.batches_in_flight:
            pending.popleft().result()
        pending.append(detector.runtime.submit(batch))
    while pending:
        pending.popleft().result()
    return report(rounds * len(frames), start, used, len(frames))


def loop(arguments: argparse.Namespace) -> dict[str, Any]:
    """A simple loop with OpenCV."""
    import cv2

    from detcli.structures.frame import Frame, Origin

    detector = load(arguments)
    start, used = time.perf_counter(), time.process_time()
    capture = cv2.VideoCapture(str(arguments.work / "in.mp4"))
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(arguments.work / "loop.mp4"), fourcc, capture.get(cv2.CAP_PROP_FPS), size)
    count = 0
    with (arguments.work / "loop.jsonl").open("w") as lines:
        while True:
            success, pixels = capture.read()
            if not success:
                break
            frame = Frame(Origin(count, "in", "in", "in"), pixels.shape[:2], cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            detections = detector.detect_frames([frame])[0]
            boxes, scores = detections.boxes_xyxy.tolist(), detections.scores.tolist()
            for box, score, class_id in zip(boxes, scores, detections.class_ids.tolist(), strict=True):
                left, top, right, bottom = map(round, box)
                cv2.rectangle(pixels, (left, top), (right, bottom), (0, 255, 0), 2)
                text = f"{detector.labels.names[class_id]} {score:.2f}"
                cv2.putText(pixels, text, (left, top - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 0), 2)
            writer.write(pixels)
            lines.write(json.dumps({"frame": count, "boxes": boxes, "scores": scores}) + "\n")
            count += 1
    writer.release()
    return report(count, start, used, 1)


def report(count: int, start: float, used: float, batch: int) -> dict[str, Any]:
    """Frames per second, and processor milliseconds per frame."""
    seconds, busy = time.perf_counter() - start, time.process_time() - used
    return {"rate": count / seconds, "processor_ms": 1000 * busy / count, "frames": count, "batch": batch}


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Memory of the process after every 500 frames."""
    memory_mib: list[tuple[int, float]] = []
    count = 0

    def note(*_: Any) -> None:
        nonlocal count
        count += 1
        if count % 500 == 0:
            memory_mib.append((count, resident_mib()))

    return detcli_(arguments, with_video=True, on_result=note) | {"memory_mib": memory_mib}


def resident_mib() -> float:
    """Resident memory of this process."""
    import psutil

    return float(psutil.Process().memory_info().rss / 2**20)


CHILDREN = {"video": video, "records": records, "bare": bare, "loop": loop, "memory": memory}


def print_table(arguments: argparse.Namespace, reports: dict[str, list[dict[str, Any]]]) -> None:
    """Print frames per second of each program, then the ratios."""
    rates = {name: statistics.median(report["rate"] for report in rounds) for name, rounds in reports.items()}
    mbit_s = (arguments.work / "in.mp4").stat().st_size * 8 / 1e6 / (arguments.frames / RATE)
    print(
        f"{arguments.model}, {arguments.frames} frames of 1280 x 720 with {mbit_s:.1f} Mbit/s, "
        f"{arguments.rounds} rounds, medians"
    )
    for name, rounds in reports.items():
        every = ", ".join(f"{report['rate']:.2f}" for report in rounds)
        used = statistics.median(report["processor_ms"] for report in rounds)
        print(f"{name:10}{rates[name]:8.2f} frames/s  {used:8.1f} ms processor  batch {rounds[0]['batch']}  ({every})")
    print("\nratios")
    for ours, theirs in (("records", "bare"), ("video", "bare"), ("video", "loop"), ("records", "loop")):
        print(f"  {ours + ' / ' + theirs:18}{shown_ratio(reports[ours], reports[theirs], 'rate')}")


def print_memory(report: dict[str, Any]) -> None:
    """Print memory at each tenth, and its growth."""
    memory_mib = report["memory_mib"]
    for count, mib in memory_mib[:: max(1, len(memory_mib) // 10)]:
        print(f"{count:8} frames {mib:8.1f} MiB")
    early = max(mib for _, mib in memory_mib[: max(1, len(memory_mib) // 10)])
    late = statistics.median(mib for _, mib in memory_mib[-max(1, len(memory_mib) // 10) :])
    print(f"grown by {late - early:.1f} MiB after the first tenth, over {report['frames']} frames")


if __name__ == "__main__":
    main()
