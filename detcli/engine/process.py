"""Changes of the whole process that make a run faster or exact; a run makes none of them, only the command line does."""

from detcli.engine.requests.run_request import ComputeSettings
from detcli.libraries import is_installed
from detcli.runtimes.device_list import is_several
from detcli.runtimes.process import (
    keep_freed_memory,
    limit_camera_silence,
    limit_spinning,
    processors,
    skip_openvino_converter,
)

__all__ = ["keep_freed_memory", "processors", "skip_openvino_converter", "tune_process", "tune_process_for_video"]


def tune_process_for_video() -> None:
    """Let torch's waiting threads sleep soon, while others decode and draw, and notice silent cameras soon.

    Call it before torch and OpenCV are imported.
    """
    limit_spinning()
    limit_camera_silence()


def tune_process(compute: ComputeSettings) -> None:
    """Keep freed memory for the next batch, import OpenVINO without its converter, and use deterministic kernels on request.

    Call it before the model is loaded.
    """
    keep_freed_memory()
    skip_openvino_converter()
    is_here = compute.deterministic and not is_several(compute.device)  # other processes tune themselves
    if is_here and is_installed("torch"):  # without torch, loading the model says what is missing
        from detcli.runtimes.torch_runtime import choose_device, use_deterministic_kernels

        use_deterministic_kernels(choose_device(compute.device))
