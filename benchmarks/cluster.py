"""Compares a run on a Ray cluster of this machine with one process, in turn for several rounds.

    python benchmarks/cluster.py --images 2000 --rounds 3

Needs the extra `ray`. Both detect with the bundled model in the same files and write JSON lines. The time of
the cluster without its start, divided by that of one process, is what chunks, parts and their merging cost. Do not publish what
was measured while others used the machine.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the checkout: works without installation

from benchmarks.harness import (
    Program,
    Report,
    add_child_options,
    describe_machine,
    median,
    ran_as_child,
    run_in_turn,
    shown_ratio,
)


def program(cluster: str | None) -> Program:
    """Detcli with the bundled model, here or on a cluster."""

    def run(arguments: argparse.Namespace) -> Report:
        import detcli

        started = time.monotonic()
        stats = detcli.detect(
            arguments.work / "images",
            model="shapes",
            device="cpu",
            runtime=arguments.runtime,
            outputs=arguments.work / f"{cluster}.jsonl",
            if_exists="overwrite",
            cluster=cluster,
            cluster_workers=arguments.workers if cluster else None,
        )
        return {
            "rate": stats.images / stats.seconds,
            "seconds": stats.seconds,
            "start_s": time.monotonic() - started - stats.seconds,
        }

    return run


PROGRAMS = {"process": program(None), "cluster": program("local")}


def main() -> None:
    """Run both, and print speeds, starts and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="workers of the cluster")
    parser.add_argument("--runtime", default="auto")
    add_child_options(parser, PROGRAMS)
    arguments = parser.parse_args()
    if ran_as_child(PROGRAMS, arguments):
        return
    from detcli.engine.benchmark.photo_files import make_images

    with tempfile.TemporaryDirectory() as folder:
        arguments.work = Path(folder)
        make_images(arguments.work / "images", arguments.images)
        reports = run_in_turn(__file__, list(PROGRAMS), arguments, ["workers", "runtime"])
    print(f"{arguments.images} images, {arguments.rounds} rounds, medians\n{describe_machine()}\n")
    for name, found in reports.items():
        print(f"{name:8} {median(found, 'rate'):8.1f} images/s, start {median(found, 'start_s'):6.2f} s")
    print(f"  time of cluster / process: {shown_ratio(reports['cluster'], reports['process'], 'seconds')}")


if __name__ == "__main__":
    main()
