"""What the benchmarks share: programs in processes of their own, in turn for several rounds; medians, ratios, spreads."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Report = dict[str, Any]
Program = Callable[[argparse.Namespace], Report]


def add_child_options(parser: argparse.ArgumentParser, programs: Mapping[str, Program]) -> None:
    """Add the options by which a script starts itself as one of its programs."""
    parser.add_argument("--child", choices=list(programs), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)


def ran_as_child(programs: Mapping[str, Program], arguments: argparse.Namespace) -> bool:
    """Run the program of `--child`, if there is one, and print its report with the peak memory of the process."""
    if arguments.child is None:
        return False
    from detcli.runtimes.process import peak_memory_bytes

    report = programs[arguments.child](arguments)
    peak = peak_memory_bytes()
    print(json.dumps({"peak_mib": None if peak is None else peak / 2**20, **report}))
    return True


def run_child(script: str, name: str, arguments: argparse.Namespace, options: Sequence[str]) -> Report:
    """Run one program in a new process and return its report.

    options  names of the arguments that it gets; those that are None are left out
    """
    command = [sys.executable, script, "--child", name, "--work", str(arguments.work)]
    for option in options:
        value = getattr(arguments, option.replace("-", "_"))
        command += [] if value is None else [f"--{option}", str(value)]
    environment = os.environ | {
        "STARTED": repr(time.time()),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    report: Report = json.loads(finished.stdout.splitlines()[-1])
    return report


def run_in_turn(
    script: str, names: Sequence[str], arguments: argparse.Namespace, options: Sequence[str]
) -> dict[str, list[Report]]:
    """Run every program once, then all of them again: changes of the machine's speed affect all alike.

    arguments.rounds  how often

    returns the reports of each program, in the order of the rounds
    """
    reports: dict[str, list[Report]] = {name: [] for name in names}
    for round_ in range(arguments.rounds):
        for name in names:
            print(f"round {round_ + 1}: {name}", file=sys.stderr)
            reports[name].append(run_child(script, name, arguments, options))
    return reports


def since_start() -> float:
    """Seconds since the parent started this process."""
    return time.time() - float(os.environ["STARTED"])


def median(reports: Sequence[Report], key: str) -> float | None:
    """Median of a value over the rounds; None where a program does not have it."""
    values = [report[key] for report in reports if report.get(key) is not None]
    return statistics.median(values) if values else None


def ratios(reports: Sequence[Report], others: Sequence[Report], key: str) -> list[float]:
    """The ratio of a value in each round, in which both programs ran shortly after each other; sorted."""
    return sorted(one[key] / other[key] for one, other in zip(reports, others, strict=True))


def shown_ratio(reports: Sequence[Report], others: Sequence[Report], key: str) -> str:
    """Median and spread of the ratios: "1.32 (1.25 to 1.40)"."""
    every = ratios(reports, others, key)
    return f"{statistics.median(every):.2f} ({every[0]:.2f} to {every[-1]:.2f})"


def describe_machine() -> str:
    """Processor, versions and load: what a reader of the figures needs."""
    from detcli.engine.benchmark.run_benchmark import machine_facts

    return ", ".join(f"{name} {value}" for name, value in machine_facts().items())


def write_random_checkpoint(model: str, folder: Path, **preprocessor: Any) -> None:
    """Write a model of the catalog with random weights (seeded): the work is the same as with trained ones."""
    import torch

    from detcli.checkpoints.catalog import CATALOG
    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.models.family import FAMILIES

    entry = CATALOG[model]
    family = FAMILIES[entry.family]
    variant = entry.name.removeprefix(entry.family.replace("_", "-")).removeprefix("-")
    config = family.published_config(variant, tuple(f"class {i}" for i in range(entry.label_count)))
    torch.manual_seed(0)
    tensors = family.write_weights(family.build(config).state_dict(), config)
    write_checkpoint(folder, family.write_config(config), {**family.preprocessor, **preprocessor}, tensors)
