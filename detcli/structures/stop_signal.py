"""A request to end a run early."""

import signal
import threading


class StopSignal:
    """Asks a run to end after the current batch; may be set by a signal handler or by another thread.

    signal  name of the first signal that asked, or None
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: str | None = None

    def set(self, signal_name: str = "SIGINT") -> None:
        """Ask the run to end, as the named signal would."""
        self.signal = self.signal or signal.Signals[signal_name].name
        self._event.set()

    def is_set(self) -> bool:
        """Whether the run was asked to end."""
        return self._event.is_set()
