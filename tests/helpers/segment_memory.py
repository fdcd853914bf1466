"""The memory that segments of a large image need, measured in a process of its own."""

import subprocess
import sys

from tests.helpers.processes import PROJECT

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


def peak_mib(task: str, rule: str, *, noise: bool) -> int:
    run = subprocess.run(
        [sys.executable, "-c", JOB, "3000", "4000", str(int(noise)), task, rule],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    peak, count = map(int, run.stdout.split())
    assert count > 2
    return peak
