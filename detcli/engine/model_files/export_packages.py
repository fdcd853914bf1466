"""The packages that an export and its check need."""

from importlib.util import find_spec
from pathlib import Path

from detcli.engine.requests.export_request import ExportRequest
from detcli.errors import UsageError
from detcli.extras import install_command

_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}  # of each runtime, which is also the name of its extra


def runtimes_for(path: Path, precision: str) -> tuple[str, ...]:
    """The installed runtimes that can run a file of this suffix and precision."""
    if path.suffix.lower() == ".xml":
        names: tuple[str, ...] = ("openvino",)
    else:  # OpenVINO computes other numbers from an int8 .onnx file
        names = ("onnx",) if precision == "int8" else ("openvino", "onnx")
    return tuple(name for name in names if _is_installed(_PACKAGES[name]))


def check_packages(request: ExportRequest) -> None:
    """Raise UsageError where a package is missing that the export or its check needs."""
    missing: dict[str, str] = {}  # package -> its extra
    if not _is_installed("onnx"):
        missing["onnx"] = "onnx"
    if request.precision == "int8":
        # NNCF runs the graph that it quantizes.
        needed = {"nncf": "int8"} | ({"openvino": "int8"} if request.format == "openvino" else {"onnxruntime": "onnx"})
        missing |= {package: extra for package, extra in needed.items() if not _is_installed(package)}
    if not runtimes_for(request.path, request.precision):
        missing |= {"openvino": "openvino"} if request.format == "openvino" else {"onnxruntime": "onnx"}
    if missing:
        commands = " && ".join(install_command(extra) for extra in dict.fromkeys(missing.values()))
        what = f"an export to {request.format}" + (" in int8" if request.precision == "int8" else "")
        raise UsageError(f"{what} needs {' and '.join(missing)}, not installed here: {commands}")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # the module is disabled
        return False
