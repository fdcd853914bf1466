"""Trains detcli and other programs on a folder of annotated photographs in the same time, and evaluates them alike.

    python benchmarks/real_data.py DIR --minutes 10 20 45 --results results.jsonl
    python benchmarks/real_data.py --results results.jsonl --table --plot curves.png

DIR has train.json, val.json and test.json (COCO annotations) and images/. The programs run one after the other, each in a
process of its own with the same number of threads:

    detcli        `detcli train` with `--recipe`, from `--start`, on `--device`
    detcli-plain  the same from the model `shapes` with the published recipe of dfine-s at batch size 8
    transformers  Trainer on the same network from the same weights (`shapes`), with the settings and augmentation of its
                  example for object detection; `--transformers-python` has transformers, accelerate and albumentations
    ultralytics   a YOLO from scratch with its default settings; `--ultralytics-python` has ultralytics (AGPL)

The largest of `--minutes` is the budget of a run, from the start of the process to the end of its last validation:
imports, reading, measuring steps, and the validations of all epochs count. Learning rates and number of epochs are fitted
to it. For each smaller budget, the model counts that was the best on the validation images until then. With `--separate`
each budget has a run of its own, fitted to it.

The best models are evaluated on the test images, which no program has seen, from the boxes in pixels of the original
images, by the same COCO evaluation. `false` counts boxes with a score of at least 0.25 that match no object of their
class at an IoU of 0.5. `--results` gets a JSON line for each program and budget; `--table` and `--plot` show all of its
lines. Times compare only if nothing else runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks.training_programs.run_log import Job

ROOT = Path(__file__).resolve().parents[1]
Options = dict[str, Any]
MODEL = ROOT / "detcli" / "checkpoints" / "shapes"
PLAIN_RECIPE = ROOT / "benchmarks" / "training_programs" / "plain.toml"


def main() -> None:
    """Run the programs, write their lines, show the results."""
    arguments = parsed()
    if arguments.data is not None:
        for name, minutes in runs(arguments):
            print(f"{name}: {', '.join(f'{value:g}' for value in minutes)} minutes", file=sys.stderr)
            lines = run_program(name, minutes, arguments)
            with arguments.results.open("a") as stream:
                stream.write("".join(json.dumps(line) + "\n" for line in lines))
    if arguments.table or arguments.plot is not None:
        from benchmarks.training_programs.results import plot_curves, table

        lines = [json.loads(line) for line in arguments.results.read_text().splitlines()]
        if arguments.table:
            print(table(lines))
        if arguments.plot is not None:
            plot_curves(lines, arguments.plot)


def parsed(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The checked arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", metavar="DIR", help="train.json, val.json, test.json and images/")
    parser.add_argument("--program", action="append", choices=list(PROGRAMS), help="repeatable; all by default")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 20, 45], metavar="M", help="budgets")
    parser.add_argument("--separate", action="store_true", help="a run of its own for each budget")
    parser.add_argument("--size", type=int, default=320, help="input side in pixels")
    parser.add_argument("--threads", type=int, default=2, help="of torch, and readers of images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="JSON lines, appended")
    parser.add_argument("--table", action="store_true", help="print all lines of --results")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw AP on the validation images over minutes (PNG)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep models and logs here; temporary by default")
    own = parser.add_argument_group("detcli")
    own.add_argument("--recipe", type=Path, metavar="FILE", help="TOML; that of the model by default")
    own.add_argument("--start", choices=["shapes", "scratch"], default="shapes")
    own.add_argument("--device", default="cpu", metavar="NAME", help="cpu, or cpu:N for N processes")
    own.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of the recipe")
    own.add_argument("--label", default="detcli", help="name of the program in the results")
    others = parser.add_argument_group("other programs")
    others.add_argument("--transformers-python", type=Path, default=Path(sys.executable), metavar="PATH")
    others.add_argument("--transformers-lr", type=float, default=5e-5, metavar="RATE")
    others.add_argument("--ultralytics-python", type=Path, metavar="PATH")
    others.add_argument("--yolo", default="yolo11n.yaml", help="network of ultralytics")
    arguments = parser.parse_args(given)
    if arguments.data is None and not arguments.table and arguments.plot is None:
        parser.error("give DIR to run, or --table or --plot to show what is in --results")
    needed = ("train.json", "val.json", "test.json", "images")
    missing = [name for name in needed if arguments.data is not None and not (arguments.data / name).exists()]
    if missing:
        parser.error(f"'{arguments.data}' has no {', '.join(missing)}")
    arguments.program = arguments.program or list(PROGRAMS)
    if arguments.data is not None and "ultralytics" in arguments.program and arguments.ultralytics_python is None:
        parser.error("ultralytics needs --ultralytics-python, or choose others with --program")
    return arguments


def runs(arguments: argparse.Namespace) -> list[tuple[str, tuple[float, ...]]]:
    """Each run: a program and its budgets in minutes, ascending; the last one is that of the run."""
    minutes = tuple(sorted(set(arguments.minutes)))
    budgets = [(value,) for value in minutes] if arguments.separate else [minutes]
    return [(name, each) for name in dict.fromkeys(arguments.program) for each in budgets]


def run_program(name: str, minutes: Sequence[float], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and predict in a process of its own; returns the lines of the results."""
    from benchmarks.training_programs.results import result_lines

    script, python, options = PROGRAMS[name](arguments)
    label = arguments.label if name == "detcli" else name
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) if arguments.work is None else arguments.work
        work = (base / f"{label}-{minutes[-1]:g}-seed{arguments.seed}").resolve()
        if work.exists():
            raise SystemExit(f"'{work}' has an earlier run: remove it, or choose another --work")
        work.mkdir(parents=True)
        job = Job(
            data=str(arguments.data.resolve()),
            work=str(work),
            marks_s=tuple(60 * value for value in minutes),
            started=time.time(),
            size=arguments.size,
            threads=arguments.threads,
            seed=arguments.seed,
            options=options,
        )
        command = [str(python), "-m", f"benchmarks.training_programs.{script}", job.to_json()]
        with (work / "log.txt").open("w") as log:
            finished = subprocess.run(
                command, cwd=work, env=environment(work, arguments.threads), stdout=log, stderr=subprocess.STDOUT
            )
        if finished.returncode != 0:
            raise SystemExit(f"{name} failed:\n{(work / 'log.txt').read_text()[-3000:]}")
        return result_lines(label, job, json.loads((work / "report.json").read_text()))


def environment(work: Path, threads: int) -> dict[str, str]:
    """The environment of a program: the same threads for all, no network, nothing written outside of its folder."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "YOLO_CONFIG_DIR": str(work),
        "YOLO_OFFLINE": "true",
        "MPLCONFIGDIR": str(work / "matplotlib"),
    }


def _detcli(arguments: argparse.Namespace) -> tuple[str, Path, Options]:
    recipe = None if arguments.recipe is None else str(arguments.recipe.resolve())
    return _detcli_run({"recipe": recipe, "start": arguments.start, "set": arguments.set, "device": arguments.device})


def _detcli_plain(arguments: argparse.Namespace) -> tuple[str, Path, Options]:
    return _detcli_run({"recipe": str(PLAIN_RECIPE), "start": "shapes", "set": [], "device": "cpu"})


def _detcli_run(options: Options) -> tuple[str, Path, Options]:
    return "detcli_program", Path(sys.executable), options


def _transformers(arguments: argparse.Namespace) -> tuple[str, Path, Options]:
    options = {"model": str(MODEL), "batch": 8, "lr": arguments.transformers_lr}
    return "transformers_program", arguments.transformers_python, options


def _ultralytics(arguments: argparse.Namespace) -> tuple[str, Path, Options]:
    return "ultralytics_program", arguments.ultralytics_python, {"model": arguments.yolo, "batch": 16}


PROGRAMS: dict[str, Callable[[argparse.Namespace], tuple[str, Path, Options]]] = {
    "detcli": _detcli,
    "detcli-plain": _detcli_plain,
    "transformers": _transformers,
    "ultralytics": _ultralytics,
}


if __name__ == "__main__":
    main()
