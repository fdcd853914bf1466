"""Changes of the whole process that make a run faster or exact; a run makes none of them, only the command line does."""

from detcli.engine.requests.run_request import ComputeSettings
from detcli.runtimes.process import keep_freed_memory, limit_camera_silence, limit_spinning, processors

__all__ = ["keep_freed_memory", "processors", "tune_process", "tune_process_for_video"]


def tune_process_for_video() -> None:
    """Let torch's waiting threads sleep soon, while others decode and draw, and notice silent cameras soon.

    Call it before torch and OpenCV are imported.
    """
    limit_spinning()
    limit_camera_silence()


def tune_process(compute: ComputeSettings) -> None:
    """Keep freed memory for the next batch, and use deterministic kernels where `deterministic` asks for them.

    Call it before the model is loaded.
    """
    keep_freed_memory()
    if compute.deterministic:
        from detcli.runtimes.torch_runtime import choose_device, use_deterministic_kernels

        use_deterministic_kernels(choose_device(compute.device))
