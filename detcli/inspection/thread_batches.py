"""Applies a function to many items in threads, in their order, so that an interrupted run ends soon."""

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_AT_ONCE = 128  # an interrupted run waits for no more

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    function: Callable[[T], R], items: Sequence[T], *, workers: int | None = None
) -> Generator[R, None, None]:
    """Yield the results of a function; the calls have ended when the generator is closed.

    workers  number of threads; None: one per processor
    """
    with ThreadPoolExecutor(workers or os.cpu_count()) as threads:
        for start in range(0, len(items), _AT_ONCE):
            yield from threads.map(function, items[start : start + _AT_ONCE])
