"""Compares a run over images in an object store, and with its results there, with one over files, in turn for several rounds.

    python benchmarks/object_store.py --images 500 --rounds 3

Needs the extra `s3` and moto, whose S3 server runs on this machine in a process of its own, and takes a part of it: the ratio is
a lower limit of what a real store gives, but for its latency. Do not publish what was measured while others used the machine.
"""

import argparse
import os
import subprocess
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

_SERVER = """
import time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
time.sleep(1e9)
"""


def program(name: str) -> Program:
    """Detcli with the bundled model, on files or on objects."""

    def run(arguments: argparse.Namespace) -> Report:
        import detcli

        source = f"{arguments.work}/images" if name == "files" else "s3://photos/images/"
        output = f"{arguments.work}/out.jsonl" if name == "files" else "s3://photos/out.jsonl"
        started = time.monotonic()
        stats = detcli.detect(
            source, model="shapes", device="cpu", runtime=arguments.runtime, outputs=output, if_exists="overwrite"
        )
        start_s = time.monotonic() - started - stats.seconds
        return {"rate": stats.images / stats.seconds, "seconds": stats.seconds, "start_s": start_s}

    return run


PROGRAMS = {"files": program("files"), "objects": program("objects")}


def upload(folder: Path, port: int) -> None:
    """Put the images of a folder into the store that the environment names."""
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    import s3fs

    store = s3fs.S3FileSystem()
    store.mkdir("photos")
    store.put(f"{folder}/", "photos/images/", recursive=True)


def main() -> None:
    """Run both, and print speeds, starts and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="auto")
    add_child_options(parser, PROGRAMS)
    arguments = parser.parse_args()
    if ran_as_child(PROGRAMS, arguments):
        return
    from detcli.engine.benchmark.photo_files import make_images

    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        port = next(int(line) for line in server.stdout if line.strip().isdecimal())
        with tempfile.TemporaryDirectory() as folder:
            arguments.work = Path(folder)
            make_images(arguments.work / "images", arguments.images)
            upload(arguments.work / "images", port)
            reports = run_in_turn(__file__, list(PROGRAMS), arguments, ["runtime"])
    finally:
        server.kill()
    print(f"{arguments.images} images, {arguments.rounds} rounds, medians\n{describe_machine()}\n")
    for name, found in reports.items():
        print(f"{name:8} {median(found, 'rate'):8.1f} images/s, start {median(found, 'start_s'):6.2f} s")
    print(f"  images/s of objects / files: {shown_ratio(reports['objects'], reports['files'], 'rate')}")


if __name__ == "__main__":
    main()
