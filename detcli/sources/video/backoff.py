"""Pauses between the attempts to reopen a lost stream, and the wait for its server."""

import socket
import threading
import time
from dataclasses import dataclass

_CHECK_EVERY_S = 2.0
_CONNECT_TIMEOUT_S = 1.0


class BackoffClock:
    """The real time, and waiting for it."""

    def now(self) -> float:
        """Seconds; only differences have a meaning."""
        return time.monotonic()

    def wait(self, closed: threading.Event, seconds: float) -> None:
        """Wait for the time, or until `closed` is set."""
        closed.wait(seconds)


@dataclass(slots=True)
class BackOff:
    """Pauses between attempts, each twice as long as the one before.

    first_s   the shortest
    max_s     the longest
    stable_s  after a stream ran for this time, the pauses start from `first_s` again
    """

    first_s: float = 0.5
    max_s: float = 30.0
    stable_s: float = 3.0
    _next_s: float | None = None

    def pause_s(self) -> float:
        """Seconds before the next attempt."""
        pause = self.first_s if self._next_s is None else self._next_s
        self._next_s = min(2 * pause, self.max_s)
        return pause

    def ran_for(self, seconds: float) -> None:
        """Report how long the stream ran."""
        if seconds >= self.stable_s:
            self._next_s = None


def wait_for_server(
    server: tuple[str, int] | None, seconds: float, clock: BackoffClock, closed: threading.Event
) -> None:
    """Wait for the time, or until a server that refused connections accepts them; checked every two seconds.

    The pauses protect a server that answers. For a server that is down they have no use.
    """
    end = clock.now() + seconds
    was_up = seconds <= _CHECK_EVERY_S or server is None or _accepts_connections(server)
    while (left := end - clock.now()) > 0 and not closed.is_set():
        clock.wait(closed, min(left, _CHECK_EVERY_S) if not was_up else left)
        if not was_up and server is not None and not closed.is_set() and _accepts_connections(server):
            return


def _accepts_connections(server: tuple[str, int]) -> bool:
    try:
        socket.create_connection(server, timeout=_CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True
