"""Calls are repeated while their errors are temporary, with growing random pauses, within a time limit."""

import pytest

from detcli.io.remote.retries import RetryLimits, retried

pytestmark = pytest.mark.unit
FAST = RetryLimits(attempts=4, total_s=5.0, attempt_s=1.0, first_s=0.001, longest_s=0.002)


class Flaky:
    """Fails so many times, then answers with the number of calls."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.error, self.calls = failures, error or TimeoutError(), 0
        self.limits: list[float] = []

    def __call__(self, limit_s: float) -> int:
        self.calls += 1
        self.limits.append(limit_s)
        if self.calls <= self.failures:
            raise self.error
        return self.calls


def is_timeout(error: Exception) -> bool:
    return isinstance(error, TimeoutError)


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_temporary_errors_are_repeated_until_the_answer(failures: int) -> None:
    assert retried(Flaky(failures), limits=FAST, is_temporary=is_timeout) == failures + 1


def test_the_last_error_is_raised_after_all_attempts() -> None:
    flaky = Flaky(99)
    with pytest.raises(TimeoutError):
        retried(flaky, limits=FAST, is_temporary=is_timeout)
    assert flaky.calls == FAST.attempts


def test_other_errors_are_not_repeated() -> None:
    flaky = Flaky(1, ValueError("other"))
    with pytest.raises(ValueError, match="other"):
        retried(flaky, limits=FAST, is_temporary=is_timeout)
    assert flaky.calls == 1


def test_no_attempt_begins_after_the_time_for_all() -> None:
    flaky = Flaky(99)
    with pytest.raises(TimeoutError):
        retried(flaky, limits=RetryLimits(total_s=0.0), is_temporary=is_timeout)
    assert flaky.calls == 1


def test_pauses_double_up_to_a_limit_and_are_random() -> None:
    limits = RetryLimits(attempts=8, first_s=1.0, longest_s=8.0)
    for pauses in (list(limits.pauses_s()) for _ in range(20)):
        for pause, most in zip(pauses, [1, 2, 4, 8, 8, 8, 8], strict=True):
            assert most / 2 <= pause <= most
    assert list(limits.pauses_s()) != list(limits.pauses_s())
