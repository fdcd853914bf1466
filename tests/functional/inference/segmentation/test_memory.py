"""A large image with many queries needs memory for the image, not for every query at its size."""

from pathlib import Path

import pytest

from tests.helpers.segment_memory import EVERY, peak_mib

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


@pytest.mark.parametrize(("task", "rule"), [EVERY[0], EVERY[1], EVERY[2], EVERY[4]])
def test_a_4000_x_3000_image_with_100_queries_needs_little_memory(task: str, rule: str) -> None:
    # Torch alone is some 300 MiB; all masks at the image's size would be 4.5 GiB in float32.
    assert peak_mib(task, rule, noise=False) < 1024
