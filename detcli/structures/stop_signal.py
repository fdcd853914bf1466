"""A request to end a run early."""

import signal
import threading


class StopSignal:
    """Requests the end of a run after the current batch; a signal handler or another thread may set it.

    signal  name of the first signal that was set, or None
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: str | None = None

    def set(self, signal_name: str = "SIGINT") -> None:
        """Request the end of the run, like the named signal."""
        self.signal = self.signal or signal.Signals[signal_name].name
        self._event.set()

    def is_set(self) -> bool:
        """Whether the end of the run was requested."""
        return self._event.is_set()
