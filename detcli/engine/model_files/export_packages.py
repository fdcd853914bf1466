"""The packages that an export and its check need."""

from importlib.util import find_spec
from pathlib import Path

from detcli.engine.requests.export_request import ExportRequest
from detcli.errors import UsageError
from detcli.extras import install_command

_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}  # of each runtime, which is also the name of its extra


def runtimes_for(path: Path) -> tuple[str, ...]:
    """The installed runtimes that can run a file of this suffix."""
    names = ("openvino",) if path.suffix.lower() == ".xml" else ("openvino", "onnx")
    return tuple(name for name in names if _is_installed(_PACKAGES[name]))


def check_packages(request: ExportRequest) -> None:
    """Raise UsageError where a package is missing that the export or its check needs."""
    missing: dict[str, str] = {}  # package -> its extra
    if not _is_installed("onnx"):
        missing["onnx"] = "onnx"
    if not runtimes_for(request.path):
        missing |= {"openvino": "openvino"} if request.format == "openvino" else {"onnxruntime": "onnx"}
    if missing:
        commands = " && ".join(install_command(extra) for extra in dict.fromkeys(missing.values()))
        raise UsageError(f"an export to {request.format} needs {' and '.join(missing)}, not installed here: {commands}")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # the module is disabled
        return False
