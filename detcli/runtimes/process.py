"""Settings of the whole process that make inference faster or repeatable. Only programs call this, never the library."""

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

_FEW_CPUS = 4  # with more, there are CPUs left for the work next to the network
# A few hundredths of a millisecond: OpenMP's own default when it has more threads than CPUs.
_SPIN_COUNT = "1000"
_CAMERA_SILENCE_S = "5"
_OPENVINO_CONVERTER = "openvino.tools.ovc"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def tune_process() -> None:
    """Make the whole process faster at inference and training; call it before torch is imported and models are loaded."""
    limit_spinning()
    keep_freed_memory()


def limit_spinning() -> None:
    """Let OpenMP threads that wait for each other sleep soon, on machines with few CPUs.

    Decoding, drawing and encoding run next to the network. While one of them, or another program, holds a CPU that torch
    counts on, the other threads of GNU OpenMP spin for milliseconds at each step and take the time of the rest: on two
    CPUs with other work, the frame rate falls to a third or less.

    Variables that the user set stay. It has no effect after torch is imported, or with another OpenMP.
    """
    is_set = any(name in os.environ for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"))
    if not is_set and (os.cpu_count() or 1) <= _FEW_CPUS:
        os.environ["GOMP_SPINCOUNT"] = _SPIN_COUNT


def limit_camera_silence() -> None:
    """Let OpenCV wait 5 s for an image of a camera instead of 10, after which the camera counts as lost.

    A value that the user set stays. It has no effect after OpenCV is imported, or on other systems than Linux.
    """
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", _CAMERA_SILENCE_S)


def skip_openvino_converter() -> None:
    """Let the next `import openvino` leave out its converter of other formats, which nothing here calls.

    The converter takes most of the time of that import, and sends a usage event over the network each time. Importing it
    by its own name still works. It has no effect after OpenVINO is imported.
    """
    if "openvino" not in sys.modules and not any(isinstance(finder, _SkippedOnce) for finder in sys.meta_path):
        sys.meta_path.insert(0, _SkippedOnce(_OPENVINO_CONVERTER))


class _SkippedOnce:
    """An import finder that hides a module from the first import of it: that of its package, which can do without."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raise ModuleNotFoundError for the module, once; other finders find all others."""
        if name == self._module:
            sys.meta_path.remove(self)
            raise ModuleNotFoundError(f"{name} is skipped", name=name)


def keep_freed_memory() -> bool:
    """Tell glibc to keep large freed blocks instead of returning them to the system and faulting them in at each step.

    A network allocates and frees the same hundreds of megabytes for each batch; on two CPUs this makes it 1.4 to 1.8
    times as fast. Both thresholds are needed: with one of them alone the blocks are still returned. Returns whether it
    took effect.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))


def processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_bytes() -> int | None:
    """Peak memory of this process since its program started; None where the system does not tell.

    Linux also counts the memory of the parent process at the time of the fork in `ru_maxrss`, so it is read elsewhere.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
