"""OpenVINO with what it compiled before: an exported file is compiled once for each version and CPU."""

import mmap
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from detcli.errors import DamagedModelError, DeviceError, UnsupportedModelError
from detcli.runtimes.compiled_cache import CompiledEntry, cache_of_environment, entry_name
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.onnx_files import SUFFIX as ONNX_SUFFIX
from detcli.runtimes.exported.openvino_files import openvino_module
from detcli.runtimes.openvino_runtime import OpenVinoRuntime
from detcli.runtimes.process import processors
from detcli.version import __version__

_EXTERNAL_WEIGHTS = b"\x0a\x08location\x12"  # an entry of TensorProto.external_data in onnx.proto
_CPU_FACTS = ("model name", "flags", "Features")  # lines of /proc/cpuinfo


def cached_runtime(
    path: Path, facts: ExportedFacts, *, sha256: str, precision: str, batch: int | None
) -> tuple[OpenVinoRuntime, tuple[str, ...]]:
    """The runtime of an exported file, from the cache, else compiled and kept there; and sentences for the user.

    path       of the file, .xml or .onnx
    sha256     of its content
    precision, batch  as `OpenVinoRuntime` takes them

    Raises what `OpenVinoRuntime` raises; a cache that cannot be read or written is no error.
    """
    cache = cache_of_environment()
    if cache is None or _has_more_files(path):
        return OpenVinoRuntime(path, facts, precision=precision, batch=batch), ()
    depends = {"file": (path.suffix.lower(), sha256), "precision": precision, "batch": batch, **openvino_facts()}
    name = entry_name(path.name, depends)
    entry = cache.read(name)
    if entry is not None:
        with suppress(DeviceError, DamagedModelError):  # blobs that this build of OpenVINO refuses
            return OpenVinoRuntime(None, facts, precision=precision, batch=batch, blobs=entry.blobs), ()
    runtime = OpenVinoRuntime(path, facts, precision=precision, batch=batch)
    note = cache.keep(name, lambda: CompiledEntry(facts, None, (), (), runtime.blobs()))
    return runtime, () if note is None else (note,)


def _has_more_files(path: Path) -> bool:
    """Whether an .onnx file names files with weights, which its checksum does not cover; detcli writes no such file."""
    if path.suffix.lower() != ONNX_SUFFIX:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_EXTERNAL_WEIGHTS) >= 0


def openvino_facts() -> dict[str, Any]:
    """What a compiled network depends on besides the network and its settings: versions and the CPU."""
    try:
        build = openvino_module().get_version()
    except UnsupportedModelError:  # who compiles says why
        build = None
    return {"detcli": __version__, "openvino": build, "cpu": (platform.machine(), _cpu(), processors())}


def _cpu() -> list[str]:
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return sorted({line for line in lines if line.startswith(_CPU_FACTS)})
    return [platform.processor()]
