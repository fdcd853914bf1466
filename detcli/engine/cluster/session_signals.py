"""Signals while Ray is started and used: what was started ends with the run."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the end of the block: half of Ray could not be ended.

    Restores the handlers, of which Ray replaces one. Does nothing in other threads than the main one, which get no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.signal(number, hold) for number in _HELD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


@contextmanager
def later_signals() -> Iterator[Callable[[], None]]:
    """Keep SIGTERM and SIGHUP until the function that it yields is called, which then does what they did before.

    An exception that a handler raises inside of Ray would become another one, and a process that ends at once would leave
    Ray behind. Where a signal ended the process, the function raises SystemExit. Ignored signals stay ignored.
    """
    arrived: list[int] = []
    before: dict[int, Any] = {}

    def check() -> None:
        if arrived:
            number = arrived.pop(0)
            handler = before[number]
            if not callable(handler):
                sys.exit(128 + number)
            handler(number, None)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
