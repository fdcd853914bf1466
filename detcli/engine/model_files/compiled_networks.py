"""The cache of networks that OpenVINO compiled, for commands that show and empty it, and which runtime `auto` takes."""

from detcli.libraries import is_installed
from detcli.runtimes.compiled_cache import (
    MAX_TOTAL_BYTES,
    VARIABLE,
    CompiledCache,
    StoredNetwork,
    cache_of_environment,
)
from detcli.runtimes.gpu_support import may_have_gpu

__all__ = [
    "MAX_TOTAL_BYTES",
    "VARIABLE",
    "CompiledCache",
    "StoredNetwork",
    "automatic_runtime",
    "cache_of_environment",
]


def automatic_runtime() -> tuple[str, str]:
    """The runtime that `auto` takes for checkpoints of one image size here, and why, as the end of a sentence."""
    missing = [name for name in ("openvino", "onnx") if not is_installed(name)]
    if missing:
        return "torch", f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
    if may_have_gpu():
        return "torch", "there is a GPU"
    if cache_of_environment() is None:
        return "torch", "compiled networks are not kept"
    return "openvino", "it is faster on a CPU"
