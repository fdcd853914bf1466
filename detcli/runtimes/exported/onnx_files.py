"""ONNX files: open them with ONNX Runtime, read and check what they say about themselves."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.extras import install_command
from detcli.libraries import optional_library
from detcli.runtimes.exported.exported_facts import METADATA_KEY, ExportedFacts, read_facts

if TYPE_CHECKING:
    import onnxruntime

SUFFIX = ".onnx"
_SEVERE = 4  # log level: only fatal messages, since errors are raised too


def open_session(path: Path) -> "onnxruntime.InferenceSession":
    """Open a file for inference on the CPU.

    Raises UnsupportedModelError if ONNX Runtime is not installed, and DamagedModelError for a file that it cannot read.
    """
    runtime: Any = _onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = _SEVERE
    if hasattr(os, "sched_getaffinity"):
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
    try:
        return runtime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class but Exception
        message = str(error).strip().splitlines()
        raise DamagedModelError(
            f"'{path}': ONNX Runtime cannot read it: {message[0][:200] if message else ''}"
        ) from error


def read_onnx_facts(path: Path) -> ExportedFacts:
    """Read the metadata of a file. Raises as `open_session` and `read_facts` do."""
    session = open_session(path)
    return read_facts(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path)


def check_signature(session: "onnxruntime.InferenceSession", facts: ExportedFacts, path: Path) -> None:
    """Check that inputs and outputs are those of the metadata. Raises DamagedModelError."""
    inputs = [(one.name, one.type) for one in session.get_inputs()]
    outputs = [one.name for one in session.get_outputs()]
    if inputs != [("pixels", "tensor(float)")] or outputs != list(facts.output_names):
        names = ", ".join(name for name, _ in inputs)
        raise DamagedModelError(
            f"'{path}' takes ({names}) and returns ({', '.join(outputs)}), but its metadata says (pixels) and "
            f"({', '.join(facts.output_names)})"
        )


def _onnxruntime() -> Any:
    return optional_library(
        "onnxruntime",
        need="an .onnx file needs the package",
        install=install_command("onnx"),
        error_type=UnsupportedModelError,
    )
