"""Repeats a call that fails for a while: exponential pauses with jitter, within a time limit."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})  # of HTTP: another attempt may succeed


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How often and how long a call is repeated.

    attempts   most calls
    total_s    for all of them together
    attempt_s  for each of them
    first_s    upper limit of the first pause; each further one is twice as long
    longest_s  upper limit of all pauses
    """

    attempts: int = 6
    total_s: float = 90.0
    attempt_s: float = 30.0
    first_s: float = 0.4
    longest_s: float = 10.0

    def pauses_s(self) -> Iterator[float]:
        """The pause before each further attempt: random, so that many clients do not come back at the same moment."""
        for attempt in range(self.attempts - 1):
            limit = min(self.first_s * 2**attempt, self.longest_s)
            yield random.uniform(limit / 2, limit)


def retried(call: Callable[[float], T], *, limits: RetryLimits, is_temporary: Callable[[Exception], bool]) -> T:
    """The result of a call, repeated while its error is temporary.

    call  gets the seconds that it may take

    Raises the last error.
    """
    end = time.monotonic() + limits.total_s
    for pause_s in limits.pauses_s():
        try:
            return call(min(limits.attempt_s, end - time.monotonic()))
        except Exception as error:
            if not is_temporary(error) or time.monotonic() + pause_s >= end:
                raise
        time.sleep(pause_s)
    return call(max(min(limits.attempt_s, end - time.monotonic()), 0.001))
