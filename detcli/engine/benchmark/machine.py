"""What a reader of the figures of a benchmark needs to know of the machine."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from detcli.runtimes.process import processors
from detcli.structures.run_info import now
from detcli.version import __version__


def machine_facts() -> dict[str, Any]:
    """Processor, system and versions, as JSON takes them."""
    packages = {}
    for name in ("torch", "openvino", "onnxruntime"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor_name(),
        "processors": processors(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "detcli": __version__,
        "load_average": load_average(),
        "time": now(),
        **packages,
    }


def load_average() -> float | None:
    """How many processes ran or waited in the last minute; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
