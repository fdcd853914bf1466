"""Signals during a run: the first stops it after the current batch, the second stops it immediately."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from detcli.cli.framework.console import Console
from detcli.structures.stop_signal import StopSignal

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def stopping(console: Console, stop: StopSignal, *, action: str = "finishing the current batch") -> Iterator[None]:
    """Make signals set `stop` inside the block; an ignored signal (nohup) stays ignored.

    action  what still happens before the end, for the message
    """

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set(signal.Signals(number).name)
        console.say(f"{action}; send the signal again to stop immediately")

    before = {}
    for name in _SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
