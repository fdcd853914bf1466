"""Signals during a run: the first asks it to finish the batch in hand, the second ends it where it stands."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from detcli.cli.framework.console import Console
from detcli.structures.stop_signal import StopSignal

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def stopping(console: Console, stop: StopSignal, *, what: str = "finishing the batch in hand") -> Iterator[None]:
    """Let signals set `stop` for the length of the block; one that is ignored (nohup) stays ignored.

    what  is done yet before the end
    """

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set(signal.Signals(number).name)
        console.say(f"{what}; once more ends at once")

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
