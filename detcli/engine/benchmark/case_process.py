"""The process of one measurement: reads its job from standard input, writes the record as JSON to standard output.

The process ends with its parent: standard input stays open until the parent ends.
"""

import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detcli.engine.benchmark.benchmark_request import BenchmarkCase


def main() -> None:
    """Run the job."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    case = _case(job["case"])
    if job["kind"] == "export":
        from detcli.engine.benchmark.export_case import export_case

        masks = job["task"] is not None
        export_case(case, Path(job["path"]), revision=job["revision"], cache_dir=job["cache_dir"], masks=masks)
        answer: dict[str, Any] = {}
    else:
        answer = measure(case, job)
    sys.stdout.write(json.dumps(answer) + "\n")


def measure(case: BenchmarkCase, job: dict[str, Any]) -> dict[str, Any]:
    """Measure a case in this process; `job` is as in `Measurement`, with the time of the start of the process."""
    from detcli.engine.process import tune_process, tune_process_for_video
    from detcli.engine.requests.run_request import ComputeSettings

    tune_process_for_video()  # as the commands do, before torch is imported
    tune_process(ComputeSettings(device=job["device"]))
    from detcli.engine.benchmark.measure_case import Measurement

    measurement = Measurement(case, job, started=float(job["started"]))
    return asdict(measurement.run())


def _case(fields: dict[str, Any]) -> BenchmarkCase:
    size = fields.pop("image_size")
    return BenchmarkCase(**fields, image_size=None if size is None else (size[0], size[1]))


def _end_with_parent() -> None:
    while sys.stdin.readline():
        time.sleep(0)
    os._exit(1)


if __name__ == "__main__":
    from detcli.errors import DetcliError

    try:
        main()
    except DetcliError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the thread that waits for the parent holds standard input
