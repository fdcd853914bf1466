"""A request to end a run early."""

import threading

from detcli.errors import UsageError

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class StopSignal:
    """Requests the end of a run after the current batch; a signal handler or another thread may set it.

    signal  name of the first signal that was set, or None
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal: str | None = None

    def set(self, signal_name: str = "SIGINT") -> None:
        """Request the end of the run, like the named signal: "SIGINT", "SIGTERM" or "SIGHUP". Raises UsageError."""
        if signal_name not in _SIGNALS:
            raise UsageError(f"`signal_name` must be one of {', '.join(_SIGNALS)}, not {signal_name!r}")
        self.signal = self.signal or signal_name
        self._event.set()

    def is_set(self) -> bool:
        """Whether the end of the run was requested."""
        return self._event.is_set()
