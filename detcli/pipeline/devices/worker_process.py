"""The process of one device: it gets images on standard input and sends results to standard output.

It ends with its parent: standard input stays open until the parent ends, in whatever way. It writes no files of a run.
"""

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, BinaryIO


def begin() -> tuple[dict[str, Any], BinaryIO, BinaryIO]:
    """Set up a process that `Worker` started: what it was given, and the pipes from and to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    given = json.loads(sys.argv[1])
    if given["processors"] and hasattr(os, "sched_setaffinity"):  # on Linux
        with suppress(OSError):  # they are no longer this process's
            os.sched_setaffinity(0, given["processors"])
    sys.path[:] = given["path"]
    return (given, *_streams())


def main() -> None:
    """Work until the parent ends."""
    given, requests, answers = begin()
    from detcli.runtimes.process import keep_freed_memory, limit_spinning, skip_openvino_converter

    limit_spinning()
    keep_freed_memory()
    skip_openvino_converter()
    from detcli.pipeline.devices.worker_run import WorkerRun

    if given["uses_torch"]:
        with suppress(ImportError):  # loading the model says what is missing
            importlib.import_module("detcli.inference.load_checkpoint")  # takes seconds, while another one loads
    WorkerRun(requests, answers).work()


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Both pipes; what a library prints goes to standard error, and nothing else reads from the parent."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


if __name__ == "__main__":
    main()
