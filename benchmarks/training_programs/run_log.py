"""What every program of `benchmarks/real_data.py` gets and leaves: its job, its validations with times, its models.

Only the standard library: the programs of other packages import it in their own environments.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Point = Mapping[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What a program does.

    data     folder with train.json, val.json, test.json and images/
    work     folder for everything that it writes
    marks_s  budgets in seconds since `started`, ascending; training ends before the last one
    started  when the benchmark started the process, as time.time()
    size     input side in pixels
    threads  of torch, and processes or threads that read images
    seed     random seed
    options  of this program
    """

    data: str
    work: str
    marks_s: tuple[float, ...]
    started: float
    size: int
    threads: int
    seed: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def data_folder(self) -> Path:
        """The folder of the data."""
        return Path(self.data)

    @property
    def folder(self) -> Path:
        """The folder for everything that is written."""
        return Path(self.work)

    @property
    def budget_s(self) -> float:
        """The largest budget."""
        return self.marks_s[-1]

    def elapsed(self) -> float:
        """Seconds since the process was started."""
        return time.time() - self.started

    def left(self) -> float:
        """Seconds until the largest budget is used up."""
        return self.budget_s - self.elapsed()

    def to_json(self) -> str:
        """The job for the command line of the process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The job that `to_json` wrote."""
        values = json.loads(text)
        return cls(**values | {"marks_s": tuple(values["marks_s"])})


class RunLog:
    """The validations of a run and its best models so far.

    `kept/` has, for each budget, the best model that was complete before it; older ones are removed.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.points: list[dict[str, Any]] = []
        self._lines = job.folder / "validations.jsonl"

    def add(self, *, epoch: int, images: int, ap: float, save: Callable[[Path], Any] | None) -> None:
        """Note a validation.

        epoch   number of finished epochs
        images  number of images that were trained on so far
        ap      of the program's own validation, 0 to 1
        save    writes the model into a new folder; None: it is not the best so far
        """
        point = {
            "seconds": round(self.job.elapsed(), 2),
            "cpu_seconds": round(cpu_seconds(), 2),
            "epoch": epoch,
            "images": images,
            "ap": ap,
            "kept": None,
        }
        if save is not None:
            folder = self.job.folder / "kept" / f"{len(self.points) + 1:05d}"
            folder.mkdir(parents=True)
            save(folder)
            point["kept"] = str(folder)
        self.points.append(point)
        with self._lines.open("a") as stream:
            stream.write(json.dumps(point) + "\n")
        self._remove_replaced()

    def _remove_replaced(self) -> None:
        """Remove models that are the best of no budget."""
        wanted = {point["kept"] for mark in self.job.marks_s if (point := best_at(self.points, mark)) is not None}
        for folder in (self.job.folder / "kept").glob("*"):
            if str(folder) not in wanted:
                shutil.rmtree(folder)

    def finish(self, predict: Callable[[Path], Sequence[Result]], **facts: Any) -> None:
        """Write the detections in the test images of the best model at each budget, and the report.

        predict  the detections of a kept model as COCO results: image_id, category_id, bbox, score
        facts    more fields of the report
        """
        found: dict[str, Sequence[Result]] = {}
        at_marks: list[dict[str, Any]] = []
        for mark in self.job.marks_s:
            best, last = best_at(self.points, mark), last_at(self.points, mark)
            if best is not None and best["kept"] not in found:
                found[best["kept"]] = predict(Path(best["kept"]))
            at_marks.append(
                {"mark_s": mark, "best": best, "last": last, "results": None if best is None else found[best["kept"]]}
            )
        curve = [[point["seconds"], point["ap"]] for point in self.points]
        report = {"marks": at_marks, "wall_s": curve[-1][0] if curve else None, "curve": curve, **facts}
        (self.job.folder / "report.json").write_text(json.dumps(report))


def last_at(points: Sequence[Point], mark_s: float) -> Point | None:
    """The last validation that was complete at a time; None before the first one."""
    return next((point for point in reversed(points) if point["seconds"] <= mark_s), None)


def best_at(points: Sequence[Point], mark_s: float) -> Point | None:
    """The validation of the best model that was complete at a time; None before the first one."""
    kept = [point for point in points if point["kept"] is not None]
    return last_at(kept, mark_s)


def cpu_seconds() -> float:
    """CPU time of this process and of its children: those that ended, and on Linux those that run."""
    times = os.times()
    return sum(times[:4]) + _running_children_seconds()


def _running_children_seconds() -> float:
    stats: dict[int, tuple[int, float]] = {}
    if not sys.platform.startswith("linux"):
        return 0.0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        stats[int(file.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    own, total = {os.getpid()}, 0.0
    while own:
        own = {process for process, (parent, _) in stats.items() if parent in own}
        total += sum(stats[process][1] for process in own)
    return total
