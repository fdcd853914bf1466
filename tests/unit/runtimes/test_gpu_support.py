"""Whether a GPU is possible is told by the version file of torch, without importing torch."""

import subprocess
import sys

import pytest
import torch

needs_cpu_build = pytest.mark.skipif(
    torch.version.cuda is not None or getattr(torch.version, "hip", None) is not None or sys.platform == "darwin",
    reason="this torch is built for GPUs",
)


@needs_cpu_build
def test_a_build_for_cpus_has_no_gpu_and_is_not_imported() -> None:
    script = """
import sys
from detcli.runtimes.gpu_support import may_have_gpu
assert may_have_gpu() is False
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_torch_there_is_no_gpu() -> None:
    script = """
import sys
sys.modules["torch"] = None
from detcli.runtimes.gpu_support import may_have_gpu
assert may_have_gpu() is (sys.platform == "darwin")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
