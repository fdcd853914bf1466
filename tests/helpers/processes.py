"""Python processes that tests start: they import the package and the helpers of this checkout."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """The environment of this process, with the checkout on the path and one thread for each process."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
