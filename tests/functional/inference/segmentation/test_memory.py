"""A large image with many queries needs memory for the image, not for every query at its size."""

import subprocess
import sys
from pathlib import Path

import pytest

# Large for noise, where no map can be left out of a tile; what is printed: MiB at the most, and segments found.
# /proc is asked, since getrusage's figure begins with the parent's.
JOB = """
import sys
import torch
import torch.nn.functional as F
from tests.helpers.prediction_samples import one_image, random_outputs
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.inference.segmentation.segment_postprocess import to_segments

torch.set_num_threads(1)
height, width, noise, task, rule = *map(int, sys.argv[1:4]), *sys.argv[4:]
outputs = random_outputs(0, cells_hw=(200, 267), queries=100, sure=14.0)
if noise:
    outputs.masks.normal_(0, 4, generator=torch.Generator().manual_seed(0))
    outputs.logits[..., -1] = -9
stuff = frozenset({0, 1}) if task == "panoptic" else frozenset()
asked = SegmentationSettings(task, rule, threshold=0.1, mask_threshold=0.4, overlap_threshold=0.0, stuff=stuff)
[found] = to_segments(outputs, one_image((height, width), (800, 1066)), asked)
assert all(mask.size_hw == (height, width) for mask in found.masks)
lines = open("/proc/self/status", encoding="ascii").read().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024, len(found))
"""
EVERY = [
    ("panoptic", "original"),
    ("panoptic", "transformers"),
    ("instance", "original"),
    ("instance", "transformers"),
    ("semantic", "original"),
    ("semantic", "transformers"),
]

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


def peak_mib(task: str, rule: str, *, noise: bool) -> int:
    run = subprocess.run(
        [sys.executable, "-c", JOB, "3000", "4000", str(int(noise)), task, rule],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    peak, count = map(int, run.stdout.split())
    assert count > 2
    return peak


@pytest.mark.parametrize(("task", "rule"), [EVERY[0], EVERY[1], EVERY[2], EVERY[4]])
def test_a_4000_x_3000_image_with_100_queries_needs_little_memory(task: str, rule: str) -> None:
    # Torch alone is some 300 MiB; all masks at the image's size would be 4.5 GiB in float32.
    assert peak_mib(task, rule, noise=False) < 1024


@pytest.mark.slow
@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_even_noise_stays_far_below_three_gigabytes(task: str, rule: str) -> None:
    assert peak_mib(task, rule, noise=True) < 2048
