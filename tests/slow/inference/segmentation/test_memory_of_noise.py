"""A large image of noise, where no map can be left out of a tile, needs memory for the image too."""

from pathlib import Path

import pytest

from tests.helpers.segment_memory import EVERY, peak_mib

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


@pytest.mark.parametrize(("task", "rule"), EVERY)
def test_even_noise_stays_far_below_three_gigabytes(task: str, rule: str) -> None:
    assert peak_mib(task, rule, noise=True) < 2048
