"""A stop that any process of a run may ask for, and that all of them see before they meet again."""

import time
from contextlib import suppress
from typing import Any

from detcli.structures.stop_signal import StopSignal

_KEY = "stop"
_POLL_S = 0.2  # asking the store takes much less than a step or the detection in a batch of images


class SharedStop(StopSignal):
    """The stop of this process, and of the others through the store that they share.

    own    set by signal handlers or other threads of this process
    store  of all processes, with keys of this run alone; where it is gone, the next exchange of results says so
    """

    def __init__(self, own: StopSignal, store: Any) -> None:
        super().__init__()
        self._own, self._store, self._next = own, store, 0.0

    def is_set(self) -> bool:
        """Whether any process was asked to end the run; with others a moment later than with this one."""
        if super().is_set():
            return True
        with suppress(RuntimeError):
            self._exchange()
        return super().is_set()

    def _exchange(self) -> None:
        """Tell the others of the stop of this process, or ask for theirs. Raises RuntimeError if the store is gone."""
        if self._own.is_set():
            self.set(self._own.signal or "SIGINT")
            self._store.set(_KEY, self.signal)
        elif (now := time.monotonic()) >= self._next:
            self._next = now + _POLL_S
            if self._store.check([_KEY]):
                self.set(self._store.get(_KEY).decode())
