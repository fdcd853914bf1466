"""Runs one job of a benchmark in a process of its own, and returns its answer."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from detcli.runtimes.compiled_cache import VARIABLE
from detcli.structures.stop_signal import StopSignal

_MODULE = "detcli.engine.benchmark.case_process"
_PACKAGE = Path(__file__).resolve().parents[3]  # the folder that has detcli in it
_POLL_S = 0.1


def run_job(job: dict[str, Any], folder: Path, stop: StopSignal) -> dict[str, Any] | None:
    """Run a job of `case_process` and return its answer; one with the key `error` if it fails, None where `stop` ended it.

    folder  for temporary files; networks that OpenVINO compiles are kept in it, not in the user's cache
    """
    command = [sys.executable, "-P", "-m", _MODULE]
    with (folder / "answer").open("w+b") as answer, (folder / "errors").open("w+b") as errors:
        process = subprocess.Popen(  # noqa: S603 - a module of detcli
            command,
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=errors,
            env=_environment(folder),
            start_new_session=True,  # Ctrl-C reaches this process, which ends the other
        )
        try:
            _send(process, job | {"started": time.time()})
            while process.poll() is None and not stop.is_set():
                try:
                    process.wait(_POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if stop.is_set():
            return None
        answer.seek(0)
        errors.seek(0)
        return _parsed(answer.read(), errors.read(), process.returncode)


def _environment(folder: Path) -> dict[str, str]:
    given = os.environ.get("PYTHONPATH")
    changes = {"PYTHONPATH": os.pathsep.join([str(_PACKAGE), *([given] if given else [])])}
    if os.environ.get(VARIABLE) != "":  # the user wants no cache
        changes[VARIABLE] = str(folder / "compiled")
    return os.environ | changes


def _send(process: "subprocess.Popen[bytes]", job: dict[str, Any]) -> None:
    if process.stdin is not None:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()


def _parsed(answer: bytes, errors: bytes, code: int) -> dict[str, Any]:
    lines = answer.splitlines()
    try:
        parsed: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = errors.decode(errors="replace").strip().splitlines()
        killed = "the process was killed, perhaps for lack of memory" if code < 0 else f"the process failed with {code}"
        return {"error": said[-1][:500] if said and code > 0 else killed}
    return parsed
